"""The metric Space, loaded as a user loads it."""

import doctest
import math
from pathlib import Path
from typing import Any

import pytest

from aloe_hub.scoring import score

evaluate = pytest.importorskip("evaluate")

ROOT = Path(__file__).parents[2]
SCORES: list[list[float | None]] = [[2, 3, None, 5], [1, 3, 3, 4], [2, None, 4, 4]]
IDS = ["cook", "cook", "nurse"]
CROSSED: dict[str, Any] = {"cluster_ids": ["cook", "cook", "nurse", "nurse"], "personality_ids": ["shy", "bold", "shy", "bold"]}


@pytest.fixture
def metric(monkeypatch, tmp_path):
    monkeypatch.chdir(ROOT)
    return evaluate.load("spaces/aloe", cache_dir=str(tmp_path))


def test_the_metric_returns_what_scoring_returns(metric):
    settings: dict[str, Any] = {"cluster_ids": IDS, "scale": (0, 5), "confidence": 0.9, "n_resamples": 200, "seed": 7}
    assert metric.compute(predictions=SCORES, **settings) == score(SCORES, **settings).to_dict()
    assert metric.compute(predictions=SCORES) == score(SCORES).to_dict()


def test_the_metric_returns_its_documented_keys(metric):
    names = ["al", "n", "avg", "ir", "intercept", "n_ir", "r2", "missing", "ceiling"]
    assert list(metric.compute(predictions=SCORES, n_resamples=0)) == names
    intervals = {"al_ci", "avg_ci", "ir_ci", "n_ir_ci", "r2_ci", "dropped", "method", "over"}
    assert set(metric.compute(predictions=SCORES)) == {*names, *intervals}
    crossed = metric.compute(predictions=[*SCORES, SCORES[0]], **CROSSED)
    assert set(crossed) == {*names, *intervals, "components"}
    assert crossed == score([*SCORES, SCORES[0]], **CROSSED).to_dict()


def test_a_turn_without_a_score_survives_the_way_through_arrow(metric):
    result = metric.compute(predictions=[[1, None, 3], [2, None, 3]], n_resamples=0)
    assert math.isnan(result["al"][1])
    assert (result["n"], result["missing"]) == ([2, 0, 2], 2)


def test_conversations_added_one_by_one_are_scored_together(metric):
    for conversation in SCORES:
        metric.add(prediction=conversation)
    assert metric.compute(cluster_ids=IDS) == score(SCORES, cluster_ids=IDS).to_dict()


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([], "nothing to score"),
        ([[1, 2], [3]], "conversation 2 has 1 turns, conversation 1 has 2"),
        ([[1, 2], [3, 9]], r"score 9.0 of conversation 2, turn 2 is outside the scale \(1, 5\)"),
        ([[1, "4/5"]], "4/5"),
        ([[1, True]], "True"),
    ],
)
def test_bad_scores_are_refused_and_do_not_leak_into_the_next_call(metric, scores, message):
    with pytest.raises(ValueError, match=message):
        metric.compute(predictions=scores)
    assert metric.compute(predictions=SCORES) == score(SCORES).to_dict()


def test_the_example_of_the_documentation_is_true(metric):
    example = doctest.DocTestParser().get_doctest(metric.inputs_description, {}, "aloe", None, None)
    assert len(example.examples) > 5
    assert doctest.DocTestRunner().run(example).failed == 0


def test_the_metric_cites_the_paper(metric):
    assert "Aligning {LLM}s with Individual Preferences via Interaction" in metric.citation
    assert "2410.03642" in metric.citation
