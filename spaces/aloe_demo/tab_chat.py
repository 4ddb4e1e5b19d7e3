"""Chat: one message box, two models, and what has been understood of whoever writes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

import gradio as gr
import show
from app_state import AppState
from safe import entered
from session import Session, until
from talk import ALIGNED, Talk, answered

from aloe_hub.errors import AloeError, UsageError
from aloe_hub.stages import roles
from aloe_hub.stages.roles import Call

BUSY = "the models are still answering: wait for them, or stop them"
NOTHING = "there is no message yet"
COPY = "() => navigator.clipboard.writeText(document.querySelector('#talk').innerText)"
HINT = "Both models get it. Say something about yourself, and ask. Enter sends, Shift+Enter is a new line."


@dataclass
class Chatting(Session):
    """One visitor's conversation; it ends with the session."""

    talk: Talk = field(default_factory=Talk)
    seed: int = field(default_factory=lambda: Random().getrandbits(31))


def build(state: AppState) -> None:
    models, settings = state.models, state.settings
    gr.HTML(show.page("notes", models.problems("base", "aligned", "inferrer")), elem_classes=["page", "notice"])
    session = gr.State(lambda: Chatting())
    with gr.Row(equal_height=False):
        with gr.Column(scale=7, min_width=320):
            gr.Markdown("## Two models, one conversation")
            page = gr.HTML(show.page("talk", Talk()), elem_id="talk", elem_classes="page")
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

    def shown(session: Chatting, problem: object = "", text: str | None = None) -> tuple[Any, ...]:
        """The page, the panel, a problem (none any more: "", what is there already: None), what goes into the box."""
        alert = gr.skip() if problem is None else show.alert(str(problem)) if problem else ""
        talk = show.page("talk", session.talk), show.understood(session.talk)
        return *talk, alert, gr.skip() if text is None else text, session

    async def say(message: str | None, side: int, session: Chatting) -> AsyncIterator[tuple[Any, ...]]:
        """Send a message to both models, or (None) the last one again; the replies grow on the page."""
        try:
            if session.busy or (message is None and not session.talk.turns):
                raise UsageError(BUSY if session.busy else NOTHING)
            if message is None:
                last, before = session.talk.turns[-1], session.talk.undone()
                written, tries = last.user, last.tries + 1
            else:
                written, tries, before = entered(message, "the message", settings.message_characters), 0, session.talk
            before = before.picked(1 if side else 0)
            talks = answered(before, written, models, state.sampling, settings.chat_turns, tries=tries)
            problem: str | None = ""
            with session.at_work() as stop:
                try:
                    async for session.talk in until(stop, talks):
                        yield shown(session, problem, problem)
                        problem = None  # the visitor may be writing the next one, and be told to wait
                finally:
                    session.talk = session.talk.stopped()
                yield shown(session, "" if stop.is_set() else None)
        except AloeError as error:
            yield shown(session, error)

    def back(session: Chatting) -> tuple[Any, ...]:
        """Take the last message back, into the box."""
        if session.busy or not session.talk.turns:
            return shown(session, BUSY if session.busy else NOTHING)
        message = session.talk.turns[-1].user
        session.talk = session.talk.undone()
        return shown(session, text=message)

    def emptied(session: Chatting) -> tuple[Any, ...]:
        session.stop.set()
        return shown(Chatting(), text="")

    def picked(side: int, session: Chatting) -> tuple[Any, ...]:
        if not session.busy:
            session.talk = session.talk.picked(1 if side else 0)
        return shown(session)

    async def suggested(session: Chatting) -> tuple[Any, ...]:
        """What a simulated user would write next: for whoever does not know what to say."""
        persona = state.library.personas[session.seed % len(state.library.personas)]
        call = Call(str(session.seed), len(session.talk.turns))
        try:
            text = await roles.user_message(models.user.chat, persona, session.talk.messages, call)
        except Exception as error:
            return shown(session, models.user.failed(error))
        return shown(session, text=text[: settings.message_characters])

    outputs = [page, panel, notice, box, session]
    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    multiple = {"trigger_mode": "multiple"}  # who sends another one meanwhile is told to wait
    gr.on([send.click, box.submit], say, [box, pick, session], outputs, api_name="say", **multiple, **state.generating)
    retry.click(partial(say, None), [pick, session], outputs, api_visibility="private", **state.generating)
    suggest.click(suggested, session, outputs, api_visibility="private", **state.generating)
    stop.click(lambda session: session.stop.set(), session, None, queue=False, **private)
    undo.click(back, session, outputs, **private)
    clear.click(emptied, session, outputs, **private)
    pick.input(picked, [pick, session], outputs, **private)
    copy.click(None, None, None, js=COPY, **private)
