"""Personas and trees: of a run folder, of a Hub, made on the spot; what cannot be read is said, and something stands in."""

import json

import pytest
from library import MADE, found, library, made_trees, persona_text, tree_text

from aloe_hub.hub.demo_settings import DemoSettings
from aloe_hub.stages.trees import ROLES, TreeSettings, grow_all


@pytest.fixture
def grown(run):
    assert grow_all(run, TreeSettings(dict.fromkeys(ROLES, "scripted"), turns=2, limit=3)).finished
    return run


def test_without_any_data_the_world_makes_some_the_same_each_time():
    here = library(DemoSettings())
    assert (here.personas_from, here.trees_from, here.problems) == (MADE, MADE, ())
    assert len({persona.persona_id for persona in here.personas}) == 40
    assert here.trees == made_trees()
    assert all(len(tree.exchanges) == 6 for tree in here.trees)


def test_a_run_folder_gives_its_held_out_personas_first_and_its_trees(grown):
    here = library(DemoSettings(run=str(grown.path), trees=2))
    assert here.problems == ()
    assert [len(here.personas), len(here.trees)] == [24, 2]
    assert list(here.personas[:4]) == grown.personas("test")
    first = json.loads(grown.file("trees.jsonl").read_text().splitlines()[0])
    assert here.trees[0].tree_id == first["tree_id"]


def test_what_a_run_folder_lacks_is_said_and_stood_in_for(run):
    here = library(DemoSettings(run=str(run.path)))
    assert (here.personas_from, here.trees_from) == ("the run run", MADE)
    assert here.problems == (f"{run.file('trees.jsonl')}: no such file",)
    run.file("personas.jsonl").write_text("{")
    here = library(DemoSettings(run=str(run.path)))
    assert "personas.jsonl, line 1: not JSON" in here.problems[0]
    assert here.personas_from == MADE


def test_a_hub_that_is_away_is_said_and_stood_in_for(monkeypatch):
    pytest.importorskip("datasets")
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    here = library(DemoSettings(personas="org/no-personas", prefs="org/no-prefs"))
    assert (here.personas_from, here.trees_from) == (MADE, MADE)
    assert [problem.split(":")[0] for problem in here.problems] == ["org/no-personas", "org/no-prefs"]


def test_a_search_finds_what_holds_every_word():
    here = library(DemoSettings())
    word = here.personas[7].profile.split()[-1].strip(".")
    places, total = found(here.personas, f" {word.upper()} ", persona_text, 3)
    assert 7 in found(here.personas, word, persona_text, 40)[0]
    assert len(places) == min(3, total)
    assert found(here.personas, "no-such-word-at-all", persona_text, 3) == ([], 0)
    assert 2 in found(here.trees, here.trees[2].exchanges[1].replies[0].text, tree_text, 6)[0]
