"""Intervals over profiles that are crossed with personalities."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from aloe_hub.scoring import clusters, compare, score
from tests.scoring.scores import clustered, crossed


def by_regression(cells):
    """Mean, variance, degrees of freedom and components of a balanced table, from sums of squares of nested regressions.

    The variance is that of a mean whose values have the covariance of both random effects and of what is left, written out as a
    matrix; where a component is negative, or V less than a mean square allows, the largest mean square stands for it.
    """
    rows, columns = cells.shape
    y = cells.ravel()
    of_row, of_column = np.kron(np.eye(rows), np.ones((columns, 1))), np.kron(np.ones((rows, 1)), np.eye(columns))

    def left(*parts):
        design = np.hstack([np.ones((y.size, 1)), *parts])
        return float(((y - design @ np.linalg.lstsq(design, y, rcond=None)[0]) ** 2).sum())

    degrees = np.array([rows - 1, columns - 1, (rows - 1) * (columns - 1)])
    squares = np.array([left(of_column), left(of_row), 0]) - left(of_row, of_column)
    squares[2] = left(of_row, of_column)
    squares /= degrees
    components = (squares[0] - squares[2]) / columns, (squares[1] - squares[2]) / rows, squares[2]
    covariance = components[0] * of_row @ of_row.T + components[1] * of_column @ of_column.T + components[2] * np.eye(y.size)
    variance = float(covariance.sum()) / y.size**2
    largest = squares.max() / y.size
    if variance < largest:
        return y.mean(), largest, degrees[squares.argmax()], components
    weights = np.array([1, 1, -1]) * squares
    return y.mean(), variance, weights.sum() ** 2 / (weights**2 / degrees).sum(), components


@pytest.mark.parametrize("seed", range(100))
def test_on_a_balanced_table_interval_and_components_agree_with_regressions(seed):
    rng = np.random.default_rng(seed)
    rows, columns = (int(size) for size in rng.integers(2, 9, 2))
    scores, ids = crossed(rows, columns, rng.uniform(0, 0.5), rng.uniform(0, 0.5), turns=4, seed=seed)
    found: Any = score(scores, scale=(-99, 99), n_resamples=1, confidence=0.9, **ids)
    turns = np.arange(4) - 1.5
    for name, weights in (("avg", np.full(4, 0.25)), ("ir", turns / (turns @ turns))):
        mean, variance, df, components = by_regression((scores @ weights).reshape(rows, columns))
        reach = stats.t.ppf(0.95, df) * math.sqrt(variance)
        assert getattr(found, name) == pytest.approx(mean, abs=1e-9)
        assert getattr(found, f"{name}_ci") == pytest.approx((mean - reach, mean + reach), rel=1e-6, abs=1e-9)
        cut = [max(0, component) for component in components]
        assert list(found.components[name].values()) == pytest.approx(cut, rel=1e-6, abs=1e-9)


def test_the_result_names_the_method_the_clusters_and_the_components():
    scores, ids = crossed(20, 5, of_rows=0.6, of_columns=0, noise=0.2)
    found: Any = score(scores, scale=(-9, 9), **ids)
    assert (found.method, found.over) == ("two-way", {"cluster": 20, "personality": 5})
    assert list(found.components) == ["avg", "ir"]
    assert found.components["avg"]["cluster"] == pytest.approx(0.36, rel=0.5)
    assert found.components["avg"]["personality"] < 0.01
    assert found.components["avg"]["rest"] == pytest.approx(0.2**2 / 6, rel=0.5)
    assert set(found.dropped) == {"n_ir", "r2"}
    alone = score(scores, scale=(-9, 9), cluster_ids=ids["cluster_ids"])
    assert (alone.method, alone.over, alone.components) == ("bootstrap", {"cluster": 20}, None)


@pytest.mark.parametrize(
    ("rows", "columns", "over"),
    [
        ("aabb", "xyxy", {"cluster": 2, "personality": 2}),
        ("aaaa", "wxyz", {"personality": 4}),  # one profile says nothing of others
        ("abcd", "xxxx", {"cluster": 4}),
        ("abcd", "xxyy", {"personality": 2}),  # each profile has one personality: it shares all that it shares by that
        ("aabb", "wxyz", {"cluster": 2}),
        ("abcd", "wxyz", {"personality": 4}),
    ],
)
def test_an_id_that_says_nothing_beside_the_other_is_left_out(rows, columns, over):
    scores, _ = crossed(2, 2)
    assert score(scores, scale=(-9, 9), cluster_ids=list(rows), personality_ids=list(columns)).over == over
    assert score(scores, scale=(-9, 9), personality_ids=list(columns)).over == {"personality": len(set(columns))}


def test_a_personality_effect_widens_the_interval_that_profiles_alone_would_give():
    scores, ids = crossed(20, 5, of_rows=0.3, of_columns=0.5)
    both, alone = score(scores, scale=(-9, 9), **ids), score(scores, scale=(-9, 9), cluster_ids=ids["cluster_ids"])
    assert np.diff(both.avg_ci) > 2 * np.diff(alone.avg_ci)
    assert np.diff(both.al_ci[0]) > 2 * np.diff(alone.al_ci[0])
    assert both.avg == alone.avg


def test_which_id_is_the_profile_and_in_which_order_conversations_come_changes_no_t_interval():
    scores, ids = crossed(6, 4, missing=0.05)
    order = np.random.default_rng(1).permutation(24)
    mixed: dict[str, Any] = {
        "cluster_ids": np.array(ids["personality_ids"])[order],
        "personality_ids": np.array(ids["cluster_ids"])[order],
    }
    one: Any = score(scores, scale=(-9, 9), **ids)
    other: Any = score(scores[order], scale=(-9, 9), **mixed)
    for name in ("avg_ci", "ir_ci"):
        assert getattr(one, name) == pytest.approx(getattr(other, name))
    assert one.components["avg"]["cluster"] == pytest.approx(other.components["avg"]["personality"])


def test_conversations_of_one_cell_count_as_their_mean():
    scores, ids = crossed(6, 4)
    twice: dict[str, Any] = {name: values * 2 for name, values in ids.items()}
    apart = 0.5 * np.random.default_rng(1).standard_normal(scores.shape)
    one = score(scores, scale=(-9, 9), **ids)
    two = score(np.vstack([scores + apart, scores - apart]), scale=(-9, 9), **twice)
    assert two.avg_ci == pytest.approx(one.avg_ci)
    assert two.ir_ci == pytest.approx(one.ir_ci)


def test_a_missing_score_adds_nothing_and_moves_the_interval_little():
    scores, ids = crossed(10, 5, noise=0.1)
    whole = score(scores, scale=(-9, 9), **ids)
    scores[7, 2] = scores[23, 0] = np.nan
    holed = score(scores, scale=(-9, 9), **ids)
    assert holed.method == "two-way"
    assert holed.avg_ci == pytest.approx(whole.avg_ci, abs=0.02)
    assert holed.avg == score(scores, scale=(-9, 9), n_resamples=0).avg


def test_a_turn_without_a_score_has_no_interval_and_the_others_have_theirs():
    found: Any = score([[1, None, 3], [1, None, 4], [2, None, 4], [1, None, 5]], cluster_ids=[*"aabb"], personality_ids=[*"xyxy"])
    assert np.isnan(found.al_ci[1]).all()
    assert not np.isnan([found.al_ci[0], found.al_ci[2], found.avg_ci, found.ir_ci]).any()


def test_no_interval_of_a_level_leaves_the_scale():
    found: Any = score([[5, 5], [5, 5], [5, 4], [1, 5]], cluster_ids=[*"aabb"], personality_ids=[*"xyxy"])
    assert found.avg_ci == (1, 5)
    assert found.al_ci[1][1] == 5


def test_scores_that_do_not_vary_have_intervals_of_no_width():
    found: Any = score([[2, 2, 2]] * 6, cluster_ids=[*"aaabbb"], personality_ids=[*"xyzxyz"])
    assert (found.avg_ci, found.ir_ci, found.al_ci) == ((2, 2), (0, 0), [(2, 2)] * 3)
    assert np.isnan(found.n_ir_ci).all()


def test_where_more_than_half_of_the_cells_are_empty_all_is_resampled_and_the_result_says_so():
    scores, ids = crossed(10, 10)
    for filled, method in ((2, "two-way"), (1, "pigeonhole")):
        kept = [place for place in range(100) if sum(divmod(place, 10)) % 3 < filled]
        some: dict[str, Any] = {name: [values[place] for place in kept] for name, values in ids.items()}
        found: Any = score(scores[kept], scale=(-9, 9), **some)
        assert found.method == method
        assert (found.components is None) == (method == "pigeonhole")
        assert found.avg_ci[0] < found.avg < found.avg_ci[1]


def pigeonhole_by_hand(scores, ids, n_resamples, seed):
    """Draw rows and columns, lay out the conversations of each drawn pair, and take the mean curve."""
    rng = np.random.default_rng(seed)
    rows, columns = (np.array(values) for values in ids.values())
    for _ in range(n_resamples):
        row_of, column_of = (rng.integers(0, one.max() + 1, one.max() + 1) for one in (rows, columns))
        laid = [scores[(rows == row) & (columns == column)] for row in row_of for column in column_of]
        yield np.nanmean(np.concatenate(laid), axis=0)


@pytest.mark.parametrize(("rows", "columns"), [(7, 4), (4, 7)])
def test_the_pigeonhole_agrees_with_one_that_lays_out_the_rows(rows, columns):
    scores, ids = crossed(rows, columns, missing=0.1, seed=3)
    scores, ids = scores[:-2], {name: values[:-2] for name, values in ids.items()}
    scores += 0.2 * np.arange(6)
    found: Any = score(scores, scale=(-9, 9), n_resamples=4000, confidence=0.8, **ids)
    als = np.array(list(pigeonhole_by_hand(scores, ids, 2000, seed=99)))
    slopes = np.polyfit(np.arange(6), als.T, 1)[0] / np.ptp(als, axis=1)
    low, high = np.quantile(slopes, [0.1, 0.9])
    assert found.n_ir_ci == pytest.approx((low, high), abs=0.12 * (high - low))


def test_cutting_the_resamples_into_blocks_changes_nothing(monkeypatch):
    scores, ids = crossed(8, 5)
    whole = score(scores, scale=(-9, 9), **ids)
    monkeypatch.setattr(clusters, "WEIGHTS_AT_A_TIME", 30)
    assert score(scores, scale=(-9, 9), **ids).n_ir_ci == pytest.approx(whole.n_ir_ci, abs=1e-12)


def test_intervals_hold_the_truth_and_tests_stay_silent_where_profiles_alone_fail_at_both():
    """The small version of bench/intervals.py."""
    replicates, held, alarms, alone = 300, 0, 0, 0
    for seed in range(replicates):
        scores, ids = crossed(20, 5, 0.3, 0.3, turns=3, seed=seed)
        found = compare(scores, np.full_like(scores, 3), scale=(-9, 9), n_resamples=1, **ids)
        held += found.difference_ci[0] <= 0 <= found.difference_ci[1]
        alarms += found.p <= 0.05
        low, high = score(scores, scale=(-9, 9), n_resamples=100, cluster_ids=ids["cluster_ids"]).avg_ci
        alone += low <= 3 <= high
    assert held + alarms == replicates
    assert 0.92 <= held / replicates <= 0.98
    assert alone / replicates < 0.75


def test_by_one_id_intervals_are_what_they_were():
    scores, ids = clustered(8, 3)
    found: Any = score(scores, cluster_ids=ids)
    assert found.avg_ci == pytest.approx((3.222857486087394, 3.793912302197126), abs=1e-12)
    assert found.ir_ci == pytest.approx((0.09727732420285787, 0.1437349442330856), abs=1e-12)
    assert found.n_ir_ci == pytest.approx((0.17060723635460537, 0.22622777857473994), abs=1e-12)
    assert found.r2_ci == pytest.approx((0.6456803455239261, 0.9448785261756313), abs=1e-12)
