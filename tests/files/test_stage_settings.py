"""Recipes: found by name or path; what is given by hand wins over them, they win over the defaults."""

from dataclasses import dataclass, fields
from typing import Any

import pytest

from aloe_hub.errors import UsageError
from aloe_hub.files.settings import STAGES, extra_fields, read_recipe, settings, with_extra_bodies
from aloe_hub.shipped import shipped
from aloe_hub.stages.benchmark import BenchmarkSettings
from aloe_hub.stages.pool import PoolSettings
from aloe_hub.stages.trees import ROLES, TreeSettings

NAMES = sorted(path.stem for path in shipped("recipes").glob("*.toml"))


@dataclass(frozen=True)
class Stage:
    model: str = "scripted"
    turns: int = 10
    threshold: float = 0.6
    limit: int | None = None


@pytest.fixture
def recipe(tmp_path):
    """Write a recipe; its path as a user would type it."""

    def write(content):
        path = tmp_path / "mine.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def test_the_demo_and_the_paper_recipe_come_with_the_package():
    assert {"demo", "paper"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_loads_into_the_settings_of_its_stages(name):
    tables = read_recipe(name)
    assert set(tables) <= set(STAGES)
    settings(PoolSettings, tables.get("personas", {}), {})
    trees, evaluate = dict(tables.get("trees", {})), dict(tables.get("evaluate", {}))
    # Model strings are the command's: it turns them into one for each role.
    model = trees.pop("model", "scripted")
    models = {role: trees.pop(role, model) for role in ROLES}
    settings(TreeSettings, trees, {"models": models})
    model = evaluate.pop("model", "scripted")
    for policy in evaluate.pop("policies", []):
        assert isinstance(policy, str)
    settings(BenchmarkSettings, evaluate, {"user": model, "judge": model})


@pytest.mark.parametrize("name", [name for name in NAMES if "personas" in read_recipe(name)])
def test_every_recipe_for_a_pool_names_its_embedder_and_both_thresholds(name):
    # A threshold means something only together with them.
    assert {"embedder", "profile_threshold", "personality_threshold", "seed"} <= read_recipe(name)["personas"].keys()


def test_the_paper_recipe_has_the_paper_s_numbers():
    pool = settings(PoolSettings, read_recipe("paper")["personas"], {})
    assert (pool.profiles - pool.test_profiles, pool.personalities - pool.test_personalities) == (331, 71)
    assert (pool.pairings, pool.test_profiles * pool.test_personalities) == (10, 100)
    assert (pool.profile_threshold, pool.personality_threshold) == (0.6, 0.6)
    assert {read_recipe("paper")[stage]["turns"] for stage in ("trees", "evaluate")} == {10}


def test_the_table_of_a_training_may_hold_one_for_each_method(recipe):
    tables = read_recipe(recipe("[train]\nseed = 1\n[train.sft]\nlr = 1e-4\n[train.dpo]\nbeta = 0.1\n"))
    assert tables == {"train": {"seed": 1, "sft": {"lr": 1e-4}, "dpo": {"beta": 0.1}}}


def test_a_recipe_is_found_by_its_path(recipe):
    assert read_recipe(recipe("[trees]\nturns = 3\n")) == {"trees": {"turns": 3}}


def test_what_is_given_by_hand_wins_over_the_recipe_and_the_recipe_over_the_default():
    assert settings(Stage, {}, {}) == Stage()
    assert settings(Stage, {"turns": 5}, {}) == Stage(turns=5)
    assert settings(Stage, {"turns": 5, "limit": 3}, {"turns": 7, "limit": None}) == Stage(turns=7, limit=3)
    assert settings(Stage, {"turns": 5}, {"turns": 0, "model": ""}) == Stage(turns=0, model="")


def test_reading_changes_neither_the_recipe_nor_what_was_given():
    table, by_hand = {"turns": 5}, {"turns": 7, "model": None}
    settings(Stage, table, by_hand)
    assert (table, by_hand) == ({"turns": 5}, {"turns": 7, "model": None})


@pytest.mark.parametrize("name", ["no-such", "", "absent/mine.toml"])
def test_an_unknown_recipe_is_named_with_the_known_ones(name):
    with pytest.raises(UsageError) as caught:
        read_recipe(name)
    assert f"--recipe {name!r}: no such recipe; known: {', '.join(NAMES)}" in str(caught.value)


@pytest.mark.parametrize("content", ["[trees", "turns: 3", "[trees]\n[trees]", b"\xff"])
def test_a_recipe_that_is_no_toml_is_one_line_that_names_it(recipe, content):
    path = recipe(content)
    with pytest.raises(UsageError) as caught:
        read_recipe(path)
    assert f"--recipe {path}: cannot be read" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_recipe(tmp_path):
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        read_recipe(str(tmp_path / "folder.toml"))


@pytest.mark.parametrize("content", ["[tree]\nturns = 3", "turns = 3", "trees = 3", "[[trees]]\nturns = 3"])
def test_a_table_that_no_stage_reads_is_named_with_the_known_ones(recipe, content):
    with pytest.raises(UsageError, match=r"unknown table \[(tree|turns|trees)\]; known: personas, trees, train, evaluate"):
        read_recipe(recipe(content))


@pytest.mark.parametrize("kind", [Stage, PoolSettings, TreeSettings, BenchmarkSettings])
def test_an_unknown_setting_is_named_with_the_known_ones(kind):
    with pytest.raises(UsageError) as caught:
        settings(kind, {"turn": 3}, {})
    assert "unknown setting 'turn'; known: " in str(caught.value)
    assert all(field.name in str(caught.value) for field in fields(kind))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("turns", "10"),
        ("turns", 1.5),
        ("turns", True),
        ("turns", [10]),
        ("model", 3),
        ("threshold", "0.6"),
        ("threshold", True),
        ("limit", "5"),
        ("limit", 2.5),
        ("limit", True),
    ],
)
def test_a_setting_of_another_type_is_refused(name, value):
    with pytest.raises(UsageError, match=rf"recipe: {name} = "):
        settings(Stage, {name: value}, {})


@pytest.mark.parametrize("kind", [TreeSettings, BenchmarkSettings])
@pytest.mark.parametrize("limit", ["5", 2.5, True])
def test_a_limit_that_is_no_whole_number_is_refused_by_the_stages(kind, limit):
    by_hand: dict[str, Any] = {"models": {}} if kind is TreeSettings else {}
    with pytest.raises(UsageError, match="limit"):
        settings(kind, {"limit": limit}, by_hand)


def test_a_whole_number_will_do_for_a_fraction():
    assert settings(Stage, {"threshold": 1}, {}).threshold == 1


def test_numbers_out_of_range_are_refused_by_the_stage():
    with pytest.raises(UsageError, match="--turns 0"):
        settings(BenchmarkSettings, {"turns": 0}, {})
    with pytest.raises(UsageError, match=r"--profile-threshold 2\.0"):
        settings(PoolSettings, {"profile_threshold": 2.0}, {})


def test_extra_bodies_are_merged_field_by_field_over_the_recipe():
    recipe = {"judge": {"top_p": 0.5, "extra_body": {"seed": 3, "top_k": 1}}}
    given = ['{"seed": null}', 'judge={"top_k": 2}', ' user = {"n_best": 1}']
    assert with_extra_bodies(recipe, given, ["user", "judge"]) == {
        "user": {"extra_body": '{"seed": null, "n_best": 1}'},
        "judge": {"top_p": 0.5, "extra_body": '{"seed": null, "top_k": 2}'},
    }
    assert with_extra_bodies(recipe, [], ["user", "judge"]) == recipe
    assert with_extra_bodies(None, [], ["user", "judge"]) is None


@pytest.mark.parametrize(
    "wrong",
    ["", "{", "[]", "3", "null", '{"a": NaN}', '{"a": "\\ud83d"}', "[" * 10**5, '{"model": "m"}', '{"messages": []}',
     '{"api_key": "k"}',
     '{"stream": true}', '{"n": 2}', '{"max_tokens": "model"}', '{"max_tokens": ""}', '{"": 1}', 3, {"a": {1}}],
)  # fmt: skip
def test_an_extra_body_that_is_invalid_is_one_line(wrong):
    with pytest.raises(UsageError, match=r"^--extra-body x: "):
        extra_fields("--extra-body x", wrong)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("oracle={}", "--extra-body oracle=…: no such role here; known: user, judge"),
        ("judge=3", "expected a JSON object"),
        ("{]", "{]"),
    ],
)
def test_an_extra_body_by_hand_is_checked_with_its_role(given, message):
    with pytest.raises(UsageError) as caught:
        with_extra_bodies(None, [given], ["user", "judge"])
    assert message in str(caught.value)


@pytest.mark.parametrize("body", ["'{\"seed\": 3}'", "{ seed = 3 }"])
def test_a_recipe_says_an_extra_body_as_text_or_as_a_table(recipe, body):
    table = read_recipe(recipe(f"[evaluate]\nstructured = true\n[evaluate.sampling.judge]\nextra_body = {body}\n"))["evaluate"]
    chosen = settings(BenchmarkSettings, table, {})
    assert chosen.structured is True
    assert chosen.sampling is not None
    assert extra_fields("", chosen.sampling["judge"]["extra_body"]) == {"seed": 3}
    with pytest.raises(UsageError, match=r"recipe: structured = 'yes': expected bool"):
        settings(BenchmarkSettings, {"structured": "yes"}, {})
    with pytest.raises(UsageError, match="recipe: sampling = 3: expected a table for each role"):
        settings(BenchmarkSettings, {"sampling": 3}, {})
