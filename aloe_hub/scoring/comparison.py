"""Two policies on the same personas: how far their mean scores lie apart, with an interval and a p. NumPy only.

As in `levels`, whole clusters are resampled. It is a file of its own because the metric on the Hub carries a copy of that one
alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from aloe_hub.scoring.levels import (
    UNDEFINED,
    Conversations,
    Floats,
    Interval,
    Plain,
    _al,
    _bootstrap,
    _by_cluster,
    _check_settings,
    _interval,
    _labels,
    _read,
    _weighted,
    curve,
)

CLUSTERS_TO_ENUMERATE = 12


@dataclass(frozen=True)
class Comparison(Plain):
    """`avg` of policy a minus that of policy b."""

    difference: float
    difference_ci: Interval = UNDEFINED
    p: float = UNDEFINED[0]
    exact: bool = False
    dropped: int | None = None  # resamples without a difference


def compare(
    a: Conversations,
    b: Conversations,
    *,
    cluster_ids: Sequence[Hashable] | None = None,
    scale: tuple[float, float] = (1, 5),
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """`avg` of policy `a` minus that of `b` on the same personas: row i of both is one persona, in one cluster.

    Arguments and errors are those of `score`; policies of different shapes are an error.

    Clusters are resampled for the interval, each with both policies. `p` is that of the two-sided sign-flip test: were the
    policies alike, swapping them within clusters would change nothing. Up to 12 clusters all swaps are counted (`exact`),
    beyond that n_resamples are drawn and p = (1 + hits) / (1 + n_resamples). n_resamples=0 leaves out all but the difference.

    >>> compare([[4, 5], [3, 5], [4, 4], [5, 5]], [[2, 3], [3, 5], [1, 3], [4, 4]])
    Comparison(difference=1.25, difference_ci=(0.25, 2.0), p=0.25, exact=True, dropped=0)
    """
    _check_settings(scale, confidence, n_resamples)
    matrix_a, total_a = _read(a, scale, "policy a: ")
    matrix_b, total_b = _read(b, scale, "policy b: ")
    if matrix_a.shape != matrix_b.shape:
        raise ValueError(f"policies a and b differ in (conversations, turns): {matrix_a.shape} and {matrix_b.shape}")
    labels = _labels(cluster_ids, len(matrix_a))
    difference = float(_differences(total_a, total_b))
    if not n_resamples:
        return Comparison(difference)
    rng = np.random.default_rng(seed)
    of_a, of_b = _by_cluster(matrix_a, labels), _by_cluster(matrix_b, labels)
    differences = _differences(*np.hsplit(_bootstrap(np.hstack([of_a, of_b]), n_resamples, rng), 2))
    p, exact = _sign_flip(total_a, total_b, of_b - of_a, n_resamples, rng)
    return Comparison(difference, _interval(differences, confidence), p, exact, int(np.isnan(differences).sum()))


def _sign_flip(
    totals_a: Floats, totals_b: Floats, gains: Floats, n_resamples: int, rng: np.random.Generator
) -> tuple[float, bool]:
    """How often clusters that swap policies at will give such a difference, and whether all swaps were counted.

    gains: what policy a gains when a cluster is swapped, (C, 2 K). Where they are few all subsets are swapped, else random ones.
    """
    observed = float(abs(_differences(totals_a, totals_b)))
    clusters = len(gains)
    exact = clusters <= CLUSTERS_TO_ENUMERATE
    if exact:
        swaps = (np.arange(2**clusters)[:, None] >> np.arange(clusters) & 1) @ gains
    else:
        swaps = _weighted(gains, n_resamples, lambda size: rng.integers(0, 2, (size, clusters)))
    if np.isnan(observed):
        return float("nan"), exact
    null = abs(_differences(totals_a + swaps, totals_b - swaps))
    null = null[~np.isnan(null)]
    # A swap that gives the observed difference again must count, whatever the last bit of its sum.
    hits = int((null >= observed - 1e-9 * max(1.0, observed)).sum())
    return (hits / len(null) if exact else (1 + hits) / (1 + len(null))), exact


def _differences(totals_a: Floats, totals_b: Floats) -> Floats:
    return curve(_al(totals_a)).avg - curve(_al(totals_b)).avg
