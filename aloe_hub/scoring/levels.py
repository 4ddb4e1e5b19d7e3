"""Alignment level, improvement rate and their intervals: a judge's scores in, numbers out.

The scores of N conversations of K turns become one curve, the alignment level `AL(k)`: the mean score of turn k over the
conversations. Its level (`avg`) says how well a policy fits its users, its slope (`ir`, `n_ir`, `r2`) whether it fits them better
as they talk. A missing score is left out and counted, never a number; what is undefined is NaN.

Conversations that share a profile or a personality are not independent: clusters.py says what follows for the intervals. There a
cluster, or a cell, enters only by its sums and counts per turn: all resamples are one matrix product and one call of `curve`.

This file imports nothing of aloe_hub but its neighbours clusters.py and matrix.py, since the metric on the Hub carries copies of
the three.

Sources: the ALOE paper (arXiv 2410.03642), its definitions of alignment level and improvement rate; RLPA (arXiv 2505.15456),
Table 2, for N-IR and R².
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

try:
    from .clusters import Floats, Ids, Interval, Method, TwoWay, clusters, percentiles
    from .matrix import Conversations, Leavers, al_of, check_settings, of_one_length, ratio, read
except ImportError:  # the page of the metric Space, where the copies lie in no package
    from clusters import Floats, Ids, Interval, Method, TwoWay, clusters, percentiles  # type: ignore[import-not-found, no-redef]
    from matrix import Conversations, Leavers, al_of, check_settings, of_one_length, ratio, read  # type: ignore[import-not-found, no-redef]

UNDEFINED = (float("nan"), float("nan"))


class Curve(NamedTuple):
    """A least-squares line through `AL(k)`, k = 1..K. Each field has the leading shape of the curves."""

    avg: Floats
    ir: Floats
    intercept: Floats
    n_ir: Floats
    r2: Floats


class Plain:
    """What `score` and `compare` return: plain floats and ints. Without intervals what goes with them has its default."""

    method: object

    def to_dict(self) -> dict[str, Any]:
        """By name; what goes with intervals only where they were asked for, and None never."""
        given = vars(self) if self.method else {name for name in vars(self) if not hasattr(type(self), name)}
        return {name: value for name, value in vars(self).items() if name in given and value is not None}


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
    ceiling: float  # share of the scores that are the highest there is
    al_ci: Sequence[Interval] = ()
    dropped: dict[str, Any] | None = None  # by name, how many resamples had no such value (NaN) and are not in its interval
    avg_ci: Interval = UNDEFINED
    ir_ci: Interval = UNDEFINED
    n_ir_ci: Interval = UNDEFINED
    r2_ci: Interval = UNDEFINED
    method: Method | None = None  # of the intervals of al, avg and ir; those of n_ir and r2 are resampled by the same clusters
    over: dict[str, int] | None = None  # how many clusters of which kind
    components: dict[str, dict[str, float]] | None = None  # two-way: the variances of avg and of ir in one conversation


def score(
    scores: Conversations,
    *,
    cluster_ids: Ids | None = None,
    personality_ids: Ids | None = None,
    scale: tuple[float, float] = (1, 5),
    confidence: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
    early_leavers: Leavers | None = None,
    fewest: int = 1,
) -> Score:
    """The curve of one policy, with its intervals over clusters.

    With one id they are percentile bootstraps. With both they are two-way: t intervals for `al`, `avg` and `ir`, those of
    `al` and `avg` cut at the ends of the scale, and pigeonhole bootstraps for `n_ir` and `r2`, or for all where cells are
    too unequally filled. `method` says which.

    Args:
        scores: N conversations of K scores each, None or NaN where one is missing; an (N, K) array is not copied.
        cluster_ids: N ids, as a rule the profile of each persona; without them each conversation is its own cluster.
        personality_ids: N ids of a second kind that crosses the first, as a rule the personality of each persona.
        scale: the lowest and the highest score there is; `al`, `avg`, `ir` and `intercept` are in its units.
        confidence: of the intervals. One cluster alone gives intervals of no width, which say nothing.
        n_resamples: of the bootstrap; 0 leaves out `dropped`, all that ends in `_ci`, and what tells of it.
        seed: the same seed gives the same intervals.
        early_leavers: of conversations that end earlier than others, which are an error without it. "stayed": AL(k) is the mean
            over those who were still there; "carried": the last score of those who had left counts on.
        fewest: turns with fewer scores have an AL(k), and are in none of the other numbers.

    Raises:
        ValueError: no scores, ragged conversations, a score that is not a number or is outside the scale, bad settings.

    >>> rlpa = [62.16, 68.92, 70.27, 74.32, 72.97, 74.32, 75.68, 78.38, 77.03, 79.73]
    >>> scored = score([rlpa], scale=(0, 100), n_resamples=0)
    >>> round(scored.avg, 3), round(scored.ir, 3), round(scored.n_ir, 3), round(scored.r2, 3)
    (73.378, 1.581, 0.09, 0.855)
    >>> score([[2, 3, 5], [1, None, 4]]).avg_ci
    (2.5, 3.3333333333333335)
    """
    check_settings(scale, confidence, n_resamples, seed)
    given_by_turn, missing = None, None
    if early_leavers is not None:
        scores, given_by_turn, missing = of_one_length(scores, early_leavers)
    matrix, totals = read(scores, scale)
    shared = clusters(cluster_ids, personality_ids, len(matrix))
    counts = np.hsplit(totals, 2)[1]
    counted = (counts if given_by_turn is None else given_by_turn) >= fewest
    fit = curve(np.where(counted, al_of(totals), np.nan))
    given = int(counts.sum())
    at_the_top = float(np.count_nonzero(matrix == scale[1])) / given if given else float("nan")
    line: dict[str, Any] = {name: float(value) for name, value in fit._asdict().items()}
    result = Score(
        al_of(totals).tolist(),
        counts.astype(int).tolist(),
        **line,
        missing=matrix.size - given if missing is None else missing,
        ceiling=at_the_top,
    )
    if not n_resamples:
        return result
    sums = shared.sums(scores_and_presence(matrix))
    als = al_of(shared.resampled(sums, n_resamples, np.random.default_rng(seed)))
    method = shared.method(np.hsplit(sums, 2)[1].sum(axis=1))
    fits = curve(np.where(counted, als, np.nan))._asdict()
    resampled, dropped = ["n_ir", "r2"], {}
    if method == "two-way":
        estimates = np.array([*result.al, result.avg, result.ir])
        found = _two_way(shared.two_way(estimates, linear(matrix, totals, counted)), shared.over, scale, confidence)
    else:
        found = {"al_ci": [percentiles(turn, confidence) for turn in als.T]}
        resampled, dropped = ["avg", "ir", *resampled], {"al": np.isnan(als).sum(axis=0).tolist()}
    found |= {f"{name}_ci": percentiles(fits[name], confidence) for name in resampled}
    dropped |= {name: int(np.isnan(fits[name]).sum()) for name in resampled}
    return replace(result, **found, dropped=dropped, method=method, over=dict(shared.over))


def _two_way(found: TwoWay, kinds: Iterable[str], scale: tuple[float, float], confidence: float) -> dict[str, Any]:
    """t intervals and variance components of AL(k), AVG and IR, which `found` holds in this order."""
    *levels, ir_ci = found.intervals(confidence)
    *al_ci, avg_ci = ((max(low, scale[0]), min(high, scale[1])) for low, high in levels)
    names = (*kinds, "rest")
    components = {name: dict(zip(names, found.components(at), strict=True)) for name, at in (("avg", -2), ("ir", -1))}
    return {"al_ci": al_ci, "avg_ci": avg_ci, "ir_ci": ir_ci, "components": components}


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
        return ratio(np.where(present, values, 0.0).sum(axis=-1), scored)

    def deviations(values: Floats) -> Floats:
        return np.where(present, values - mean(values)[..., None], 0.0)

    # The scaled curve is fitted, not the raw one: squares of values in [0, 1] neither overflow nor vanish.
    where = present & sloped[..., None]
    scaled = np.divide(al - bottom[..., None], span[..., None], out=np.zeros(al.shape), where=where)
    turns = np.broadcast_to(np.arange(1.0, al.shape[-1] + 1), al.shape)
    x, y = deviations(turns), deviations(scaled)
    xx, xy, yy = (x * x).sum(axis=-1), (x * y).sum(axis=-1), (y * y).sum(axis=-1)
    avg = mean(al)
    n_ir = ratio(xy, np.where(sloped, xx, 0.0))
    ir = np.where(sloped, n_ir * span, np.where(scored >= 2, 0.0, np.nan))
    return Curve(avg, ir, avg - ir * mean(turns), n_ir, np.minimum(1.0, n_ir * ratio(xy, yy)))


def scores_and_presence(matrix: NDArray[Any]) -> Floats:
    """The scores with 0 for the missing ones, and beside them 1 where there is one: (N, 2 K)."""
    present = ~np.isnan(matrix)
    return np.hstack([np.where(present, matrix, 0.0), present])


def linear(matrix: NDArray[Any], totals: Floats, counted: NDArray[Any] | bool = True) -> Floats:
    """What each conversation adds to AL(k), AVG and IR, (N, K + 2): their means over the conversations are 0.

    Without missing scores a line is the conversation's own AL(k), AVG and IR, less those of all. A missing score adds nothing,
    and those that are there count for more. counted: which turns are in AVG and IR.
    """
    al, counts = al_of(totals), np.hsplit(totals, 2)[1]
    added = np.where(np.isnan(matrix), 0.0, (matrix - al) * ratio(np.full(al.shape, float(len(matrix))), counts))
    scored = 1.0 * ((counts > 0) & counted)
    turns = np.arange(1.0, len(al) + 1)
    # Where no turn, or one, has a score, AVG or IR is undefined, whatever is added to it.
    x = scored * (turns - turns @ scored / max(1.0, scored.sum()))
    of_avg, of_ir = scored / max(1.0, scored.sum()), x / (x @ x or 1.0)
    return np.hstack([added, added @ np.stack([of_avg, of_ir], axis=1)])
