"""Blind test: two replies without their names, a vote, and what the judge says of it.

A vote is stored when its row has been shown and sent, and only of a conversation that began after consent. As long as the tab of
the browser is open, whatever its visitor does there, every vote of theirs can be taken back.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gradio as gr
import known
import show
from app_state import AppState
from blind import Agreement, Order, judged, vote_row
from safe import entered
from session import PRIVATE, Session, message_box, of_visitor, page_under_way, refused
from talk import Talk, answered

from aloe_hub.errors import AloeError, UsageError
from aloe_hub.types import Index, Row

CONSENT = "I agree that my votes may be stored, with the messages they are about, for research"
NO_VOTE = "say first which reply is better, or that you cannot say"
JUDGED: dict[Agreement, str] = {
    "agrees": "The judge would have chosen it too.",
    "differs": "The judge would have chosen the other one.",
    "no preference": "The judge has no preference: a tie, or it changes its mind with the order.",
    "unread": "The judge could not be asked, or not be read.",
}
BUSY = "the models are still answering"
STAYS = "here, though the history of the private dataset keeps what was pushed of it before"


@dataclass
class Voting(Session):
    """One visitor's blind conversation. `open`: the last pair waits for a vote; `row`: what may be stored of the last one."""

    talk: Talk = field(default_factory=Talk)
    order: Order = field(default_factory=Order.drawn)
    open: bool = False
    consent: bool = False
    counts: Counter[Agreement] = field(default_factory=Counter)
    verdict: str = ""
    why: str = ""
    agreement: Agreement | None = None  # of the judge with the last vote
    row: Row | None = None
    receipts: list[str] = field(default_factory=list)  # of the votes that were stored


def build(kept: gr.BrowserState, state: AppState) -> None:
    models, settings, votes = state.models, state.settings, state.votes
    world = known.is_world(models)
    gr.HTML(
        lambda: show.page("notes", [*models.problems("base", "aligned", "inferrer", "judge"), *filter(None, [votes.problem])]),
        elem_classes=["page", "notice"],
    )
    session = of_visitor(Voting)

    def shown(session: Voting, problem: Exception | str = "", text: str | None = None) -> tuple[Any, ...]:
        alert = show.unanswered(problem) if isinstance(problem, AloeError) else show.alert(problem) if problem else ""
        busy, talk = session.busy, session.talk
        writes = not busy and not session.open
        offered = show.page("chips", known.chips(len(talk.turns), [turn.user for turn in talk.turns])) if world and writes else ""
        return (
            show.page("blind", talk, session.order, not session.open),
            alert,
            gr.skip() if text is None else gr.update(value=text),
            session,
            list(session.receipts),
            show.page("row", session.row) if session.row else "",
            show.agreement(session.counts, votes.agreement, session.verdict, session.why),
            offered,
            gr.update(interactive=writes),
            gr.update(interactive=busy),
            gr.update(interactive=bool(talk.turns) and not busy),
            gr.update(interactive=session.row is not None),
            gr.update(interactive=bool(session.receipts)),
            gr.update(
                interactive=len(session.receipts) > 1,
                value=f"Take all {len(session.receipts)} back" if session.receipts[1:] else "Take all back",
            ),
            *(gr.update(interactive=session.open and not busy) for _ in buttons),
        )

    async def say(message: str, session: Voting) -> AsyncIterator[tuple[Any, ...]]:
        """Both models answer; which one is A is a new coin's doing each time."""
        if session.busy:
            yield refused(outputs, notice, show.alert(BUSY))
            return
        try:
            if session.open:
                raise UsageError(NO_VOTE)
            text = entered(message, "the message", settings.message_characters)
            text = known.understandable(text, world, session.talk.messages)
        except AloeError as error:
            yield shown(session, error, "" if getattr(error, "kind", "") == "distress" else None)
            return
        before, session.order, session.open = session.talk, Order.drawn(), True
        session.row = None
        session.verdict = session.why = ""
        problem: Exception | str = ""
        with session.at_work() as stop:
            try:
                first = True
                async for session.talk in answered(before, text, models, state.sampling, settings.chat_turns, stop):
                    if first or session.talk.turns[-1].done:  # nothing else of it may be seen
                        yield shown(session, text="" if first else None)
                    first = False
                said = session.talk.turns[-1].said
                if stop.is_set() or not all(one.text for one in said):
                    problem = f"no vote: {next((one.problem for one in said if one.problem), 'stopped')}"
            except AloeError as error:
                problem = error
        if problem:
            session.talk, session.open = before, False
        yield shown(session, problem, text if problem else None)

    async def vote(place: Index | None, session: Voting) -> tuple[Any, ...]:
        """The pair is shown under its names, and the conversation goes on from the chosen reply."""
        if session.busy or not session.open:
            return shown(session)
        session.open = False
        if place is None:
            session.verdict = "You could not say which one is better; nothing is stored."
            return shown(session)
        side = session.order.side(place)
        session.talk = session.talk.picked(side)
        session.agreement, session.why = await judged(session.talk, side, models)
        session.counts[session.agreement] += 1
        session.verdict = f"You chose the {show.NAMES[side].lower()}. {JUDGED[session.agreement]}"
        if session.consent:
            session.row = vote_row(session.talk, side)
        else:
            session.verdict += " Nothing is stored."
        return shown(session)

    async def stored(session: Voting) -> tuple[Any, ...]:
        """The very row that was shown is kept."""
        row, session.row = session.row, None  # and no second time
        if row is None or session.agreement is None or not session.consent:
            return shown(session)
        try:
            session.receipts.append(await asyncio.to_thread(votes.keep, row, session.agreement))
        except AloeError as error:
            session.row = row
            return shown(session, error)
        session.verdict += " Your vote is stored."
        return shown(session)

    async def taken_back(least: int, session: Voting) -> tuple[Any, ...]:
        """The last vote (least: -1), or all (0), also of earlier conversations of this tab."""
        going, number = session.receipts[least:], 0
        for receipt in reversed(going):
            agreement = votes.judged(receipt)
            try:
                await asyncio.to_thread(votes.take_back, receipt)
            except AloeError as error:
                return shown(session, error)
            session.receipts.remove(receipt)
            if agreement:
                session.counts[agreement] -= 1
                number += 1
        which = "Your last vote is" if least else f"All your votes ({number}) are"
        session.verdict = (
            f"{which} taken back; nothing of {'it' if least else 'them'} is stored {STAYS if votes.pushed else 'any more'}."
        )
        return shown(session)

    def restored(receipts: object, session: Voting) -> tuple[Any, ...]:
        """The votes whose receipts the tab kept over a reload; a visitor who was quicker has what they did already."""
        known = {receipt: votes.judged(receipt) for receipt in map(str, receipts if isinstance(receipts, list) else [])}
        session.receipts += (receipt for receipt, agreement in known.items() if agreement)
        session.counts.update(filter(None, known.values()))
        lost = sum(not agreement for agreement in known.values())
        if lost:
            session.verdict = (
                f"This Space has started anew: votes that you stored before ({lost}) can no longer be taken back here."
            )
        told = kept, verdict, back, all_back
        return tuple(value for one, value in zip(outputs, shown(session), strict=True) if one in told)

    def anew(session: Voting, consent: bool, verdict: str = "", text: str | None = None) -> tuple[Any, ...]:
        """Another conversation of the same visitor."""
        session.stop.set()
        return shown(Voting(counts=session.counts, consent=consent, receipts=session.receipts, verdict=verdict), text=text)

    def agreed(value: bool, session: Voting) -> tuple[Any, ...]:
        """What was written before is part of no row: the conversation begins anew."""
        number = len(session.receipts)
        stay = f" What you stored ({number}) stays, until you take it back with the buttons below." if number else ""
        return anew(
            session,
            value,
            "A new conversation: now you may store votes." if value else f"From now on nothing of yours is stored.{stay}",
        )

    with gr.Row(equal_height=False):
        with gr.Column(scale=7, min_width=320):
            page = gr.HTML(show.page("blind", Talk(), Order(0), True), elem_id="blind", elem_classes="page")
            with gr.Column(elem_classes="composer"):
                with gr.Row(elem_classes="votes"):
                    choices: list[tuple[str, Index | None]] = [("A is better", 0), ("B is better", 1), ("I cannot say", None)]
                    buttons = [(gr.Button(name, min_width=90, interactive=False), place) for name, place in choices]
                notice = gr.HTML(elem_classes=["page", "notice"])
                first = show.page("chips", known.chips(0)) if world else ""
                chips = gr.HTML(first, elem_classes=["page", "offered"], visible=world)
                box, send, stop = message_box()
            clear = gr.Button("Clear", size="sm", min_width=70, interactive=False)
        with gr.Column(scale=3, min_width=280):
            gr.Markdown("## Your votes and the judge's")
            where = "pushed to a private dataset" if votes.pushed else "kept on this machine alone"
            info = f"From then on, in a new conversation; you see each row before it is {where}. Without this nothing is stored."
            consent = gr.Checkbox(False, label=CONSENT, info=info)
            verdict = gr.HTML(show.agreement({}, votes.agreement), elem_id="agreement", elem_classes="page")
            row = gr.HTML(elem_id="row", elem_classes="page")
            with gr.Row(elem_classes="buttons"):
                keep = gr.Button("Store this vote", min_width=120, interactive=False)
                back = gr.Button("Take my last vote back", min_width=120, interactive=False)
                all_back = gr.Button("Take all back", min_width=120, interactive=False)

    outputs = [page, notice, box, session, kept, row, verdict, chips, send, stop, clear, keep, back, all_back]
    outputs += [button for button, _ in buttons]
    gr.on([send.click, box.submit], say, [box, session], outputs, api_visibility="private", **state.generating)
    for button, place in buttons:
        button.click(partial(vote, place), session, outputs, api_visibility="private", **state.generating)
    keep.click(stored, session, outputs, **PRIVATE)
    back.click(partial(taken_back, -1), session, outputs, **PRIVATE)
    all_back.click(partial(taken_back, 0), session, outputs, **PRIVATE)
    stop.click(lambda session: session.stop.set(), session, None, queue=False, **PRIVATE)
    clear.click(lambda session: anew(session, session.consent, text=""), session, outputs, **PRIVATE)
    consent.input(agreed, [consent, session], outputs, **PRIVATE)
    page_under_way().load(restored, [kept, session], [kept, verdict, back, all_back], **PRIVATE)
