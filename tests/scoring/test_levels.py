"""Alignment level, improvement rate and their intervals over clusters of one kind."""

import math
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aloe_hub.scoring import clusters, compare, curve, score
from tests.scoring.scores import clustered

RLPA = [62.16, 68.92, 70.27, 74.32, 72.97, 74.32, 75.68, 78.38, 77.03, 79.73]
CI_NAMES = ("avg", "ir", "n_ir", "r2")


# The curve


PUBLISHED = {  # RLPA (arXiv 2505.15456): curve, then AVG, N-IR and R² as printed
    "RLPA": (RLPA, 73.38, 0.090, 0.855),
    "GPT-4o-mini, self-critic": ([8.11, 40.54, 82.43, 90.54, 89.19, 91.89, 91.89, 86.49, 85.14, 91.89], 75.81, 0.079, 0.500),
    "Claude Sonnet, self-critic": ([0, 27.03, 41.89, 67.57, 86.49, 89.19, 95.95, 95.95, 94.59, 93.24], 69.19, 0.105, 0.792),
    "Qwen2.5-3B, base": ([0, 18.92, 10.81, 9.46, 9.46, 1.35, 9.46, 9.46, 6.76, 4.05], 7.97, -0.020, 0.047),
    "Qwen2.5-3B, SFT": ([2.70, 24.32, 41.89, 40.54, 59.46, 56.76, 54.05, 54.05, 54.05, 55.41], 44.32, 0.083, 0.628),
    "Qwen2.5-3B, self-critic": ([6.76, 13.51, 56.76, 70.27, 77.03, 75.68, 63.51, 58.11, 52.70, 50.00], 52.43, 0.056, 0.243),
}
DPO = [6.76, 14.86, 54.05, 55.41, 70.27, 70.27, 60.81, 58.11, 55.41, 52.70]  # its printed AVG is 45.27
EXTENDED_ALOE = [49.32, 45.21, 46.58, 49.32, 52.05, 52.05, 53.42, 58.90, 53.42, 67.12]  # printed N-IR .100, R² .498


@pytest.mark.parametrize("row", PUBLISHED)
def test_a_published_curve_gives_the_published_numbers_to_one_unit_of_the_last_digit(row):
    curve, avg, n_ir, r2 = PUBLISHED[row]
    result = score([curve], scale=(0, 100), n_resamples=0)
    assert result.avg == pytest.approx(avg, abs=0.01)
    assert (result.n_ir, result.r2) == pytest.approx((n_ir, r2), abs=0.001)


def test_the_published_rows_that_do_not_follow_from_their_curves_should_have_been_these():
    dpo, extended = (score([curve], scale=(0, 100), n_resamples=0) for curve in (DPO, EXTENDED_ALOE))
    assert f"{dpo.avg:.2f}" == "49.86"
    assert f"{extended.n_ir:.3f} {extended.r2:.3f}" == "0.081 0.706"


def test_al_is_the_mean_of_each_turn_with_missing_scores_left_out_and_counted():
    result = score([[1, None, 3], [2, 5, None], [3, math.nan, 4]], n_resamples=0)
    assert result.al == [2.0, 5.0, 3.5]
    assert result.n == [3, 1, 2]
    assert result.missing == 3


@pytest.mark.parametrize("value", [0.1, 0.3, 1 / 3, 2.2, 4.7, 1e6 + 0.1, 1e-12])
@pytest.mark.parametrize("conversations", [1, 7, 5000])
def test_a_constant_curve_has_no_slope_and_neither_n_ir_nor_r2(value, conversations):
    scores = np.full((conversations, 10), value)
    scores[0, 3] = np.nan if conversations > 1 else value
    result = score(scores, scale=(0, 2e6), n_resamples=50)
    assert result.ir == 0
    assert math.isnan(result.n_ir)
    assert math.isnan(result.r2)
    assert result.intercept == result.avg == pytest.approx(value)
    assert result.ir_ci == (0, 0)
    assert np.isnan(result.r2_ci).all()


def test_a_curve_counts_as_constant_up_to_1e_9_and_no_further():
    assert curve([3, 3 + 2e-9, 3]).ir == 0
    assert np.isnan(curve([3, 3, 3 + 2e-9]).r2)
    assert curve([3, 3, 3 + 4e-9]).ir > 0


def test_a_turn_without_any_score_is_nan_and_left_out_of_the_fit():
    result = score([[1, None, 3, 4], [1, None, 3, 4]], n_resamples=20)
    assert math.isnan(result.al[1])
    assert [getattr(result, name) for name in ("avg", "ir", "intercept", "n_ir", "r2")] == pytest.approx(
        [8 / 3, 1, 0, 1 / 3, 1], abs=1e-12
    )
    assert np.isnan(result.al_ci[1]).all()
    assert result.dropped is not None
    assert result.dropped["al"] == [0, 20, 0, 0]


def test_fewer_than_two_scored_turns_have_an_avg_but_no_line():
    result = score([[None, 2, None], [None, 3, None]], n_resamples=20)
    assert result.avg == 2.5
    assert all(math.isnan(getattr(result, name)) for name in ("ir", "intercept", "n_ir", "r2"))
    assert result.dropped is not None
    assert result.dropped["ir"] == 20


def test_no_score_at_all_is_missing_not_an_error():
    result = score([[None, None]], n_resamples=20)
    assert math.isnan(result.avg)
    assert result.missing == 2
    assert result.dropped == {"al": [20, 20], "avg": 20, "ir": 20, "n_ir": 20, "r2": 20}


@settings(max_examples=4 * settings().max_examples)
@given(st.data())
def test_the_fit_agrees_with_polyfit_with_scores_missing(data):
    turns = data.draw(st.integers(1, 10))
    cell = st.none() | st.floats(1, 5).map(lambda value: round(value, 2)) | st.integers(1, 5)
    rows = data.draw(st.lists(st.lists(cell, min_size=turns, max_size=turns), min_size=1, max_size=6))
    result = score(rows, n_resamples=0)

    columns = [[value for value in column if value is not None] for column in zip(*rows, strict=True)]
    k = np.array([turn for turn, column in enumerate(columns, 1) if column])
    al = np.array([sum(column) / len(column) for column in columns if column])
    assert result.missing == turns * len(rows) - sum(map(len, columns))
    if len(al) == 0:
        assert math.isnan(result.avg)
        return
    assert result.avg == pytest.approx(al.mean())
    if len(al) < 2:
        assert math.isnan(result.ir)
        return
    slope, intercept = np.polyfit(k, al, 1)
    assert (result.ir, result.intercept) == pytest.approx((slope, intercept), abs=1e-9)
    if np.ptp(al) <= 1e-9 * 5:
        assert math.isnan(result.n_ir)
        assert math.isnan(result.r2)
        return
    scaled = (al - al.min()) / np.ptp(al)
    line = np.polyfit(k, scaled, 1)
    residual = scaled - np.polyval(line, k)
    r2 = 1 - residual @ residual / ((scaled - scaled.mean()) @ (scaled - scaled.mean()))
    assert (result.n_ir, result.r2) == pytest.approx((line[0], r2), abs=1e-9)


def test_many_curves_are_fitted_as_one_by_one():
    rng = np.random.default_rng(0)
    als = rng.integers(1, 4, (50, 4, 5)).astype(float)
    als[rng.random(als.shape) < 0.5] = np.nan
    together = curve(als)
    for place in np.ndindex(als.shape[:2]):
        np.testing.assert_array_equal([field[place] for field in together], curve(als[place]))


@pytest.mark.parametrize("as_array", [np.array, lambda rows: np.array(rows, dtype=object), lambda rows: map(tuple, rows)])
def test_lists_and_arrays_score_alike(as_array):
    rows = [[1, 2, 4], [2, 5, 3]]
    assert score(as_array(rows)) == score(rows)


def test_single_precision_scores_are_summed_in_double():
    scores = np.full((100_000, 2), 1.1, dtype=np.float32)
    assert score(scores, scale=(0, 1.1), n_resamples=0).al == pytest.approx([float(np.float32(1.1))] * 2, rel=1e-12)


def test_the_ceiling_is_the_share_of_the_given_scores_that_are_the_highest_there_is():
    assert score([[5, None, 4], [5, 3, 1]], n_resamples=0).ceiling == 2 / 5
    assert score([[5, 4]], scale=(1, 10), n_resamples=0).ceiling == 0
    assert math.isnan(score([[None]], n_resamples=0).ceiling)


# Bad input


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([], "nothing to score: 0 conversations"),
        ([[], []], "nothing to score: 2 conversations, no turns"),
        (np.empty((0, 3)), r"shape \(0, 3\)"),
        (np.ones(3), r"shape \(3,\)"),
        ([[1, 2], [1, 2], [1]], "conversation 3 has 1 turns, conversation 1 has 2"),
        ([[1, 2], None], "conversation 2 is None, not a list of scores"),
        ([1, 2], "conversation 1 is 1, not a list of scores"),
        (["12", "34"], "conversation 1 is '12', not a list of scores"),
        ([[1, 2], [3, "4/5"]], "score '4/5' of conversation 2, turn 2 is not a number"),
        ([[1, True]], "score True of conversation 1, turn 2 is not a number"),
        ([[1, 2j]], "score 2j of conversation 1, turn 2 is not a number"),
        ([[1, [2]]], r"score \[2\] of conversation 1, turn 2 is not a number"),
        (np.array([[True, False]]), "of conversation 1, turn 1 is not a number"),
        (np.array([["1", "2"]]), "of conversation 1, turn 1 is not a number"),
        ([[1, 2], [1, 1], [1, 7]], r"score 7.0 of conversation 3, turn 2 is outside the scale \(1, 5\)"),
        ([[1, 0.99]], "score 0.99 of conversation 1, turn 2 is outside the scale"),
        ([[math.inf, 2]], "score inf of conversation 1, turn 1 is outside the scale"),
        ([[1, 10**400]], "too large"),
    ],
)
def test_bad_scores_are_one_line_that_names_the_place(scores, message):
    with pytest.raises(ValueError, match=message) as caught:
        score(scores)
    assert "\n" not in str(caught.value)


def test_the_place_of_a_bad_score_is_right_beyond_the_first_block():
    scores = np.full((10_000, 3), 2.0)
    scores[8765, 1] = -1
    with pytest.raises(ValueError, match=r"score -1\.0 of conversation 8766, turn 2"):
        score(scores, n_resamples=0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"confidence": 0}, "confidence 0 is not between 0 and 1"),
        ({"confidence": 1}, "confidence 1 is"),
        ({"confidence": 95}, "confidence 95 is"),
        ({"confidence": math.nan}, "confidence nan is"),
        ({"n_resamples": -1}, "n_resamples -1 is not a whole number from 0 on"),
        ({"n_resamples": 1.5}, "n_resamples 1.5 is not a whole number"),
        ({"seed": -1}, "seed -1 is not a whole number"),
        ({"seed": None}, "seed None is not a whole number"),
        ({"scale": None}, "scale None is not a lowest and a highest score"),
        ({"scale": (5, 1)}, r"scale \(5, 1\) is not"),
        ({"scale": (1, 1)}, "scale"),
        ({"scale": (1, math.inf)}, "scale"),
        ({"scale": (1, math.nan)}, "scale"),
        ({"scale": (1, 3, 5)}, "scale"),
        ({"cluster_ids": ["a"]}, "there are 1 cluster ids for 2 conversations"),
        ({"cluster_ids": ["a", None]}, "the cluster id of conversation 2 is missing"),
        ({"cluster_ids": ["a", math.nan]}, "the cluster id of conversation 2 is missing"),
        ({"cluster_ids": "ab"}, "the cluster ids are the text 'ab'"),
        ({"cluster_ids": [["a"], ["b"]]}, "the cluster ids hold one that cannot be told from others: .*'list'"),
        ({"personality_ids": ["a"]}, "there are 1 personality ids for 2 conversations"),
        ({"personality_ids": [None, "a"]}, "the personality id of conversation 1 is missing"),
    ],
)
@pytest.mark.parametrize("function", [score, lambda scores, **kwargs: compare(scores, scores, **kwargs)])
def test_bad_settings_are_one_line_that_names_the_value(function, settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        function([[1, 2], [3, 4]], **settings)
    assert "\n" not in str(caught.value)


# Intervals


def test_intervals_are_the_same_for_the_same_seed_and_differ_for_another():
    scores, ids = clustered(8, 3)
    assert score(scores, cluster_ids=ids, seed=3) == score(scores, cluster_ids=ids, seed=3)
    assert score(scores, cluster_ids=ids, seed=3).ir_ci != score(scores, cluster_ids=ids, seed=4).ir_ci


def test_no_resamples_leave_the_intervals_out_and_the_rest_alone():
    scores, ids = clustered(8, 3)
    plain, full = score(scores, cluster_ids=ids, n_resamples=0), score(scores, cluster_ids=ids)
    assert not any(name.endswith("_ci") or name == "dropped" for name in plain.to_dict())
    assert plain.to_dict().items() <= full.to_dict().items()


def test_cutting_the_weights_into_blocks_changes_nothing(monkeypatch):
    scores, ids = clustered(8, 3)
    whole = score(scores, cluster_ids=ids)
    monkeypatch.setattr(clusters, "WEIGHTS_AT_A_TIME", 30)
    blocks = score(scores, cluster_ids=ids)
    for name in CI_NAMES:
        assert getattr(blocks, f"{name}_ci") == pytest.approx(getattr(whole, f"{name}_ci"), abs=1e-12)


def resampled_by_hand(scores, ids, n_resamples, seed):
    """The textbook bootstrap: draw clusters, lay their rows one below the other, score them."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(np.array(ids) == name) for name in dict.fromkeys(ids)]
    for _ in range(n_resamples):
        drawn = rng.integers(0, len(members), len(members))
        yield np.nanmean(scores[np.concatenate([members[index] for index in drawn])], axis=0)


def test_intervals_agree_with_a_bootstrap_that_lays_out_the_rows():
    scores, ids = clustered(9, 2, missing=0.15)
    scores, ids = scores[:-1], ids[:-1]  # clusters of different sizes weigh differently
    ours = score(scores, cluster_ids=ids, n_resamples=4000, confidence=0.8)
    als = np.array(list(resampled_by_hand(scores, ids, 4000, seed=99)))
    k = np.arange(1, als.shape[1] + 1)
    slopes = np.polyfit(k, als.T, 1)[0]
    by_hand = {"avg": als.mean(axis=1), "ir": slopes, "n_ir": slopes / np.ptp(als, axis=1)}
    by_hand["r2"] = np.array([np.corrcoef(k, al)[0, 1] ** 2 for al in als])
    for name, values in by_hand.items():
        low, high = np.quantile(values, [0.1, 0.9])
        assert getattr(ours, f"{name}_ci") == pytest.approx((low, high), abs=0.1 * (high - low)), name
    for turn, interval in enumerate(ours.al_ci):
        low, high = np.quantile(als[:, turn], [0.1, 0.9])
        assert interval == pytest.approx((low, high), abs=0.1 * (high - low))


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(200):
        scores = 3 + np.repeat(0.3 * rng.standard_normal(40), 2)[:, None] + 0.2 * rng.standard_normal((80, 4))
        ids = np.repeat(np.arange(40), 2).tolist()
        low, high = score(scores, cluster_ids=ids, confidence=0.9, n_resamples=200, scale=(-9, 9)).avg_ci
        hits += low <= 3 <= high
    assert 0.82 <= hits / 200 <= 0.96


def test_clusters_widen_the_interval_where_their_conversations_agree():
    scores, ids = clustered(10, 10)
    alone, together = score(scores).avg_ci, score(scores, cluster_ids=ids).avg_ci
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])


def test_every_conversation_as_its_own_cluster_is_the_default():
    scores, _ = clustered(10, 2)
    named = score(scores, cluster_ids=[f"c{index}" for index in range(20)])
    assert named.over == {"cluster": 20}
    assert replace(named, over={"conversation": 20}) == score(scores)


def test_resamples_that_miss_a_turn_are_dropped_and_counted():
    result = score([[1, None], [2, 3], [1, None]], n_resamples=2000)
    assert result.dropped is not None
    lost = result.dropped["al"][1]
    assert result.dropped["al"][0] == result.dropped["avg"] == 0
    assert lost == result.dropped["ir"] == pytest.approx(2000 * (2 / 3) ** 3, rel=0.1)
    assert result.al_ci[1] == (3, 3)


def test_conversations_that_end_early_are_read_in_two_ways_and_are_an_error_without_one():
    scores: list[list[float | None]] = [[1, 2, 3], [2, None, 4], [5], [3, 3, None]]
    with pytest.raises(ValueError, match="has 1 turns"):
        score(scores)
    stayed, carried = score(scores, early_leavers="stayed", n_resamples=0), score(scores, early_leavers="carried", n_resamples=0)
    assert (stayed.al, stayed.n, stayed.missing) == ([2.75, 2.5, 3.5], [4, 2, 2], 1)
    assert (carried.al, carried.n, carried.missing) == ([2.75, 10 / 3, 3.75], [4, 3, 4], 1)
    padded: list[list[float | None]] = [[*row, None, None] for row in scores]
    assert score(padded, early_leavers="carried", n_resamples=0) == carried
    assert score(scores[:1], early_leavers="stayed") == score(scores[:1])
    with pytest.raises(ValueError, match="early_leavers is 'left'"):
        score(scores, early_leavers="left")  # type: ignore[arg-type]


def test_turns_of_few_scores_have_a_level_and_are_in_no_other_number():
    scores = [[1, 2, 5], [1, 2, 5], [1, 2], [1, 2]]
    readings: list[tuple[Literal["stayed", "carried"], float]] = [("stayed", 5), ("carried", 3.5)]
    for reading, last in readings:
        found = score(scores, early_leavers=reading, fewest=3, n_resamples=50)
        assert (found.al, found.avg, found.ir) == ([1, 2, last], 1.5, 1)
        assert found.ir_ci == (1, 1)
    nothing = score(scores, early_leavers="stayed", fewest=9)
    assert math.isnan(nothing.avg)
    assert math.isnan(nothing.ir)


def test_turns_of_few_scores_are_left_out_of_two_way_intervals_too():
    rows = [[1.0 + p, 2.0 + q, 4.0] for p in range(3) for q in range(3)]
    crossed = partial(score, cluster_ids=[p for p in range(3) for _ in range(3)], personality_ids=[0, 1, 2] * 3)
    fewer = [row if place else row[:2] for place, row in enumerate(rows)]
    found, cut = crossed(fewer, early_leavers="stayed", fewest=9), crossed([row[:2] for row in rows])
    assert found.method == cut.method == "two-way"
    assert (found.avg_ci, found.ir_ci) == (cut.avg_ci, cut.ir_ci)
