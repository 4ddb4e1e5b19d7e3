"""A measure with its interval, and how intervals are made here.

Replies to one person resemble each other, so what is counted as drawn are clusters: the people, or the profiles of personas.
Means and slopes get the interval of the cluster-robust variance and Student's t with one degree of freedom less than there are
clusters, which holds with few of them; what is no mean gets a percentile bootstrap over whole clusters.

Where values have bounds, as shares and ranks have, the interval is of the logit of where the mean lies between them (delta
method). It stays between them, and holds near them, too: a t interval that is merely cut off there holds too seldom.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from aloe_hub.scoring.clusters import percentiles

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

RESAMPLES = 1000
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Measured:
    """A measure and its interval; NaN where it is undefined, as a correlation of scores that are all equal is."""

    value: float
    interval: tuple[float, float] = (NAN, NAN)

    def to_dict(self) -> dict[str, Any]:
        low, high = map(finite, self.interval)
        return {"value": finite(self.value), "interval": None if low is None or high is None else [low, high]}


def mean(
    values: Sequence[float] | Floats, clusters: Places, confidence: float = 0.95, *, within: tuple[float, float] | None = None
) -> Measured:
    """The mean of (N,) values, those of one cluster resembling each other. within: the least and the most that a value can be.

    >>> mean([0.0, 1.0, 1.0, 2.0], np.array([0, 0, 1, 1])).value
    1.0
    """
    return slope(np.ones(len(values)), values, clusters, confidence, within=within)


def share(values: Sequence[float] | Floats, clusters: Places, confidence: float = 0.95) -> Measured:
    """The mean of values between 0 and 1."""
    return mean(values, clusters, confidence, within=(0, 1))


def slope(
    x: Sequence[float] | Floats,
    y: Sequence[float] | Floats,
    clusters: Places,
    confidence: float = 0.95,
    *,
    within: tuple[float, float] | None = None,
) -> Measured:
    """Of the line through the origin, y = b x. Undefined where x is 0 throughout; no interval with a single cluster.

    within: the least and the most that a y can be, for x that are not below 0.
    """
    xs, ys = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    total = float((xs * xs).sum())
    if not total:
        return Measured(NAN)
    b = float((xs * ys).sum() / total)
    added = np.bincount(clusters, weights=xs * (ys - b * xs))
    groups = len(np.unique(clusters))
    if groups < 2:
        return Measured(b)
    error = float(np.sqrt(groups / (groups - 1) * (added**2).sum())) / total
    reach = float(stats.t.ppf((1 + confidence) / 2, groups - 1)) * error
    if within is None:
        return Measured(b, (b - reach, b + reach))
    low, high = (float(bound * xs.sum() / total) for bound in within)
    return Measured(b, _inside(b, reach, low, high))


def _inside(middle: float, reach: float, low: float, high: float) -> tuple[float, float]:
    """An interval around `middle` that stays between two bounds, by the logit of where `middle` lies between them."""
    place = (middle - low) / (high - low)
    if not reach or not 0 < place < 1:  # at a bound nothing varies
        return middle, middle
    apart = reach / (high - low) / (place * (1 - place))
    below, above = (low + (high - low) * float(special.expit(special.logit(place) + side * apart)) for side in (-1, 1))
    return below, above


def bootstrapped(
    statistic: Callable[[Places], float],
    clusters: Places,
    *,
    confidence: float = 0.95,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Measured:
    """A statistic of rows, given by their places. Draws in which it is undefined are left out of the interval."""
    draws = [statistic(kept) for kept in resamples(clusters, n_resamples, seed)]
    return Measured(statistic(np.arange(len(clusters))), percentiles(np.array(draws), confidence))


def resamples(clusters: Places, n_resamples: int, seed: int) -> Iterator[Places]:
    """The rows of as many clusters as there are, drawn with replacement."""
    order, sizes = np.argsort(clusters, kind="stable"), np.bincount(clusters)
    rows = None if (sizes == 1).all() else np.split(order, np.cumsum(sizes)[:-1])
    rng = np.random.default_rng(seed)
    for _ in range(n_resamples):
        drawn = rng.integers(len(sizes), size=len(sizes))
        yield order[drawn] if rows is None else np.concatenate([rows[place] for place in drawn])


def places(ids: Sequence[Hashable]) -> Places:
    """Each id as 0..C-1, in order of appearance."""
    index: dict[Hashable, int] = {}
    return np.array([index.setdefault(one, len(index)) for one in ids], dtype=np.intp)


def finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def plain(value: Any) -> Any:  # noqa: ANN401 - whatever a finding holds
    """Findings as JSON can hold them: measures as dicts, what is undefined as null."""
    if isinstance(value, Measured):
        return value.to_dict()
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return finite(float(value)) if isinstance(value, float | np.floating) else value
