"""Blind test: two replies without their names, a vote, and what the judge says of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gradio as gr
import show
from app_state import AppState
from blind import Agreement, Order, judged, vote_row
from safe import entered
from session import Session, until
from talk import Talk, answered

from aloe_hub.errors import AloeError, UsageError
from aloe_hub.types import Index

CONSENT = "Store my votes with the messages they are about, for research (never who wrote them)"
NO_VOTE = "say first which reply is better, or that you cannot say"
JUDGED: dict[Agreement, str] = {
    "agrees": "The judge would have chosen it too.",
    "differs": "The judge would have chosen the other one.",
    "no preference": "The judge has no preference: a tie, or it changes its mind with the order.",
    "unread": "The judge could not be asked, or not be read.",
}
BUSY = "the models are still answering"
NOTHING = "there are no two replies to choose from: write a message first"


@dataclass
class Voting(Session):
    """One visitor's blind conversation. `open`: the last pair waits for a vote."""

    talk: Talk = field(default_factory=Talk)
    order: Order = field(default_factory=Order.drawn)
    open: bool = False
    counts: Counter[Agreement] = field(default_factory=Counter)


def build(state: AppState) -> None:
    models, settings, votes = state.models, state.settings, state.votes
    problems = models.problems("base", "aligned", "inferrer", "judge")
    gr.HTML(show.page("notes", [*problems, *filter(None, [votes.problem])]), elem_classes=["page", "notice"])
    session = gr.State(lambda: Voting())

    def shown(session: Voting, problem: Exception | str = "", text: str | None = None) -> tuple[Any, ...]:
        alert = show.alert(problem) if problem else ""
        page = show.page("blind", session.talk, session.order, not session.open)
        return page, alert, gr.skip() if text is None else text, session

    async def say(message: str, session: Voting) -> AsyncIterator[tuple[Any, ...]]:
        """Both models answer; which one is A is a new coin's doing each time."""
        try:
            if session.busy or session.open:
                raise UsageError(BUSY if session.busy else NO_VOTE)
            text = entered(message, "the message", settings.message_characters)
        except AloeError as error:
            yield shown(session, error)
            return
        before, session.order, session.open = session.talk, Order.drawn(), True
        problem: Exception | str = ""
        with session.at_work() as stop:
            try:
                first = True
                async for session.talk in until(stop, answered(before, text, models, state.sampling, settings.chat_turns)):
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
                yield shown(session, problem, text)

    async def vote(place: Index | None, consent: bool, session: Voting) -> tuple[Any, ...]:
        """The pair is shown under its names, and the conversation goes on from the chosen reply."""
        if session.busy or not session.open:
            return (*shown(session, BUSY if session.busy else NOTHING), gr.skip())
        session.open = False
        if place is None:
            verdict = "You could not say which one is better; nothing is stored."
            return (*shown(session), show.agreement(session.counts, votes.agreement, verdict))
        side = session.order.side(place)
        session.talk = session.talk.picked(side)
        agreement, why = await judged(session.talk, side, models)
        session.counts[agreement] += 1
        verdict = f"You chose the {show.NAMES[side].lower()}. {JUDGED[agreement]}"
        problem = ""
        if consent:
            try:
                await asyncio.to_thread(votes.keep, vote_row(session.talk, side), agreement)
                verdict += " Your vote is stored."
            except AloeError as error:
                problem = str(error)
        else:
            verdict += " Nothing is stored."
        return (*shown(session, problem), show.agreement(session.counts, votes.agreement, verdict, why))

    def emptied(session: Voting) -> tuple[Any, ...]:
        session.stop.set()
        return shown(Voting(counts=session.counts), text="")

    with gr.Row(equal_height=False):
        with gr.Column(scale=7, min_width=320):
            gr.Markdown("## Which reply would you rather have had?")
            page = gr.HTML(show.page("blind", Talk(), Order(0), True), elem_id="blind", elem_classes="page")
            with gr.Row(elem_classes="buttons"):
                choices: list[tuple[str, Index | None]] = [("A is better", 0), ("B is better", 1), ("I cannot say", None)]
                buttons = [(gr.Button(name, min_width=90), place) for name, place in choices]
            box = gr.Textbox(label="Your message", info="Enter sends, Shift+Enter is a new line.", lines=1, max_lines=8)
            notice = gr.HTML(elem_classes=["page", "notice"])
            with gr.Row(elem_classes="buttons"):
                send = gr.Button("Send", variant="primary", min_width=80)
                stop = gr.Button("Stop", min_width=80)
                clear = gr.Button("Clear", min_width=80)
        with gr.Column(scale=3, min_width=280):
            gr.Markdown("## Judge and votes")
            where = "and pushed to a private dataset" if votes.pushed else "and goes nowhere else"
            consent = gr.Checkbox(
                False, label=CONSENT, info=f"A vote is kept on this machine {where}. Without this nothing is stored."
            )
            agreed = gr.HTML(show.agreement({}, votes.agreement), elem_id="agreement", elem_classes="page")

    outputs = [page, notice, box, session]
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    gr.on([send.click, box.submit], say, [box, session], outputs, api_visibility="private", **state.generating)
    for button, place in buttons:
        button.click(partial(vote, place), [consent, session], [*outputs, agreed], api_visibility="private", **state.generating)
    stop.click(lambda session: session.stop.set(), session, None, queue=False, **private)
    clear.click(emptied, session, outputs, **private)
