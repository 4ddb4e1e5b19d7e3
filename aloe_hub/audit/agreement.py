"""How far a judge's scores agree with people's: the usual measures, each with its interval.

Each measure answers another question. RMSE: how far off is a score? Pearson, Spearman, Kendall: does the judge put first what
people put first? Quadratic κ and Krippendorff's α: both, beyond what chance gives; they want scores on one discrete scale.

Intervals are percentile bootstraps over people where they are known, since the scores of one person resemble each other, and
else over items.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from aloe_hub.audit.libraries import library
from aloe_hub.audit.measured import RESAMPLES, Floats, Places, bootstrapped, places, plain
from aloe_hub.audit.measured import Measured as Measured
from aloe_hub.results.audited import AGREEMENT

MOST_DRAWN, FEWEST_RESAMPLES = 20_000_000, 100  # pairs drawn in all resamples together, so that a million of them have an end
MOST_STEPS = 11  # a scale of more whole numbers than 0 to 10 is as good as a continuous one


@dataclass(frozen=True, slots=True)
class Agreement:
    """n: pairs of scores. over: of what the intervals are, and how many. None: a measure that is not for this kind of scores."""

    n: int
    items: int
    over: tuple[str, int]
    measures: Mapping[str, Measured | None]  # by the names of `AGREEMENT`

    def to_dict(self) -> dict[str, Any]:
        over, how_many = self.over
        return {"n": self.n, "items": self.items, "intervals_over": {over: how_many}, **plain(dict(self.measures))}


def agreement(
    human: Sequence[float],
    judge: Sequence[float],
    *,
    items: Sequence[Hashable] | None = None,
    raters: Sequence[Hashable] | None = None,
    confidence: float = 0.95,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Agreement:
    """How far `judge` agrees with `human`, pair by pair.

    Args:
        human, judge: (N,) scores of the same things, finite.
        items: (N,) what was scored, where one thing has several scores; by default each pair is of another.
        raters: (N,) who gave the human score; then intervals are over people.
        n_resamples: at most; of more than 20,000 pairs it is fewer, down to 100.

    Returns:
        The measures of `AGREEMENT`. κ is Cohen's with quadratic weights, pair by pair. α is Krippendorff's for ordinal scores,
        pair by pair too. Both are None unless all scores are whole numbers of one scale of at most 11 steps.

    Raises:
        ValueError: fewer than two pairs, or sequences of different lengths.

    Sources: Cohen 1968; Krippendorff 2004, chapter 11 (the package `krippendorff`); LLM-Rubric (arXiv 2501.00274) reports the
    first four.

    >>> found = agreement([1, 2, 3, 4], [1, 2, 3, 3])
    >>> round(found.measures["kendall"].value, 3), round(found.measures["kappa"].value, 3)
    (0.913, 0.875)
    """
    y, x = np.asarray(human, dtype=float), np.asarray(judge, dtype=float)
    if len(y) < 2:
        raise ValueError(f"{len(y)} pair(s) of scores; agreement needs at least two")
    if not len(y) == len(x) == len(items if items is not None else y) == len(raters if raters is not None else y):
        raise ValueError("human, judge, items and raters must be equally long")
    things = np.arange(len(y)) if items is None else places(items)
    people = None if raters is None else places(raters)
    over, of_pair = ("items", things) if people is None or people.max() == 0 else ("people", people)
    draws = min(n_resamples, max(FEWEST_RESAMPLES, MOST_DRAWN // len(y)))
    found: dict[str, Measured | None] = dict.fromkeys(AGREEMENT)
    for name, measure in _measures(discrete=is_discrete(y, x)).items():

        def of(kept: Places, measure: Callable[[Floats, Floats], float] = measure) -> float:
            return measure(y[kept], x[kept])

        found[name] = bootstrapped(of, of_pair, confidence=confidence, n_resamples=draws, seed=seed)
    return Agreement(len(y), int(things.max()) + 1, (over, int(of_pair.max()) + 1), found)


def is_discrete(*scores: Floats) -> bool:
    """Whether all are whole numbers of one scale of few steps.

    >>> is_discrete(np.array([1.0, 4.0]), np.array([2.0])), is_discrete(np.array([1.5, 2.0]))
    (True, False)
    """
    values = np.concatenate(scores)
    return bool((values == np.round(values)).all() and np.ptp(values) < MOST_STEPS)


def _measures(*, discrete: bool) -> dict[str, Callable[[Floats, Floats], float]]:
    """Each measure as a function of people's scores and the judge's."""
    found: dict[str, Callable[[Floats, Floats], float]] = {
        "rmse": lambda y, x: float(np.sqrt(np.mean((x - y) ** 2))),
        "pearson": _pearson,
        "spearman": lambda y, x: _pearson(stats.rankdata(y), stats.rankdata(x)),
        "kendall": _kendall,
    }
    return found | {"kappa": _kappa, "alpha": _alpha} if discrete else found


def _pearson(y: Floats, x: Floats) -> float:
    return float(np.corrcoef(y, x)[0, 1]) if np.ptp(y) and np.ptp(x) else float("nan")


def _kendall(y: Floats, x: Floats) -> float:
    # Of many, the exact p value, of which nothing is made here, takes longer than the rest.
    return float(stats.kendalltau(y, x, method="asymptotic" if len(y) > 10 else "auto").statistic)


def _kappa(y: Floats, x: Floats) -> float:
    """Cohen's with quadratic weights: 1 less the mean squared difference over that of pairs put together by chance."""
    by_chance = y.var() + x.var() + (y.mean() - x.mean()) ** 2
    return float(1 - np.mean((y - x) ** 2) / by_chance) if by_chance else float("nan")


def _alpha(y: Floats, x: Floats) -> float:
    """Krippendorff's, ordinal, of two coders."""
    krippendorff = library("krippendorff")
    values = np.unique(np.concatenate((y, x)))
    if len(values) < 2:
        return float("nan")
    # The library counts so, too, and takes five times as long.
    counts = (y[:, None] == values).astype(int) + (x[:, None] == values)
    return float(krippendorff.alpha(value_counts=counts, value_domain=values, level_of_measurement="ordinal"))
