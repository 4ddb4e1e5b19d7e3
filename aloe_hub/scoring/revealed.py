"""How much of what a user has revealed a policy turns into better replies: the slope of its scores on the revealed share.

IR is a slope over turns, and turns reveal more or less by schedule. Here the x axis is R, the share of the persona that the
user's messages have revealed so far: a policy that knew the persona from the first turn has a high level, and no slope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aloe_hub.scoring.clusters import Clusters, Floats, Ids, Interval, Method, clusters, percentiles
from aloe_hub.scoring.levels import UNDEFINED, Plain
from aloe_hub.scoring.matrix import Conversations, check_settings, ratio, read


@dataclass(frozen=True)
class Adaptation(Plain):
    """Slopes in points of the scale for a whole persona revealed, R from 0 to 1; NaN where R does not change."""

    slope: float  # all conversations pooled, each around its own mean
    by_conversation: list[float]
    slope_ci: Interval = UNDEFINED
    method: Method | None = None


def adaptation(
    scores: Conversations,
    revealed: Conversations,
    *,
    cluster_ids: Ids | None = None,
    personality_ids: Ids | None = None,
    scale: tuple[float, float] = (1, 5),
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Adaptation:
    """The least-squares slope of `scores` (N, K) on `revealed` (N, K), shares from 0 to 1, within conversations.

    A turn counts where both are there. The pooled slope is the mean of the slopes of the conversations, weighted by how much R
    changes in each; the other arguments, errors and `method` are those of `score`.

    >>> adaptation([[2, 3, 4], [2, 2, 3]], [[0, 0.5, 1], [0, 0.5, 1]], n_resamples=0)
    Adaptation(slope=1.5, by_conversation=[2.0, 1.0], slope_ci=(nan, nan), method=None)
    """
    check_settings(scale, confidence, n_resamples, seed)
    matrix, _ = read(scores, scale)
    shares, _ = read(revealed, (0, 1), "revealed: ")
    if matrix.shape != shares.shape:
        raise ValueError(f"scores and revealed differ in (conversations, turns): {matrix.shape} and {shares.shape}")
    shared = clusters(cluster_ids, personality_ids, len(matrix))
    both = ~np.isnan(matrix) & ~np.isnan(shares)
    x, y = _around_mean(shares, both), _around_mean(matrix, both)
    products = np.stack([(x * y).sum(axis=1), (x * x).sum(axis=1)], axis=1)
    products[products[:, 1] < 1e-18] = 0  # R is the same at all turns, up to its last bit
    slope = float(ratio(*products.sum(axis=0)))
    found = Adaptation(slope, ratio(*products.T).tolist())
    if not n_resamples:
        return found
    method, interval = _interval(shared, products, slope, confidence, n_resamples, seed)
    return Adaptation(found.slope, found.by_conversation, interval, method)


def _around_mean(values: NDArray[Any], present: NDArray[np.bool_]) -> Floats:
    kept = np.where(present, values, 0.0)
    means = ratio(kept.sum(axis=1), present.sum(axis=1))
    return np.where(present, kept - means[:, None], 0.0)


def _interval(
    shared: Clusters, products: Floats, slope: float, confidence: float, n_resamples: int, seed: int
) -> tuple[Method, Interval]:
    """Of the pooled slope, Σ xy / Σ xx over the conversations."""
    method = shared.method(shared.sums((products[:, 1:] > 0).astype(float))[:, 0])
    if method == "two-way":
        # A ratio of two sums, linearised: what a conversation adds is by how much its xy exceeds what the slope foretells.
        added = (products[:, 0] - slope * products[:, 1]) / products[:, 1].mean()
        return method, shared.two_way(np.array([slope]), added[:, None]).intervals(confidence)[0]
    resampled = shared.resampled(shared.sums(products), n_resamples, np.random.default_rng(seed))
    return method, percentiles(ratio(*resampled.T), confidence)
