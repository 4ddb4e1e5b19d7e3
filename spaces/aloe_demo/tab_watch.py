"""Watch: a simulated user talks with both models, a judge scores every reply, the curves grow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import gradio as gr
import show
from app_state import AppState
from library import persona_text
from safe import entered, tidy
from search import choice
from session import Session, until
from watch import Watch, watched

from aloe_hub.errors import AloeError, UsageError
from aloe_hub.types import Persona

MOST_PERSONA = 4000  # characters of a profile or a personality that somebody writes
PROFILE = "Facts: what the user talks about. Change it, or write your own."
PERSONALITY = "Traits: how the user likes to be answered."
NOTHING_YET = '<p class="nothing">Pick a persona, or write one, and watch: the curves appear here.</p>'


def build(state: AppState) -> None:
    models, settings, personas = state.models, state.settings, state.library.personas
    gr.HTML(show.page("notes", [*models.problems(), *state.library.problems]), elem_classes=["page", "notice"])
    session = gr.State(lambda: Session())

    def filled(place: int) -> tuple[str, str]:
        return tidy(personas[place].profile), tidy(personas[place].personality)

    async def watch(profile: str, personality: str, turns: int, session: Session) -> AsyncIterator[tuple[Any, ...]]:
        """A simulated user of this persona talks with both models, turn by turn."""
        try:
            if session.busy:
                raise UsageError("a conversation is being watched: wait for its end, or stop it")
            about = entered(profile, "the profile", MOST_PERSONA), entered(personality, "the personality", MOST_PERSONA)
        except AloeError as error:
            yield gr.skip(), show.alert(error), session
            return
        now = Watch.begun(Persona(*about), models, max(1, min(int(turns), settings.watch_turns)))
        with session.at_work() as stop:
            async for now in until(stop, watched(now, models, settings.temperature)):  # noqa: B020 - it grows
                yield show.page("watch", now), "", session
            if stop.is_set():
                yield show.page("watch", now.stopped()), "", session

    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=300):
            gr.Markdown("## A simulated user")
            picked = choice(
                personas, "personas", text=persona_text, title=persona_text, most=6, source=state.library.personas_from
            )
            first, second = filled(0)
            profile = gr.Textbox(first, label="Profile", info=PROFILE, lines=4, max_lines=8)
            personality = gr.Textbox(second, label="Personality", info=PERSONALITY, lines=3, max_lines=8)
            turns = gr.Slider(1, settings.watch_turns, value=settings.watch_turns, step=1, label="Turns")
            with gr.Row(elem_classes="buttons"):
                go = gr.Button("Watch", variant="primary", min_width=80)
                stop = gr.Button("Stop", min_width=80)
            notice = gr.HTML(elem_classes=["page", "notice"])
        with gr.Column(scale=8, min_width=320):
            gr.Markdown("## How well each model fits")
            page = gr.HTML(NOTHING_YET, elem_id="watch", elem_classes="page")

    private: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    picked.input(filled, picked, [profile, personality], **private)
    inputs, outputs = [profile, personality, turns, session], [page, notice, session]
    go.click(watch, inputs, outputs, api_visibility="private", **state.generating)
    stop.click(lambda session: session.stop.set(), session, None, queue=False, **private)
