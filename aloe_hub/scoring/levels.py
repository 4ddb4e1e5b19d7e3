"""Alignment level, improvement rate and their intervals: a judge's scores in, numbers out. NumPy only.

The scores of N conversations of K turns become one curve, the alignment level `AL(k)`: the mean score of turn k over the
conversations. Its level (`avg`) says how well a policy fits its users, its slope (`ir`, `n_ir`, `r2`) whether it fits them better
as they talk. A missing score is left out and counted, never a number; what is undefined is NaN.

Conversations that share a profile are not independent, so intervals and p come from resampling whole clusters. A cluster enters
only by its sums and counts per turn: all resamples are one matrix product and one call of `curve`.

This file imports nothing of aloe_hub, since the metric on the Hub carries a copy of it. Bad input is a ValueError of one line; in
it conversations and turns are counted from 1, like the lines of a scores file.

Sources: the ALOE paper (arXiv 2410.03642), its definitions of alignment level and improvement rate; RLPA (arXiv 2505.15456),
Table 2, for N-IR and R².
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Conversations = Sequence[Sequence[float | None]] | NDArray[Any]
Interval = tuple[float, float]

UNDEFINED = (float("nan"), float("nan"))
ROWS_AT_A_TIME = 4096  # a block stays in the cache, so that checking a score costs no second trip to memory
WEIGHTS_AT_A_TIME = 1 << 22  # 32 MB


class Curve(NamedTuple):
    """A least-squares line through `AL(k)`, k = 1..K. Each field has the leading shape of the curves."""

    avg: Floats
    ir: Floats
    intercept: Floats
    n_ir: Floats
    r2: Floats


class Plain:
    """What `score` and `compare` return: plain floats and ints. Without resamples what rests on them has its default."""

    dropped: object

    def to_dict(self) -> dict[str, Any]:
        """By name; what rests on resamples only where some were drawn."""
        drawn = self.dropped is not None
        return {name: value for name, value in vars(self).items() if drawn or not hasattr(type(self), name)}


@dataclass(frozen=True)
class Score(Plain):
    """The curve of one policy over K turns, and its intervals (low, high)."""

    al: list[float]
    n: list[int]  # of how many scores each AL(k) is the mean
    avg: float
    ir: float
    intercept: float
    n_ir: float
    r2: float
    missing: int
    al_ci: Sequence[Interval] = ()
    dropped: dict[str, Any] | None = None  # by name, how many resamples had no such value (NaN) and are not in its interval
    avg_ci: Interval = UNDEFINED
    ir_ci: Interval = UNDEFINED
    n_ir_ci: Interval = UNDEFINED
    r2_ci: Interval = UNDEFINED


def score(
    scores: Conversations,
    *,
    cluster_ids: Sequence[Hashable] | None = None,
    scale: tuple[float, float] = (1, 5),
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> Score:
    """The curve of one policy, with percentile bootstrap intervals over clusters.

    Args:
        scores: N conversations of K scores each, None or NaN where one is missing; an (N, K) array is not copied.
        cluster_ids: N ids, as a rule the profile of each persona; without them each conversation is its own cluster.
        scale: the lowest and the highest score there is; `al`, `avg`, `ir` and `intercept` are in its units.
        confidence: of the intervals. One cluster alone gives intervals of no width, which say nothing.
        n_resamples: of the bootstrap; 0 leaves out `dropped` and all that ends in `_ci`.
        seed: the same seed gives the same intervals.

    Raises:
        ValueError: no scores, ragged conversations, a score that is no number or outside the scale, bad settings.

    >>> rlpa = [62.16, 68.92, 70.27, 74.32, 72.97, 74.32, 75.68, 78.38, 77.03, 79.73]
    >>> scored = score([rlpa], scale=(0, 100), n_resamples=0)
    >>> round(scored.avg, 3), round(scored.ir, 3), round(scored.n_ir, 3), round(scored.r2, 3)
    (73.378, 1.581, 0.09, 0.855)
    >>> score([[2, 3, 5], [1, None, 4]]).avg_ci
    (2.5, 3.3333333333333335)
    """
    _check_settings(scale, confidence, n_resamples)
    matrix, totals = _read(scores, scale)
    labels = _labels(cluster_ids, len(matrix))
    al, counts = _al(totals), np.hsplit(totals, 2)[1]
    fit: dict[str, Any] = {name: float(value) for name, value in curve(al)._asdict().items()}
    found: dict[str, Any] = {}
    if n_resamples:
        als = _al(_bootstrap(_by_cluster(matrix, labels), n_resamples, np.random.default_rng(seed)))
        found["al_ci"] = [_interval(turn, confidence) for turn in als.T]
        found["dropped"] = {"al": np.isnan(als).sum(axis=0).tolist()}
        for name, values in curve(als)._asdict().items():
            if name != "intercept":
                found[f"{name}_ci"] = _interval(values, confidence)
                found["dropped"][name] = int(np.isnan(values).sum())
    return Score(al.tolist(), counts.astype(int).tolist(), **fit, missing=matrix.size - int(counts.sum()), **found)


def curve(al: ArrayLike) -> Curve:
    """Fit `AL(k) ~ intercept + ir k` by least squares, for one curve (K,) or for many (..., K) at once.

    A turn without a score (NaN) is left out. `n_ir` is the slope of the curve scaled to [0, 1]; `r2` is the same before and
    after. A constant curve (to 1e-9, relative above 1) has `ir` 0, and neither `n_ir` nor `r2`: they are NaN. Fewer than two
    scored turns have an `avg` at most.

    >>> [round(float(value), 3) for value in curve([2, 3, float("nan"), 5])]
    [3.333, 1.0, 1.0, 0.333, 1.0]
    >>> [float(value) for value in curve([0.5, 0.5, 0.5])]
    [0.5, 0.0, 0.5, nan, nan]
    """
    al = np.asarray(al, dtype=float)
    present = ~np.isnan(al)
    scored = present.sum(axis=-1)
    top = np.max(al, axis=-1, initial=-np.inf, where=present)
    bottom = np.min(al, axis=-1, initial=np.inf, where=present)
    span = top - bottom
    sloped = span > 1e-9 * np.maximum(1, np.maximum(abs(top), abs(bottom)))

    def mean(values: Floats) -> Floats:
        return _ratio(np.where(present, values, 0.0).sum(axis=-1), scored)

    def deviations(values: Floats) -> Floats:
        return np.where(present, values - mean(values)[..., None], 0.0)

    # The scaled curve is fitted, not the raw one: squares of values in [0, 1] neither overflow nor vanish.
    where = present & sloped[..., None]
    scaled = np.divide(al - bottom[..., None], span[..., None], out=np.zeros(al.shape), where=where)
    turns = np.broadcast_to(np.arange(1.0, al.shape[-1] + 1), al.shape)
    x, y = deviations(turns), deviations(scaled)
    xx, xy, yy = (x * x).sum(axis=-1), (x * y).sum(axis=-1), (y * y).sum(axis=-1)
    avg = mean(al)
    n_ir = _ratio(xy, np.where(sloped, xx, 0.0))
    ir = np.where(sloped, n_ir * span, np.where(scored >= 2, 0.0, np.nan))
    return Curve(avg, ir, avg - ir * mean(turns), n_ir, np.minimum(1.0, n_ir * _ratio(xy, yy)))


def _check_settings(scale: tuple[float, float], confidence: float, n_resamples: int) -> None:
    if len(scale) != 2 or not -np.inf < scale[0] < scale[1] < np.inf:
        raise ValueError(f"scale {scale} is not a lowest and a highest score")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} is not between 0 and 1")
    if n_resamples < 0:
        raise ValueError(f"n_resamples {n_resamples} is negative")


def _read(scores: Conversations, scale: tuple[float, float], whose: str = "") -> tuple[NDArray[Any], Floats]:
    """`_matrix` and `_totals`; `whose` scores they are stands before what is wrong with them."""
    try:
        matrix = _matrix(scores)
        return matrix, _totals(matrix, scale)
    except ValueError as error:
        raise ValueError(f"{whose}{error}") from None


def _matrix(scores: Conversations) -> NDArray[Any]:
    """The scores as an (N, K) array of numbers, with NaN for None."""
    if isinstance(scores, np.ndarray) and scores.dtype.kind in "fiu":
        if scores.ndim != 2 or not scores.size:
            raise ValueError(f"scores of shape {scores.shape} are not (conversations, turns), at least one of each")
        return scores
    rows = list(scores)
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list | tuple | np.ndarray):
            raise ValueError(f"conversation {number} is {row!r}, not a list of scores")
        if len(row) != len(rows[0]):
            raise ValueError(f"conversation {number} has {len(row)} turns, conversation 1 has {len(rows[0])}")
    if not rows or not len(rows[0]):
        raise ValueError(f"there is nothing to score: {len(rows)} conversations, no turns")
    kinds = {type(cell) for row in rows for cell in row}  # few, where the scores are many
    odd = {kind for kind in kinds if kind is bool or not issubclass(kind, int | float | np.integer | np.floating | None)}
    for number, row in enumerate(rows if odd else (), 1):
        for turn, cell in enumerate(row, 1):
            if type(cell) in odd:
                raise ValueError(f"score {cell!r} of conversation {number}, turn {turn} is not a number")
    try:
        return np.array(rows, dtype=float)
    except OverflowError:
        raise ValueError("a score is too large to be a number on any scale") from None


def _labels(cluster_ids: Sequence[Hashable] | None, conversations: int) -> NDArray[np.intp] | None:
    """The cluster of each conversation as 0..C-1, in order of appearance."""
    if cluster_ids is None:
        return None
    if len(cluster_ids) != conversations:
        raise ValueError(f"there are {len(cluster_ids)} cluster ids for {conversations} conversations")
    index: dict[Hashable, int] = {}
    labels = np.array([index.setdefault(cluster, len(index)) for cluster in cluster_ids])
    if None in index:
        raise ValueError(f"the cluster id of conversation {np.argmax(labels == index[None]) + 1} is missing")
    return labels


def _totals(matrix: NDArray[Any], scale: tuple[float, float]) -> Floats:
    """The sums of the turns, then their counts: (2 K,); a score outside the scale is an error."""
    low, high = scale
    sums, counts = np.zeros((2, matrix.shape[1]))
    for start in range(0, len(matrix), ROWS_AT_A_TIME):
        block = matrix[start : start + ROWS_AT_A_TIME]
        present = (block >= low) & (block <= high)
        fine = present | np.isnan(block)
        if not fine.all():
            row, turn = np.argwhere(~fine)[0]
            place = f"conversation {start + row + 1}, turn {turn + 1}"
            raise ValueError(f"score {block[row, turn]} of {place} is outside the scale ({low}, {high})")
        # A product with ones: summing down columns as short as K is several times slower.
        ones = np.ones(len(block))
        sums += ones @ np.where(present, block, 0.0)
        counts += ones @ present
    return np.hstack([sums, counts])


def _by_cluster(matrix: NDArray[Any], labels: NDArray[np.intp] | None) -> Floats:
    """The sums of each cluster, then its counts, by turn: (C, 2 K)."""
    present = ~np.isnan(matrix)
    table = np.hstack([np.where(present, matrix, 0.0), present])
    if labels is None:
        return table
    return np.stack([np.bincount(labels, weights=column) for column in table.T], axis=1)


def _bootstrap(table: Floats, n_resamples: int, rng: np.random.Generator) -> Floats:
    """Totals of C clusters drawn out of C with replacement, `n_resamples` times: (R, columns)."""
    clusters = len(table)
    even = np.full(clusters, 1 / clusters)
    return _weighted(table, n_resamples, lambda size: rng.multinomial(clusters, even, size))


def _weighted(table: Floats, n_resamples: int, draw: Callable[[int], NDArray[np.int64]]) -> Floats:
    """Weights (R, C) times table (C, columns), block by block: the weights of many clusters fill the memory."""
    size = max(1, WEIGHTS_AT_A_TIME // len(table))
    sizes = [min(size, n_resamples - start) for start in range(0, n_resamples, size)]
    return np.concatenate([draw(size).astype(float) @ table for size in sizes])


def _interval(values: Floats, confidence: float) -> Interval:
    kept = values[~np.isnan(values)]
    low, high = np.quantile(kept, [(1 - confidence) / 2, (1 + confidence) / 2]) if len(kept) else (np.nan, np.nan)
    return float(low), float(high)


def _al(totals: Floats) -> Floats:
    return _ratio(*np.split(totals, 2, axis=-1))


def _ratio(above: Floats, below: NDArray[Any]) -> Floats:
    """NaN where there is nothing below."""
    out: Floats = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return out
