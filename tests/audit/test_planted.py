"""What was planted is found, with intervals that hold it; what was not planted stays null."""

from typing import Any

import numpy as np
import pytest

from aloe_hub.audit.changes import length_effect, premium, told_apart
from aloe_hub.audit.measured import mean, share, slope
from aloe_hub.audit.order import Orders, counted, label_noise, position_bias
from aloe_hub.audit.retest import icc, retest
from aloe_hub.audit.versus import versus
from bench.audit import coverage


@pytest.fixture(scope="module")
def held() -> dict[str, tuple[float, float, float]]:
    return coverage(40, position=0.3, length=0.1, leak=0.2, noise=0.5)


@pytest.mark.parametrize("name", ["position", "label noise", "length", "leak", "flattery", "persona, blind", "retest"])
def test_intervals_hold_the_truth(held, name):
    truth, found, share = held[name]
    # Of 40 intervals that hold 95% of the time, 33 or fewer do once in 5,000 tries.
    assert share > 33 / 40
    assert found == pytest.approx(truth, abs=0.06)


@pytest.mark.torture
@pytest.mark.parametrize("planted", [(0.3, 0.1, 0.2, 0.5), (0.0, 0.0, 0.0, 0.5), (-0.8, -0.05, 0.0, 0.2)])
def test_a_thousand_seeds_hold_the_truth_in_93_percent(planted):
    names = ("position", "length", "leak", "noise")
    for name, (_, _, often) in coverage(1000, **dict(zip(names, planted, strict=True))).items():
        assert often >= 0.93, name


def test_position_bias_does_not_depend_on_how_different_the_replies_are():
    bias, both = 0.4, []
    for d in (0.0, 1.0, 3.0):
        first, second = (1 / (1 + np.exp(-(sign * d + bias))) for sign in (1, -1))
        both.append(0.5 * np.log(first * second / ((1 - first) * (1 - second))))
    assert both == pytest.approx([bias] * 3)


def test_declared_ties_tell_nothing_of_positions():
    choices: list[Any] = [(0, 1)] * 6 + [(1, 0)] * 2 + [(0, 0)] * 5 + [(None, 1), (None, None)]
    assert counted(choices) == Orders(first=6, second=2, agree=5, undecided=2)
    assert counted(choices).disagree == pytest.approx(8 / 13)


def test_without_a_disagreement_the_bias_is_anything():
    low, high = position_bias(Orders(0, 0, 50, 0)).interval
    assert low < -3
    assert high > 3


def test_leaning_to_a_place_is_not_taken_for_noise():
    # d = 1: e = logistic(-1), whatever the bias; the counts are those to be expected.
    for bias in (0.0, 1.0):
        first, second = (1 / (1 + np.exp(-(sign + bias))) for sign in (1, -1))
        shares = [first * (1 - second), (1 - first) * second, first * second, (1 - first) * (1 - second)]
        pairs: list[Any] = [(0, 0), (1, 1), (0, 1), (1, 0)]
        choices = [pair for pair, share in zip(pairs, shares, strict=True) for _ in range(round(20_000 * share))]
        e = 1 / (1 + np.e)
        found = label_noise(choices, range(len(choices)), n_resamples=2)
        assert found.value == pytest.approx(e**2 / (e**2 + (1 - e) ** 2), abs=1e-3)


def test_label_noise_is_undefined_where_the_orders_agree_no_more_than_by_chance():
    assert np.isnan(label_noise([(0, 1), (1, 0), (0, 0), (1, 1)] * 5, range(20), n_resamples=2).value)


def test_a_mean_over_clusters_is_less_sure_than_one_over_rows():
    values = [0.0] * 10 + [1.0] * 10 + [2.0] * 10
    by_cluster, by_row = mean(values, np.repeat([0, 1, 2], 10)), mean(values, np.arange(30))
    assert by_cluster.value == by_row.value == 1
    assert by_cluster.interval[1] > by_row.interval[1] + 1
    assert np.isnan(mean(values, np.zeros(30, dtype=np.intp)).interval).all()


def test_the_slope_of_nothing_is_undefined():
    assert np.isnan(slope([0, 0], [1, 2], np.arange(2)).value)


def test_a_length_effect_is_in_points_for_ten_words():
    assert length_effect([(3.2, 20.0), (2.1, 10.0)], [3.0, 2.0], np.arange(2)).value == pytest.approx(0.1)


def test_a_pair_without_both_scores_is_left_out():
    found = premium([4.0, None, 3.0], [3.0, 2.0, None], np.arange(3))
    assert found.value == 1
    assert told_apart([4.0, 2.0, None], [3.0, 2.0, 1.0], np.arange(3)).value == 0.75


def test_asked_again_the_same_score_is_full_reliability():
    found = retest([[1, 1, 1], [4, 4, 4], [2, 2, 2], [3, None, 3]], np.arange(4))
    assert found["replies"] == 3
    assert found["icc"].value == found["identical"].value == 1  # type: ignore[union-attr]
    assert np.isnan(icc(np.full((3, 2), 2.0)))


def test_scores_and_verdicts_are_compared_whichever_reply_comes_first():
    found = versus([1.0, -2.0, 0.0, 1.0], [0, 1, 0, 1], np.arange(4))
    assert found["agreement"].value == pytest.approx(2.5 / 4)  # type: ignore[union-attr]
    # All verdicts name reply 0, which without a second look would leave τ undefined.
    assert versus([1.0, 2.0, 0.5], [0, 0, 0], np.arange(3))["kendall"].value > 0.5  # type: ignore[union-attr]


def test_an_interval_of_what_has_bounds_stays_between_them():
    people = np.arange(6)
    ranks = [1.0, 1.0, 2.0, 1.0, 1.0, 8.0]
    assert mean(ranks, people).interval[0] < 1
    for low, high in (
        mean(ranks, people, within=(1, 8)).interval,
        mean([9 - one for one in ranks], people, within=(1, 8)).interval,
    ):
        assert 1 < low < high < 8
    low, high = share([1.0, 1.0, 1.0, 0.9, 1.0, 1.0], people).interval
    assert 0 < low < high < 1
    low, high = premium([5.0, 1.0, 5.0], [1.0, 1.0, 1.0], np.arange(3), (1, 5)).interval
    assert -4 < low < high < 4
    low, high = slope([1, 2, 1], [4, 4, 0], np.arange(3), within=(-4, 4)).interval
    assert -4 * 4 / 6 < low < high < 4 * 4 / 6


def test_an_interval_near_a_bound_holds_the_truth_where_one_cut_off_there_does_not():
    rng, people, held, cut = np.random.default_rng(0), np.arange(12), 0, 0
    truth = float(np.minimum(rng.geometric(0.7, 100_000), 8).mean())
    for _ in range(400):
        ranks = np.minimum(rng.geometric(0.7, 12), 8).astype(float)
        (low, high), (below, above) = mean(ranks, people, within=(1, 8)).interval, mean(ranks, people).interval
        held += low <= truth <= high
        cut += max(1.0, below) <= truth <= min(8.0, above)
    assert held >= 0.93 * 400
    assert cut < held
