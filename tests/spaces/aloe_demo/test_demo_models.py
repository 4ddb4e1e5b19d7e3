"""The five models: in this process or behind an endpoint, and each may be away."""

import asyncio
from dataclasses import replace

import session
from models import Missing, Models, Part
from talk import Talk, answered

from aloe_hub.chat.base import Sampling
from aloe_hub.hub.demo_settings import DemoSettings
from aloe_hub.serve.server import running
from tests.spaces.aloe_demo.fake_models import fake_models


def last(talks):
    async def listen():
        shown = [talk async for talk in talks]
        return shown[-1], len(shown)

    return asyncio.run(listen())


def settings(**models):
    return DemoSettings.read(dict.fromkeys(("ALOE_BASE", "ALOE_USER", "ALOE_INFERRER", "ALOE_JUDGE"), "scripted") | models)


def test_models_behind_an_endpoint_are_heard_while_they_speak(monkeypatch):
    monkeypatch.setattr(session, "REDRAW", 0)  # these speak faster than a page draws
    with running("scripted:plain") as base, running("scripted:tailored") as aligned:
        models = Models.of(settings(ALOE_BASE=base.name, ALOE_ADAPTER=aligned.name))
        assert models.problems() == ()
        message = "I work as a nurse. I have a pet called Tiki. What should I make for dinner?"
        talk, times = last(answered(Talk(), message, models, Sampling(), 10, asyncio.Event()))
    (turn,) = talk.turns
    assert [said.problem for said in turn.said] == ["", ""]
    assert turn.said[0].text != turn.said[1].text
    assert "nurse" in turn.inferred.profile
    assert times > 2


def test_an_endpoint_that_is_down_is_told_and_the_other_model_answers():
    with running("scripted:plain") as base:
        models = Models.of(settings(ALOE_BASE=base.name, ALOE_ADAPTER="http://127.0.0.1:9/v1#m"))
        talk, _ = last(answered(Talk(), "Any dinner ideas?", models, Sampling(), 10, asyncio.Event()))
    (turn,) = talk.turns
    assert turn.said[0].text
    assert "cannot be reached; is the server up?" in turn.said[1].problem


def test_a_model_that_cannot_be_loaded_says_so_when_it_was_tried(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    part = Part.opened("the base model", f"local:{tmp_path}")
    assert part.ready == Missing(part.problem)
    assert part.problem.startswith("the base model is not there: ")
    talk, _ = last(answered(Talk(), "hello", replace(fake_models(), base=part), Sampling(), 10, asyncio.Event()))
    assert talk.turns[0].said[0].problem == part.problem
    assert talk.turns[0].said[1].text
