"""Watch: a recorded conversation that plays by itself, then a live one; a simulated user, two models, a judge, two curves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from operator import itemgetter
from typing import Any

import gradio as gr
import known
import show
from app_state import AppState
from library import persona_text
from safe import entered, tidy
from search import choice, labelled
from session import PRIVATE, Session, of_visitor, page_under_way, refused
from watch import Watch, recorded, watched

from aloe_hub.errors import AloeError, UsageError
from aloe_hub.types import Persona

MOST_PERSONA = 4000  # characters of a profile or a personality that somebody writes
PROFILE = "Facts: what the user talks about. Change it, or write your own: one sentence for each."
PERSONALITY = "Traits: how the user likes to be answered."


def build(state: AppState) -> None:
    models, settings, personas = state.models, state.settings, state.library.personas
    world = known.is_world(models)
    session = of_visitor(Session)

    def filled(place: int) -> tuple[str, str, str]:
        profile, personality = tidy(personas[place].profile), tidy(personas[place].personality)
        return profile, personality, read(profile, personality)

    def read(profile: str, personality: str) -> str:
        lines = known.readings(known.in_third(Persona(profile or "", personality or "")), world)
        return show.page("readings", lines, state.scripted_user, world)

    def persona_of(profile: str, personality: str) -> Persona:
        """What the simulated user is told: where only the world's sentences are understood, only those."""
        about = Persona(entered(profile, "the profile", MOST_PERSONA), entered(personality, "the personality", MOST_PERSONA))
        known.understandable(f"{about.profile} {about.personality}", world=False)
        if not state.scripted_user:
            return about
        about = known.in_third(about)
        if not world:
            return about
        kept = [line for line, how in known.readings(about, world) if how]
        if not kept:
            raise UsageError(
                "the simulated user understands no line of this persona: pick one from the list, and change its words"
            )
        facts = [line for line in kept if line in about.profile]
        return Persona(" ".join(facts), " ".join(line for line in kept if line not in facts))

    def shown(now: Watch | None, session: Session, problem: Exception | str = "") -> tuple[Any, ...]:
        page = gr.update(value=show.page("watch", now, settings.who_is_scripted)) if now else gr.skip()
        alert, busy = show.alert(problem) if problem else "", session.busy
        return (
            page,
            gr.update(value=alert),
            session,
            gr.update(interactive=not busy),
            gr.update(interactive=busy),
            gr.update(value=""),
        )

    async def watch(profile: str, personality: str, turns: int, session: Session) -> AsyncIterator[tuple[Any, ...]]:
        """A simulated user of this persona talks with both models, turn by turn."""
        if session.busy:
            yield refused(outputs, notice, show.alert("a conversation is being watched: wait for its end, or stop it"))
            return
        try:
            about = persona_of(profile, personality)
        except AloeError as error:
            yield shown(None, session, error)
            return
        now = Watch(about, max(1, min(int(turns), settings.watch_turns)))
        before: Watch | None = None
        with session.at_work() as stop:
            async for now in watched(now, models, settings.policy_temperature, stop):  # noqa: B020 - it grows
                if now.without_growing == before:  # who reads, unfolds or clicks on the page is not disturbed word by word
                    yield *(gr.skip(),) * 5, gr.update(value=show.page("growing", now))
                else:
                    yield shown(now, session)
                before = now.without_growing
        yield shown(now.stopped(), session)

    gr.HTML(show.page("controls", state.settings.is_test_bed), elem_id="controls", elem_classes="page")
    page = gr.HTML(show.page("watch", recorded()), elem_id="watch", elem_classes="page")
    gr.HTML(
        lambda: show.page("notes", [*models.problems(), *state.library.problems]),
        elem_classes=["page", "notice"],
    )
    grown = gr.HTML(elem_id="growing", padding=False)  # what page.js puts into the replies that are not whole yet
    with gr.Row(elem_classes="buttons"):
        go = gr.Button("Watch live", variant="primary", min_width=80, elem_id="live")
        stop = gr.Button("Stop", min_width=80, interactive=False)
    notice = gr.HTML(elem_classes=["page", "notice"])
    first, second, readings = filled(0)
    chooser = gr.Accordion("Choose the simulated user, or write one", open=False, elem_id="persona")
    with chooser, gr.Row(equal_height=False):
        with gr.Column(min_width=280):
            picked = choice(
                personas, "personas", text=persona_text, title=persona_text, most=6, source=state.library.personas_from
            )
        with gr.Column(min_width=280):
            profile = gr.Textbox(first, label="Profile", info=PROFILE, lines=4, max_lines=8)
            personality = gr.Textbox(second, label="Personality", info=PERSONALITY, lines=3, max_lines=8)
            understood = gr.HTML(readings, elem_id="readings", elem_classes="page")
            turns = gr.Slider(1, settings.watch_turns, value=settings.watch_turns, step=1, label="Turns", elem_id="turns")

    def addressed(request: gr.Request) -> tuple[Any, ...]:
        """The persona that the address names: ?persona=3."""
        place = dict(request.query_params).get("persona", "")
        if not (place.isdecimal() and 0 < int(place) <= len(personas)):
            return (gr.skip(),) * 5
        named = int(place) - 1
        choices = dict.fromkeys([labelled(named, persona_text(personas[named])), *picked.choices])
        return gr.update(open=True), gr.update(choices=sorted(choices, key=itemgetter(1)), value=named), *filled(named)

    written = [profile, personality]
    picked.input(filled, picked, [*written, understood], js="place => (aloe.persona(place + 1), place)", **PRIVATE)
    gr.on([profile.change, personality.change], read, written, understood, **PRIVATE)
    page_under_way().load(addressed, None, [chooser, picked, *written, understood], **PRIVATE)
    inputs, outputs = [*written, turns, session], [page, notice, session, go, stop, grown]
    go.click(watch, inputs, outputs, api_visibility="private", **state.generating)
    stop.click(lambda session: session.stop.set(), session, None, queue=False, **PRIVATE)
