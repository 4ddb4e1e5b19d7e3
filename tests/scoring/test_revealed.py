"""The slope of the scores on the share of the persona that was revealed."""

import math

import numpy as np
import pytest

from aloe_hub.scoring import adaptation
from tests.scoring.scores import crossed


def shares(rows, turns, seed=0):
    steps = np.random.default_rng(seed).uniform(0, 1, (rows, turns))
    return np.cumsum(steps, axis=1) / np.maximum(1, steps.sum(axis=1, keepdims=True))


def test_scores_that_follow_what_was_revealed_have_its_slope_in_every_conversation():
    revealed = shares(6, 5)
    found = adaptation(1 + 3 * revealed, revealed)
    assert found.by_conversation == pytest.approx([3] * 6)
    assert found.slope == pytest.approx(3)
    assert found.slope_ci == pytest.approx((3, 3))


def test_a_policy_that_knew_it_all_from_the_first_turn_has_a_slope_of_0():
    assert adaptation(np.full((4, 5), 5.0), shares(4, 5), n_resamples=0).slope == 0


def test_the_pooled_slope_is_that_of_a_regression_with_a_constant_for_each_conversation():
    revealed, rng = shares(5, 6), np.random.default_rng(1)
    scores = 2 + revealed + rng.uniform(0, 1, (5, 1)) + 0.3 * rng.standard_normal((5, 6))
    design = np.hstack([revealed.reshape(-1, 1), np.kron(np.eye(5), np.ones((6, 1)))])
    found = adaptation(scores, revealed, n_resamples=0)
    assert found.slope == pytest.approx(np.linalg.lstsq(design, scores.ravel(), rcond=None)[0][0])
    assert found.by_conversation == pytest.approx([np.polyfit(x, y, 1)[0] for x, y in zip(revealed, scores, strict=True)])


def test_a_turn_counts_where_score_and_share_are_there_and_what_does_not_change_has_no_slope():
    found = adaptation([[2, None, 4, 5], [3, 3, 3, 4]], [[0, 0.5, 1, None], [0.5, 0.5, 0.5, 0.5]], n_resamples=0)
    assert found.by_conversation == pytest.approx([2, math.nan], nan_ok=True)
    assert found.slope == 2


def test_both_ids_make_the_interval_wider_where_personalities_differ():
    _, ids = crossed(20, 5)
    revealed, rng = shares(100, 6), np.random.default_rng(2)
    slopes = 2 + np.tile(0.5 * rng.standard_normal(5), 20)[:, None]
    scores = 1 + slopes * revealed + 0.1 * rng.standard_normal((100, 6))
    both = adaptation(scores, revealed, scale=(-9, 9), **ids)
    alone = adaptation(scores, revealed, scale=(-9, 9), cluster_ids=ids["cluster_ids"])
    assert (both.method, alone.method) == ("two-way", "bootstrap")
    assert np.diff(both.slope_ci) > 2 * np.diff(alone.slope_ci)
    assert both.slope_ci[0] < both.slope < both.slope_ci[1]


@pytest.mark.parametrize(
    ("revealed", "message"),
    [
        ([[0, 1.5]], r"revealed: score 1\.5 of conversation 1, turn 2 is outside the scale \(0, 1\)"),
        ([[0, 1], [0, 1]], r"scores and revealed differ in .*: \(1, 2\) and \(2, 2\)"),
    ],
)
def test_bad_shares_are_one_line_that_names_the_value(revealed, message):
    with pytest.raises(ValueError, match=message):
        adaptation([[2, 3]], revealed)
