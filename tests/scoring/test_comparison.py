"""Policies beside one another: differences, gaps, and several tests at once."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from aloe_hub.scoring import compare, gap_closed, holm, score
from tests.scoring.scores import clustered, crossed

# Two policies


def p_by_hand(a, b, ids):
    """Swap the policies within every subset of the clusters, row by row."""
    names = list(dict.fromkeys(ids))
    difference = []
    for swapped in itertools.product([False, True], repeat=len(names)):
        rows = np.array([swapped[names.index(name)] for name in ids])[:, None]
        one, other = np.where(rows, b, a), np.where(rows, a, b)
        difference.append(np.nanmean(np.nanmean(one, axis=0)) - np.nanmean(np.nanmean(other, axis=0)))
    return np.mean(np.abs(difference) >= abs(difference[0]) - 1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_few_clusters_give_the_exact_p(seed):
    a, ids = clustered(6, 2, seed=seed)
    b, _ = clustered(6, 2, seed=seed + 100)
    a, b, ids = a[:-1], b[:-1], ids[:-1]
    result = compare(a, b, cluster_ids=ids)
    assert result.exact
    assert result.p == p_by_hand(a, b, ids)
    assert result.difference == score(a, n_resamples=0).avg - score(b, n_resamples=0).avg


def test_many_clusters_give_a_p_close_to_the_exact_one():
    a, ids = clustered(13, 1, seed=1)
    b = a - 0.05 + 0.2 * np.random.default_rng(2).standard_normal((13, 1))
    result = compare(a, b, cluster_ids=ids, n_resamples=4000, scale=(-9, 9))
    assert not result.exact
    assert result.p == pytest.approx(p_by_hand(a, b, ids), abs=0.03)


@pytest.mark.parametrize("clusters", [6, 20])
def test_swapping_the_policies_turns_the_difference_round(clusters):
    a, ids = clustered(clusters, 2, seed=1)
    b, _ = clustered(clusters, 2, seed=2)
    ab, ba = compare(a, b, cluster_ids=ids), compare(b, a, cluster_ids=ids)
    assert ab.difference == -ba.difference
    low, high = ba.difference_ci
    assert ab.difference_ci == pytest.approx((-high, -low), abs=1e-12)
    assert ab.p == ba.p


@pytest.mark.parametrize("clusters", [6, 20])
def test_a_policy_does_not_differ_from_itself(clusters):
    scores, ids = clustered(clusters, 2)
    result = compare(scores, scores, cluster_ids=ids)
    assert (result.difference, result.difference_ci, result.p) == (0, (0, 0), 1)


def test_pairing_makes_the_interval_of_a_steady_difference_narrow():
    scores, ids = clustered(30, 2, missing=0)
    result = compare(scores, scores - 0.5, cluster_ids=ids, scale=(-9, 9))
    assert result.difference_ci == pytest.approx((0.5, 0.5))
    assert result.p == pytest.approx(1 / 20_001)


def test_a_policy_without_scores_has_no_difference_and_no_p():
    result = compare([[None, None]] * 3, [[1, 2]] * 3, n_resamples=10)
    assert math.isnan(result.difference)
    assert math.isnan(result.p)
    assert result.dropped == 10


def test_no_resamples_leave_only_the_difference():
    assert compare([[4, 5]], [[1, 2]], n_resamples=0).to_dict() == {"difference": 3.0}


def test_policies_of_different_shapes_are_refused():
    with pytest.raises(ValueError, match=r"policies a and b differ in .*: \(1, 2\) and \(2, 2\)"):
        compare([[1, 2]], [[1, 2], [3, 4]])


def test_a_bad_score_names_its_policy():
    with pytest.raises(ValueError, match=r"policy b: score 9\.0 of conversation 1, turn 1 is outside the scale"):
        compare([[1, 2]], [[9, 2]])


# Both ids


def test_by_both_ids_the_p_is_that_of_the_interval():
    a, ids = crossed(8, 5, seed=1)
    b = a - 0.2 + crossed(8, 5, 0.2, 0.1, seed=2)[0] - 3
    found = compare(a, b, scale=(-9, 9), **ids)
    assert (found.method, found.exact, found.dropped) == ("two-way", False, 0)
    assert 0.001 < found.p < 0.999
    edge = compare(a, b, scale=(-9, 9), confidence=1 - found.p, **ids).difference_ci
    assert min(map(abs, edge)) == pytest.approx(0, abs=1e-9)
    assert found.difference_ci[0] < found.difference < found.difference_ci[1]


def test_without_an_effect_of_personalities_the_test_is_about_the_t_test_over_profiles():
    """With rows that explain nearly all, the mean square of rows is the variance."""
    a, ids = crossed(12, 4, of_rows=1, of_columns=0, noise=0.01, seed=3)
    b = np.full_like(a, 3)
    found = compare(a, b, scale=(-9, 9), **ids)
    by_profile = a.reshape(12, -1).mean(axis=1) - 3
    assert found.p == pytest.approx(stats.ttest_1samp(by_profile, 0).pvalue, abs=1e-3)


def test_by_both_ids_a_policy_does_not_differ_from_itself_and_a_steady_difference_is_certain():
    scores, ids = crossed(6, 4, missing=0.1)
    itself, worse = (compare(scores, scores - less, scale=(-9, 9), **ids) for less in (0, 0.5))
    assert (itself.difference, itself.difference_ci, itself.p) == (0, (0, 0), 1)
    assert worse.difference_ci == pytest.approx((0.5, 0.5))
    assert worse.p == 0


def test_by_both_ids_swapping_the_policies_turns_the_difference_round():
    a, ids = crossed(6, 4, missing=0.1, seed=1)
    b, _ = crossed(6, 4, missing=0.1, seed=2)
    ab, ba = compare(a, b, scale=(-9, 9), **ids), compare(b, a, scale=(-9, 9), **ids)
    assert ab.difference_ci == pytest.approx(tuple(-end for end in reversed(ba.difference_ci)))
    assert ab.p == pytest.approx(ba.p)


def test_where_cells_are_mostly_empty_differences_are_resampled_and_the_result_says_so():
    a, ids = crossed(12, 12, missing=0.0, seed=1)
    kept = [place for place in range(144) if (place * 7) % 5 == 0]
    some: dict[str, Any] = {name: [values[place] for place in kept] for name, values in ids.items()}
    alike, better = (compare(a[kept], a[kept] - less, scale=(-9, 9), **some) for less in (0, 0.5))
    assert {alike.method, better.method} == {"pigeonhole"}
    assert alike.p == 1
    assert better.p == pytest.approx(2 / 1001)


# The gap


def three(seed, plain=2.0, oracle=4.0, policy=3.0, rows=8, columns=5):
    made = [crossed(rows, columns, 0.2, 0.1, seed=10 * seed + place) for place in range(3)]
    (_, ids), found = made[0], [scores - 3 + level for (scores, _), level in zip(made, (policy, plain, oracle), strict=True)]
    return found, ids


def test_the_gap_closed_is_the_share_of_the_way_from_plain_to_oracle():
    (policy, plain, oracle), ids = three(1)
    averages = [score(one, scale=(-9, 9), n_resamples=0).avg for one in (policy, plain, oracle)]
    found = gap_closed(policy, plain, oracle, scale=(-9, 9), **ids)
    assert found.closed == pytest.approx((averages[0] - averages[1]) / (averages[2] - averages[1]))
    assert found.closed_ci[0] < found.closed < found.closed_ci[1]
    assert found.method == "two-way"


def test_the_policies_that_span_the_gap_close_none_and_all_of_it():
    (_, plain, oracle), ids = three(2)
    for settings in (ids, {"cluster_ids": ids["cluster_ids"]}):
        none, whole = (gap_closed(one, plain, oracle, scale=(-9, 9), **settings) for one in (plain, oracle))
        assert (none.closed, whole.closed) == (0, 1)
        assert none.closed_ci == pytest.approx((0, 0), abs=1e-9)
        assert whole.closed_ci == pytest.approx((1, 1), abs=1e-9)


def test_fiellers_interval_holds_just_those_shares_that_the_t_test_does_not_reject():
    (policy, plain, oracle), ids = three(3, oracle=2.6, policy=2.3)
    found = gap_closed(policy, plain, oracle, scale=(-9, 9), **ids)

    def p(share):
        return compare(policy - plain, share * (oracle - plain), scale=(-99, 99), **ids).p

    for end in found.closed_ci:
        assert p(end) == pytest.approx(0.05, abs=1e-6)
    assert p(found.closed) == pytest.approx(1)


def test_a_gap_that_may_be_none_has_an_interval_without_bounds():
    (policy, plain, oracle), ids = three(4, oracle=2.01)
    assert gap_closed(policy, plain, oracle, scale=(-9, 9), **ids).closed_ci == (-math.inf, math.inf)
    assert math.isnan(gap_closed(policy, plain, plain, scale=(-9, 9), **ids).closed)


def test_by_one_id_the_gap_is_resampled():
    (policy, plain, oracle), ids = three(5)
    found = gap_closed(policy, plain, oracle, scale=(-9, 9), cluster_ids=ids["cluster_ids"])
    assert found.method == "bootstrap"
    assert found.closed_ci[0] < found.closed < found.closed_ci[1]


def test_the_gap_names_the_policy_that_has_a_bad_score():
    with pytest.raises(ValueError, match=r"policy oracle: score 9\.0 of conversation 1, turn 1 is outside the scale"):
        gap_closed([[1, 2]], [[1, 2]], [[9, 2]])


# Several tests


def test_holm_multiplies_the_smallest_p_by_the_number_of_tests_and_keeps_the_order():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []


def test_an_undefined_p_is_no_test():
    assert holm([0.01, math.nan, 0.02]) == pytest.approx([0.02, math.nan, 0.02], nan_ok=True)
