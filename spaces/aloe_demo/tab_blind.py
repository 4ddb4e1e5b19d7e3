"""Blind test: two replies without their names, a vote, and what the judge says of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gradio as gr
from house import House

from aloe_hub.errors import AloeError, UsageError
from aloe_hub.space import show
from aloe_hub.space.blind import Agreement, Order, judged, vote_row
from aloe_hub.space.safe import entered
from aloe_hub.space.stopping import until
from aloe_hub.space.talk import Talk, answered
from aloe_hub.types import Index

CONSENT = "Store my votes with the messages they are about, for research (never who wrote them)"
NO_VOTE = "say first which reply is better, or that you cannot say"
NOTHING = "there are no two replies to choose from: write a message first"


@dataclass
class Visit:
    """One visitor's blind conversation. `open`: the last pair waits for a vote."""

    talk: Talk = field(default_factory=Talk)
    order: Order = field(default_factory=Order.drawn)
    open: bool = False
    busy: bool = False
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    counts: Counter[Agreement] = field(default_factory=Counter)


def build(house: House) -> None:
    company, settings, votes = house.company, house.settings, house.votes
    problems = [part.problem for part in (*company.policies, company.inferrer, company.judge) if part.problem]
    gr.HTML(show.notes([*problems, *filter(None, [votes.problem])]), elem_classes=["page", "notice"])
    visit = gr.State(lambda: Visit())

    def shown(visit: Visit, problem: object = "", text: Any = None) -> tuple[Any, ...]:  # noqa: ANN401 - what goes into the box
        alert = show.alert(problem) if problem else ""
        page = show.blind(visit.talk, visit.order, revealed=not visit.open)
        return page, alert, gr.skip() if text is None else text, visit

    async def say(message: str, visit: Visit) -> AsyncIterator[tuple[Any, ...]]:
        """Both models answer; which one is A is a new coin's doing each time."""
        try:
            if visit.busy or visit.open:
                raise UsageError("the models are still answering" if visit.busy else NO_VOTE)
            text = entered(message, "the message", settings.message_characters)
        except AloeError as error:
            yield shown(visit, error)
            return
        visit.busy, visit.stop, visit.order = True, asyncio.Event(), Order.drawn()
        before = visit.talk
        try:
            visit.open = True
            shown_once = False
            async for talk in until(visit.stop, answered(before, text, company, house.sampling, settings.chat_turns)):
                visit.talk = talk
                if not shown_once or visit.talk.turns[-1].done:  # nothing else of it may be seen
                    yield shown(visit, text="" if not shown_once else None)
                shown_once = True
            if visit.stop.is_set() or not all(said.text for said in visit.talk.turns[-1].said):
                problems = [said.problem for said in visit.talk.turns[-1].said if said.problem]
                visit.talk, visit.open = before, False
                yield shown(visit, f"no vote: {problems[0] if problems else 'stopped'}", text=text)
        except AloeError as error:
            visit.talk, visit.open = before, False
            yield shown(visit, error)
        finally:
            visit.busy = False

    async def vote(place: Index | None, consent: bool, visit: Visit) -> tuple[Any, ...]:
        """The pair is shown under its names, and the conversation goes on from the chosen reply."""
        if visit.busy or not visit.open:
            return (*shown(visit, "the models are still answering" if visit.busy else NOTHING), gr.skip())
        visit.open = False
        if place is None:
            verdict = "You could not say which one is better; nothing is stored."
            return (*shown(visit), show.agreement(visit.counts, votes.agreement, verdict))
        side = visit.order.side(place)
        visit.talk = visit.talk.picked(side)
        agreement, why = await judged(visit.talk, side, company)
        visit.counts[agreement] += 1
        verdict = (
            f"You chose the {show.NAMES[side].lower()}. "
            + {
                "agrees": "The judge would have chosen it too.",
                "differs": "The judge would have chosen the other one.",
                "no preference": "The judge has no preference: a tie, or it changes its mind with the order.",
                "unread": "The judge could not be asked.",
            }[agreement]
        )
        problem = ""
        if consent:
            try:
                await asyncio.to_thread(votes.keep, vote_row(visit.talk, side), agreement)
                verdict += " Your vote is stored."
            except AloeError as error:
                problem = str(error)
        else:
            verdict += " Nothing is stored."
        return (*shown(visit, problem), show.agreement(visit.counts, votes.agreement, verdict, why))

    with gr.Row(equal_height=False):
        with gr.Column(scale=7, min_width=320):
            gr.Markdown("## Which reply would you rather have had?")
            page = gr.HTML(show.blind(Talk(), Order(0), revealed=True), elem_id="blind", elem_classes="page")
            with gr.Row(elem_classes="buttons"):
                choices = [("A is better", 0), ("B is better", 1), ("I cannot say", None)]
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

    outputs = [page, notice, box, visit]
    private = {"api_visibility": "private", "show_progress": "hidden"}
    gr.on([send.click, box.submit], say, [box, visit], outputs, api_visibility="private", **house.generating)
    for button, place in buttons:
        button.click(partial(vote, place), [consent, visit], [*outputs, agreed], api_visibility="private", **house.generating)
    stop.click(lambda visit: visit.stop.set(), visit, None, queue=False, **private)
    clear.click(lambda visit: (visit.stop.set(), shown(Visit(counts=visit.counts), text=""))[1], visit, outputs, **private)
