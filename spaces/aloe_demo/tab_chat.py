"""Chat: the visitor is the user. One message box, two models, and what a note-taker has understood of whoever writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import gradio as gr
import known
import show
from app_state import AppState
from safe import entered
from session import PRIVATE, Session, message_box, of_visitor, page_under_way, refused
from talk import Talk, answered

from aloe_hub.errors import AloeError, UsageError
from aloe_hub.model_string import ModelString
from aloe_hub.stages import roles
from aloe_hub.stages.roles import Call
from aloe_hub.types import Index

BUSY = "the models are still answering: wait for them, or stop them"
NOTHING = "there is no message yet"
COPY = "() => navigator.clipboard.writeText(document.querySelector('#talk').innerText)"
PICK = """element.addEventListener('click', (event) => {
  const button = event.target.closest('[data-pick]');
  if (button) trigger('select', { index: Number(button.dataset.pick), value: button.dataset.pick });
});"""


@dataclass
class Chatting(Session):
    """One visitor's conversation; it ends with the session, but for what their browser keeps."""

    talk: Talk = field(default_factory=Talk)
    seed: int = field(default_factory=lambda: Random().getrandbits(31))
    noted: bool = False  # whether the aligned model is shown what was understood


def build(kept: gr.BrowserState, state: AppState) -> None:
    models, settings = state.models, state.settings
    world = known.is_world(models)
    always_noted = ModelString.recorded(models.aligned.model).scheme == "inferred"
    session = of_visitor(Chatting)
    gr.HTML(lambda: show.page("notes", models.problems("base", "aligned", "inferrer")), elem_classes=["page", "notice"])
    with gr.Row(equal_height=False):
        with gr.Column(scale=7, min_width=320):
            page = gr.HTML(show.page("talk", Talk()), js_on_load=PICK, elem_id="talk", elem_classes="page")
            with gr.Column(elem_classes="composer"):
                notice = gr.HTML(elem_classes=["page", "notice"])
                chips = gr.HTML(elem_id="chips", elem_classes=["page", "offered"], visible=world)
                box, send, stop = message_box("message")
            with gr.Row(elem_classes="buttons"):
                suggest = gr.Button("Suggest a message", size="sm", min_width=130)
                retry = gr.Button("Retry", size="sm", min_width=70, interactive=False, visible=settings.policy_temperature > 0)
                undo = gr.Button("Undo", size="sm", min_width=70, interactive=False)
                clear = gr.Button("Clear", size="sm", min_width=70, interactive=False)
                copy = gr.Button("Copy the conversation", size="sm", min_width=130, interactive=False)
        with gr.Column(scale=3, min_width=280):
            gr.Markdown("## What a note-taker understood of you")
            sees = gr.HTML(show.page("who_sees", models.inferrer.model, always_noted), elem_classes="page")
            noted = gr.Checkbox(False, label="The aligned model sees these notes", visible=not (world or always_noted))
            panel = gr.HTML(show.understood(Talk()), elem_id="understood", elem_classes="page")

    def offered(session: Chatting) -> str:
        """What may be said next, to click; where any text is understood, nothing."""
        said = [turn.user for turn in session.talk.turns]
        return show.page("chips", known.chips(session.seed + len(said), said)) if world else ""

    def shown(session: Chatting, problem: AloeError | str | None = "", text: str | None = None) -> tuple[Any, ...]:
        """The page, the panel, a problem (none any more: "", what is there: None), what goes into the box, the buttons."""
        alert = gr.skip() if problem is None else gr.update(value=show.unanswered(problem) if problem else "")
        talk, busy = session.talk, session.busy
        if busy and problem is None and text is None:  # it grows: nothing else changes
            return show.page("talk", talk), show.understood(talk), *(gr.skip() for _ in outputs[2:])
        able = bool(talk.turns) and not busy
        return (
            show.page("talk", talk),
            show.understood(talk),
            alert,
            # Of what is skipped at times the value is an update too: Gradio would keep a component more for each change of kind.
            gr.skip() if text is None else gr.update(value=text),
            session,
            gr.skip() if busy else gr.update(value=talk.to_row()),
            gr.skip() if busy else gr.update(value=offered(session)),
            gr.update(interactive=not busy),
            gr.update(interactive=busy),
            *(gr.update(interactive=able) for _ in (retry, undo, clear, copy)),
        )

    async def say(message: str | None, session: Chatting) -> AsyncIterator[tuple[Any, ...]]:
        """Send a message to both models, or (None) the last one again; the replies grow on the page."""
        if session.busy:
            yield refused(outputs, notice, show.alert(BUSY))
            return
        try:
            if message is None and not session.talk.turns:
                raise UsageError(NOTHING)
            if message is None:
                last, before = session.talk.turns[-1], session.talk.undone()
                written, tries = last.user, last.tries + 1
            else:
                written, tries, before = entered(message, "the message", settings.message_characters), 0, session.talk
                written = known.understandable(written, world, session.talk.messages)
            asked = before, written, models, state.sampling, settings.chat_turns
            problem: str | None = ""
            with session.at_work() as stopped:
                talks = answered(*asked, stopped, tries=tries, noted=session.noted)
                try:
                    async for session.talk in talks:
                        if not session.talk.turns[-1].done:  # a whole one is shown once the next message may be sent
                            yield shown(session, problem, problem)
                            problem = None  # the visitor may be writing the next one, and be told to wait
                finally:
                    session.talk = session.talk.stopped()
            yield shown(session)  # nobody has to wait any more; what the visitor is writing stays
        except AloeError as error:
            yield shown(session, error, "" if getattr(error, "kind", "") == "distress" else None)

    def back(session: Chatting) -> tuple[Any, ...]:
        """Take the last message back, into the box."""
        if session.busy:
            return refused(outputs, notice, show.alert(BUSY))
        if not session.talk.turns:
            return shown(session, NOTHING)
        message = session.talk.turns[-1].user
        session.talk = session.talk.undone()
        return shown(session, text=message)

    def emptied(session: Chatting) -> tuple[Any, ...]:
        session.stop.set()
        return shown(Chatting(noted=session.noted), text="")

    def picked(session: Chatting, event: gr.SelectData) -> tuple[Any, ...]:
        side: Index = 1 if event.index == 1 else 0
        if not session.busy:
            session.talk = session.talk.picked(side)
        return shown(session)

    def restored(row: object, session: Chatting) -> tuple[Any, ...]:
        """What the visitor's browser kept of their conversation, unless they were quicker: what they say is shown already."""
        talk = Talk.from_row(row, settings.chat_turns)
        if session.talk.turns or not talk.turns:
            return tuple(gr.update(value=offered(session)) if one is chips else gr.skip() for one in outputs)
        session.talk = talk
        return shown(session)

    def seen(value: bool, session: Chatting) -> tuple[Any, ...]:
        session.noted = value
        return show.page("who_sees", models.inferrer.model, value), session

    async def suggested(session: Chatting) -> tuple[Any, ...]:
        """What a simulated user would write next: for whoever does not know what to say."""
        persona = state.library.personas[session.seed % len(state.library.personas)]
        call = Call(str(session.seed), len(session.talk.turns))
        try:
            text = await roles.user_message(models.user.chat, persona, session.talk.messages, call)
        except Exception as error:
            return shown(session, models.user.failed(error))
        return shown(session, text=text[: settings.message_characters])

    outputs = [page, panel, notice, box, session, kept, chips, send, stop, retry, undo, clear, copy]
    multiple = {"trigger_mode": "multiple"}  # who sends another one meanwhile is told to wait
    gr.on([send.click, box.submit], say, [box, session], outputs, api_name="say", **multiple, **state.generating)
    retry.click(partial(say, None), session, outputs, api_visibility="private", **state.generating)
    suggest.click(suggested, session, outputs, api_visibility="private", **state.generating)
    stop.click(lambda session: session.stop.set(), session, None, queue=False, **PRIVATE)
    undo.click(back, session, outputs, **PRIVATE)
    clear.click(emptied, session, outputs, **PRIVATE)
    page.select(picked, session, outputs, **PRIVATE)
    noted.input(seen, [noted, session], [sees, session], **PRIVATE)
    copy.click(None, None, None, js=COPY, **PRIVATE)
    page_under_way().load(restored, [kept, session], outputs, **PRIVATE)
