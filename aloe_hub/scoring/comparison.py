"""Policies on the same personas: how far two lie apart, with an interval and a p, and which share of a gap one closes.

Clusters are those of `score`, each with all of its policies. The metric on the Hub does without this file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np

from aloe_hub.scoring.clusters import Clusters, Floats, Ids, Interval, Method, TwoWay, clusters, percentiles, weighted
from aloe_hub.scoring.levels import UNDEFINED, Plain, linear, scores_and_presence
from aloe_hub.scoring.matrix import Conversations, al_of, check_settings, ratio, read

CLUSTERS_TO_ENUMERATE = 12
SWAPS = 20_000


@dataclass(frozen=True)
class Comparison(Plain):
    """`avg` of policy a minus that of policy b."""

    difference: float
    difference_ci: Interval = UNDEFINED
    p: float = UNDEFINED[0]
    exact: bool = False
    dropped: int | None = None  # resamples without a difference
    method: Method | None = None


@dataclass(frozen=True)
class Gap(Plain):
    """Which share of the way from a plain policy to an oracle a third one makes, by `avg`. NaN where the two are alike."""

    closed: float
    closed_ci: Interval = UNDEFINED
    method: Method | None = None


def compare(
    a: Conversations,
    b: Conversations,
    *,
    cluster_ids: Ids | None = None,
    personality_ids: Ids | None = None,
    scale: tuple[float, float] = (1, 5),
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """`avg` of policy `a` minus that of `b` on the same personas: row i of both is one persona.

    Arguments, errors and `method` are those of `score`; policies of different shapes are an error.

    p goes with the interval. By one id it is that of the two-sided sign-flip test: were the policies alike, swapping them within
    clusters would change nothing. Up to 12 clusters all swaps are counted (`exact`), beyond that 20,000 are drawn and
    p = (1 + hits) / 20,001. By two ids it is that of the t test, or, where cells are too unequally filled, twice the share of
    resamples on the other side of 0. n_resamples=0 leaves out all but the difference.

    >>> compare([[4, 5], [3, 5], [4, 4], [5, 5]], [[2, 3], [3, 5], [1, 3], [4, 4]])
    Comparison(difference=1.25, difference_ci=(0.25, 2.0), p=0.25, exact=True, dropped=0, method='bootstrap')
    """
    check_settings(scale, confidence, n_resamples, seed)
    policies = _Policies({"a": a, "b": b}, cluster_ids, personality_ids, scale)
    against = np.array([1.0, -1.0])
    difference = float(policies.averages @ against)
    if not n_resamples:
        return Comparison(difference)
    method = policies.method
    if method == "two-way":
        found = policies.two_way(against[:, None])
        return Comparison(difference, found.intervals(confidence)[0], float(found.p()[0]), dropped=0, method=method)
    rng = np.random.default_rng(seed)
    differences = policies.resampled(n_resamples, rng) @ against
    interval, dropped = percentiles(differences, confidence), int(np.isnan(differences).sum())
    p, exact = (_other_side(differences), False) if method == "pigeonhole" else policies.sign_flip(rng)
    return Comparison(difference, interval, p, exact, dropped, method)


def gap_closed(
    policy: Conversations,
    plain: Conversations,
    oracle: Conversations,
    *,
    cluster_ids: Ids | None = None,
    personality_ids: Ids | None = None,
    scale: tuple[float, float] = (1, 5),
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Gap:
    """(avg of `policy` - avg of `plain`) / (avg of `oracle` - avg of `plain`), on the same personas.

    Arguments, errors and `method` are those of `compare`. By two ids the interval is Fieller's: all shares g that the t test of
    policy - plain - g (oracle - plain) does not reject. It is without bounds where oracle and plain may be alike.

    >>> gap_closed([[3, 4], [2, 4]], [[2, 2], [2, 2]], [[4, 5], [3, 5]], n_resamples=0)
    Gap(closed=0.5555555555555556, closed_ci=(nan, nan), method=None)
    """
    check_settings(scale, confidence, n_resamples, seed)
    named = {"tried": policy, "plain": plain, "oracle": oracle}
    policies = _Policies(named, cluster_ids, personality_ids, scale)
    gains = np.array([[1.0, 0.0], [-1.0, -1.0], [0.0, 1.0]])
    closed = float(_shares(policies.averages @ gains))
    if not n_resamples:
        return Gap(closed)
    if policies.method == "two-way":
        found = policies.two_way(gains)
        return Gap(closed, UNDEFINED if np.isnan(closed) else _fieller(found, closed, confidence), policies.method)
    shares = _shares(policies.resampled(n_resamples, np.random.default_rng(seed)) @ gains)
    return Gap(closed, percentiles(shares, confidence), policies.method)


def holm(ps: Sequence[float]) -> list[float]:
    """The p values of several tests, adjusted so that 1 in 20 families has a false alarm at .05, not 1 in 20 tests (Holm 1979).

    NaN stays NaN and is no test.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [float("nan")] * len(ps)
    order = sorted((p, place) for place, p in enumerate(ps) if p == p)
    least = 0.0
    for left, (p, place) in zip(range(len(order), 0, -1), order, strict=True):
        adjusted[place] = least = max(least, min(1.0, left * p))
    return adjusted


class _Policies:
    """Several policies on the same personas, in the same clusters."""

    def __init__(
        self,
        named: dict[str, Conversations],
        cluster_ids: Ids | None,
        personality_ids: Ids | None,
        scale: tuple[float, float],
    ) -> None:
        self._read = [read(scores, scale, f"policy {name}: ") for name, scores in named.items()]
        first, *others = shapes = [matrix.shape for matrix, _ in self._read]
        if any(other != first for other in others):
            raise ValueError(f"policies {' and '.join(named)} differ in (conversations, turns): {' and '.join(map(str, shapes))}")
        self._clusters: Clusters = clusters(cluster_ids, personality_ids, first[0])
        self._sums = [self._clusters.sums(scores_and_presence(matrix)) for matrix, _ in self._read]
        self.averages = np.array([_avg(totals) for _, totals in self._read])

    @property
    def method(self) -> Method:
        return self._clusters.method(*(np.hsplit(sums, 2)[1].sum(axis=1) for sums in self._sums))

    def two_way(self, weights: Floats) -> TwoWay:
        """Of sums of the averages, weighted by the columns of `weights`."""
        influences = np.stack([linear(matrix, totals)[:, -2] for matrix, totals in self._read], axis=1)
        return self._clusters.two_way(self.averages @ weights, influences @ weights)

    def resampled(self, n_resamples: int, rng: np.random.Generator) -> Floats:
        """`avg` of each policy, in resamples of the same clusters: (R, policies)."""
        totals = self._clusters.resampled(np.hstack(self._sums), n_resamples, rng)
        return np.stack([_avg(of_one) for of_one in np.hsplit(totals, len(self._sums))], axis=-1)

    def sign_flip(self, rng: np.random.Generator) -> tuple[float, bool]:
        """How often clusters that swap two policies at will give such a difference, and whether all swaps were counted."""
        (_, totals_a), (_, totals_b) = self._read
        observed = float(abs(self.averages[0] - self.averages[1]))
        gains = self._sums[1] - self._sums[0]  # what policy a gains when a cluster is swapped
        size = len(gains)
        exact = size <= CLUSTERS_TO_ENUMERATE
        if np.isnan(observed):
            return float("nan"), exact
        if exact:
            swaps = (np.arange(2**size)[:, None] >> np.arange(size) & 1) @ gains
        else:
            swaps = weighted(gains, SWAPS, lambda draws: rng.integers(0, 2, (draws, size), dtype=np.int8))
        null = abs(_avg(totals_a + swaps) - _avg(totals_b - swaps))
        null = null[~np.isnan(null)]
        # A swap that gives the observed difference again must count, whatever the last bit of its sum.
        hits = int((null >= observed - 1e-9 * max(1.0, observed)).sum())
        return (hits / len(null) if exact else (1 + hits) / (1 + len(null))), exact


def _avg(totals: Floats) -> Floats:
    """As `curve` has it, without the line."""
    al = al_of(totals)
    present = ~np.isnan(al)
    return ratio(np.where(present, al, 0.0).sum(axis=-1), present.sum(axis=-1))


def _other_side(differences: Floats) -> float:
    """The p at which the percentile interval would just end at 0."""
    kept = differences[~np.isnan(differences)]
    if not len(kept):
        return float("nan")
    fewer = min(int((kept <= 0).sum()), int((kept >= 0).sum()))
    return min(1.0, 2 * (1 + fewer) / (1 + len(kept)))


def _shares(gains: Floats) -> Floats:
    """Gains of a policy and of the oracle (..., 2) -> their ratio; NaN where the oracle gains nothing."""
    ours, most = gains[..., 0], gains[..., 1]
    out: Floats = np.divide(ours, most, out=np.full(np.shape(most), np.nan), where=abs(most) > 1e-9)
    return out


def _fieller(found: TwoWay, closed: float, confidence: float) -> Interval:
    """Around `closed`, the shares g at which ours - g most, of `found` = (ours, most), is no further from 0 than t errors."""

    def rejected(weights: Floats) -> bool:
        ((low, high),) = found.combined(weights[:, None]).intervals(confidence)
        return low > 0 or high < 0

    if not rejected(np.array([0.0, 1.0])):
        return float("-inf"), float("inf")
    return _edge(closed, -1, rejected), _edge(closed, 1, rejected)


def _edge(start: float, direction: int, rejected: Callable[[Floats], bool]) -> float:
    """How far from `start` shares are not rejected: doubled steps outwards, then halved ones."""
    inside, outside = 0.0, next(2.0**power for power in count(-20) if rejected(np.array([1.0, -start - direction * 2.0**power])))
    for _ in range(60):
        middle = (inside + outside) / 2
        if rejected(np.array([1.0, -start - direction * middle])):
            outside = middle
        else:
            inside = middle
    return start + direction * outside
