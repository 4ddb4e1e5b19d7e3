"""Watch: a simulated user talks with both models, a judge scores every reply, the curves grow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from house import House

from aloe_hub.errors import AloeError, UsageError
from aloe_hub.space import show
from aloe_hub.space.library import found, persona_text
from aloe_hub.space.safe import entered, tidy
from aloe_hub.space.stopping import until
from aloe_hub.space.watch import Watch, watched
from aloe_hub.types import Persona

LISTED = 6
MOST_PERSONA = 4000  # characters of a profile or a personality that somebody writes
PROFILE = "Facts: what the user talks about. Change it, or write your own."
PERSONALITY = "Traits: how the user likes to be answered."
NOTHING_YET = '<p class="nothing">Pick a persona, or write one, and watch: the curves appear here.</p>'


@dataclass
class Visit:
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    busy: bool = False


def build(house: House) -> None:
    company, library, settings = house.company, house.library, house.settings
    problems = [*company.problems, *library.problems]
    gr.HTML(show.notes(problems), elem_classes=["page", "notice"])
    visit = gr.State(lambda: Visit())

    def label(place: int) -> str:
        text = tidy(persona_text(library.personas[place]))
        return f"{place + 1}. {text[:110]}…"

    def listed(query: str) -> tuple[Any, str]:
        places, total = found(library.personas, query or "", persona_text, LISTED)
        choices = [(label(place), place) for place in places]
        count = f"{total:,} of {len(library.personas):,} personas" + (
            f", the first {LISTED} are listed" if total > LISTED else ""
        )
        return gr.update(choices=choices, value=None), show.note(f"{count}; {library.personas_from}.")

    def filled(place: int | None) -> tuple[Any, Any]:
        if place is None:
            return gr.skip(), gr.skip()
        persona = library.personas[place]
        return tidy(persona.profile), tidy(persona.personality)

    async def watch(profile: str, personality: str, turns: int, visit: Visit) -> AsyncIterator[tuple[Any, ...]]:
        """A simulated user of this persona talks with both models, turn by turn."""
        try:
            if visit.busy:
                raise UsageError("a conversation is being watched: wait for its end, or stop it")
            about = entered(profile, "the profile", MOST_PERSONA), entered(personality, "the personality", MOST_PERSONA)
        except AloeError as error:
            yield gr.skip(), show.alert(error), visit
            return
        visit.busy, visit.stop = True, asyncio.Event()
        now = Watch.begun(Persona(*about), company, max(1, min(int(turns), settings.watch_turns)))
        try:
            async for now in until(visit.stop, watched(now, company, settings.temperature)):  # noqa: B020 - it grows
                yield show.watch(now), "", visit
            if visit.stop.is_set():
                yield show.watch(now.stopped()), "", visit
        finally:
            visit.busy = False

    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=300):
            gr.Markdown("## A simulated user")
            first, second = library.personas[0].profile, library.personas[0].personality
            query = gr.Textbox(label="Search the personas", info="Every word has to be in it.", max_lines=1)
            choices, count = listed("")
            picked = gr.Radio(choices["choices"], label="Personas", elem_id="personas", elem_classes="long")
            counted = gr.HTML(count, elem_classes="page")
            profile = gr.Textbox(tidy(first), label="Profile", info=PROFILE, lines=4, max_lines=8)
            personality = gr.Textbox(tidy(second), label="Personality", info=PERSONALITY, lines=3, max_lines=8)
            turns = gr.Slider(1, settings.watch_turns, value=settings.watch_turns, step=1, label="Turns")
            with gr.Row(elem_classes="buttons"):
                go = gr.Button("Watch", variant="primary", min_width=80)
                stop = gr.Button("Stop", min_width=80)
            notice = gr.HTML(elem_classes=["page", "notice"])
        with gr.Column(scale=8, min_width=320):
            gr.Markdown("## How well each model fits")
            page = gr.HTML(NOTHING_YET, elem_id="watch", elem_classes="page")

    private = {"api_visibility": "private", "show_progress": "hidden"}
    query.change(listed, query, [picked, counted], **private)
    picked.input(filled, picked, [profile, personality], **private)
    inputs, outputs = [profile, personality, turns, visit], [page, notice, visit]
    go.click(watch, inputs, outputs, api_visibility="private", **house.generating)
    stop.click(lambda visit: visit.stop.set(), visit, None, queue=False, **private)
