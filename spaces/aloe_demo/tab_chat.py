"""Chat: one message box, two models, and what has been understood of whoever writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random
from typing import Any

import gradio as gr
from house import House

from aloe_hub.errors import AloeError, UsageError
from aloe_hub.space import show
from aloe_hub.space.safe import entered
from aloe_hub.space.stopping import until
from aloe_hub.space.talk import ALIGNED, Talk, answered, reason
from aloe_hub.stages import roles
from aloe_hub.stages.roles import Call

BUSY = "the models are still answering: wait for them, or stop them"
NOTHING = "there is no message yet"
COPY = "() => navigator.clipboard.writeText(document.querySelector('#talk').innerText)"
HINT = "Both models get it. Say something about yourself, and ask. Enter sends, Shift+Enter is a new line."


@dataclass
class Visit:
    """One visitor's conversation; it ends with the session."""

    talk: Talk = field(default_factory=Talk)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    busy: bool = False
    seed: int = field(default_factory=lambda: Random().getrandbits(31))


def build(house: House) -> None:
    company, settings = house.company, house.settings
    gr.HTML(
        show.notes([part.problem for part in (*company.policies, company.inferrer) if part.problem]),
        elem_classes=["page", "notice"],
    )
    visit = gr.State(lambda: Visit())
    with gr.Row(equal_height=False):
        with gr.Column(scale=7, min_width=320):
            gr.Markdown("## Two models, one conversation")
            page = gr.HTML(show.talk(Talk()), elem_id="talk", elem_classes="page")
            box = gr.Textbox(label="Your message", info=HINT, lines=1, max_lines=8, elem_id="message")
            notice = gr.HTML(elem_classes=["page", "notice"])
            with gr.Row(elem_classes="buttons"):
                send = gr.Button("Send", variant="primary", min_width=80)
                stop = gr.Button("Stop", min_width=80)
                suggest = gr.Button("Suggest a message", min_width=130)
            with gr.Row(elem_classes="buttons"):
                retry = gr.Button("Retry", size="sm", min_width=70)
                undo = gr.Button("Undo", size="sm", min_width=70)
                clear = gr.Button("Clear", size="sm", min_width=70)
                copy = gr.Button("Copy the conversation", size="sm", min_width=130)
            choices = [(name, side) for side, name in enumerate(show.NAMES)]
            pick = gr.Radio(choices, value=ALIGNED, label="The conversation goes on from the reply of the", elem_id="pick")
        with gr.Column(scale=3, min_width=280):
            gr.Markdown("## What it has understood of you")
            panel = gr.HTML(show.understood(Talk()), elem_id="understood", elem_classes="page")

    def shown(visit: Visit, problem: object = "", text: Any = None) -> tuple[Any, ...]:  # noqa: ANN401 - what goes into the box
        return show.talk(visit.talk), show.understood(visit.talk), _alert(problem), gr.skip() if text is None else text, visit

    async def asked(visit: Visit, message: str, side: int, tries: int) -> AsyncIterator[tuple[Any, ...]]:
        """The pages of a new turn while it grows. Whatever happens, the visitor is free to go on after it."""
        visit.busy, visit.stop = True, asyncio.Event()
        before = visit.talk.picked(1 if side else 0)
        try:
            text: str | None = ""
            problem: str | None = ""
            talks = answered(before, message, company, house.sampling, settings.chat_turns, tries=tries)
            async for talk in until(visit.stop, talks):
                visit.talk = talk
                yield shown(visit, problem, text)
                text = problem = None  # the visitor may be writing the next one, and be told to wait
            visit.talk = visit.talk.stopped()
            yield shown(visit, "" if visit.stop.is_set() else None)
        finally:
            visit.talk = visit.talk.stopped()
            visit.busy = False

    async def say(message: str, side: int, visit: Visit) -> AsyncIterator[tuple[Any, ...]]:
        """Send a message to both models; the replies grow on the page."""
        try:
            if visit.busy:
                raise UsageError(BUSY)
            text = entered(message, "the message", settings.message_characters)
            async for pages in asked(visit, text, side, 0):
                yield pages
        except AloeError as error:
            yield shown(visit, error)

    async def again(side: int, visit: Visit) -> AsyncIterator[tuple[Any, ...]]:
        try:
            if visit.busy or not visit.talk.turns:
                raise UsageError(BUSY if visit.busy else NOTHING)
            last = visit.talk.turns[-1]
            visit.talk = visit.talk.undone()
            async for pages in asked(visit, last.user, side, last.tries + 1):
                yield pages
        except AloeError as error:
            yield shown(visit, error)

    def back(visit: Visit) -> tuple[Any, ...]:
        """Take the last message back, into the box."""
        if visit.busy or not visit.talk.turns:
            return shown(visit, BUSY if visit.busy else NOTHING)
        message = visit.talk.turns[-1].user
        visit.talk = visit.talk.undone()
        return shown(visit, text=message)

    def emptied(visit: Visit) -> tuple[Any, ...]:
        visit.stop.set()
        fresh = Visit()
        return shown(fresh, text="")

    def picked(side: int, visit: Visit) -> tuple[Any, ...]:
        if not visit.busy:
            visit.talk = visit.talk.picked(1 if side else 0)
        return shown(visit)

    async def suggested(visit: Visit) -> tuple[Any, ...]:
        """What a simulated user would write next: for whoever does not know what to say."""
        persona = house.library.personas[visit.seed % len(house.library.personas)]
        call = Call(str(visit.seed), len(visit.talk.turns))
        try:
            text = await roles.user_message(company.user.there, persona, visit.talk.messages, call)
        except Exception as error:
            return shown(visit, reason(company.user, error))
        return shown(visit, text=text[: settings.message_characters])

    outputs = [page, panel, notice, box, visit]
    private = {"api_visibility": "private", "show_progress": "hidden"}
    generating = house.generating
    multiple = {"trigger_mode": "multiple"}  # who sends another one meanwhile is told to wait
    gr.on([send.click, box.submit], say, [box, pick, visit], outputs, api_name="say", **multiple, **generating)
    retry.click(again, [pick, visit], outputs, api_visibility="private", **generating)
    suggest.click(suggested, visit, outputs, api_visibility="private", **generating)
    stop.click(lambda visit: visit.stop.set(), visit, None, queue=False, **private)
    undo.click(back, visit, outputs, **private)
    clear.click(emptied, visit, outputs, **private)
    pick.input(picked, [pick, visit], outputs, **private)
    copy.click(None, None, None, js=COPY, **private)


def _alert(problem: object) -> Any:  # noqa: ANN401 - what Gradio takes for "as it is"
    """A problem; none any more (""); or what is there already (None)."""
    return gr.skip() if problem is None else show.alert(str(problem)) if problem else ""
