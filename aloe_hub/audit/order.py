"""What two orders tell of a judge: how far it leans to the reply shown first, and how much of its labels is noise.

Where a judge says "the first" with probability logistic(d + γ) in one order and logistic(-d + γ) in the other, then

    P(the first shown wins both times) / P(the second shown wins both times) = exp(2 γ),   whatever d is.

So γ = ½ ln((FF + ½) / (SS + ½)) needs nothing but the counts of disagreements. Among them FF is binomial with p = logistic(2 γ),
and an interval of p is one of γ. Declared ties are left out.

Noise: with an error e of a single verdict and independent errors, the two orders disagree in a share D = 2 e (1 - e), and where
they agree they are both wrong in ε = e² / (e² + (1 - e)²). Leaning adds disagreements, by cosh γ, which are taken out first:
without it there would be 2 √(FF SS) of them beside as many agreements. Errors that both orders share, as of a judge who likes
length, are not seen, so ε is a *lower* bound of the share of wrong labels. At D of ½ and above it is undefined: that is guessing.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from aloe_hub.audit.measured import NAN, RESAMPLES, Floats, Measured, places
from aloe_hub.scoring.clusters import percentiles

Choices = tuple[int | None, int | None]  # of a reply: first shown in order "01", first shown second in order "10"


@dataclass(frozen=True, slots=True)
class Orders:
    """How forks came out: the first shown won both times, the second did, the same reply did; a tie was said, or nothing."""

    first: int
    second: int
    agree: int
    undecided: int

    @property
    def disagree(self) -> float:
        """Share of the forks with two choices in which the orders disagree."""
        both = self.first + self.second + self.agree
        return (self.first + self.second) / both if both else NAN


def counted(choices: Sequence[Choices]) -> Orders:
    """
    >>> counted([(0, 1), (0, 0), (1, 0), (None, 1)])
    Orders(first=1, second=1, agree=1, undecided=1)
    """
    first, second = choices.count((0, 1)), choices.count((1, 0))
    agree = choices.count((0, 0)) + choices.count((1, 1))
    return Orders(first, second, agree, len(choices) - first - second - agree)


def position_bias(found: Orders, confidence: float = 0.95) -> Measured:
    """γ in logits, above 0 for the reply shown first, with the interval of Jeffreys (Brown, Cai and DasGupta 2001).

    >>> round(position_bias(Orders(30, 10, 100, 0)).value, 3)
    0.533
    """
    value = 0.5 * math.log((found.first + 0.5) / (found.second + 0.5))
    of_p = stats.beta(found.first + 0.5, found.second + 0.5)
    low, high = (0.5 * math.log(p / (1 - p)) for p in of_p.ppf([(1 - confidence) / 2, (1 + confidence) / 2]))
    return Measured(value, (low, high))


def label_noise(
    choices: Sequence[Choices],
    clusters: Sequence[Hashable],
    *,
    confidence: float = 0.95,
    n_resamples: int = RESAMPLES,
    seed: int = 0,
) -> Measured:
    """The lower bound of ε, with a bootstrap over the clusters; draws with no more agreement than guessing count as ½."""
    of = places(clusters)
    kinds = [[pair in ((0, 0), (1, 1)), pair == (0, 1), pair == (1, 0)] for pair in choices]
    table = np.array([np.bincount(of, weights=column) for column in np.array(kinds, dtype=float).T]).T
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(len(table), np.full(len(table), 1 / len(table)), n_resamples)
    draws = _epsilon(weights @ table)
    (value,) = _epsilon(table.sum(axis=0)[None])
    interval = percentiles(draws, confidence)
    return Measured(NAN if value >= 0.5 else float(value), interval)


def _epsilon(counts: Floats) -> Floats:
    """Of (R, 3) counts of agreements, FF and SS; NaN where there are none, ½ where the orders agree no more than by chance."""
    agree, first, second = counts.T
    apart = 2 * np.sqrt(first * second)
    both = agree + apart
    share = np.divide(apart, both, out=np.full(len(both), NAN), where=both > 0)
    e = (1 - np.sqrt(np.maximum(0, 1 - 2 * share))) / 2
    out: Floats = e**2 / (e**2 + (1 - e) ** 2)
    return out
