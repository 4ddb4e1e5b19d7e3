"""A judge that is biased on purpose: `scripted:biased?position=.3&length=.1&leak=.2&noise=.5&blind=1`.

Known faults are what an audit of judges is tested against. It sees what the world's judge sees. One point is one logit:

    score       the judge's, + length x words / 10 + leak x facts that the user has not told + noise x z
    P(first)    logistic(difference of the two scores before noise + position + noise x z)

with z drawn anew, from a normal distribution, for every score and every verdict. A verdict is drawn by that probability: it is a
noisy judge even without `noise`, and never says tie. `blind`: it does not see the persona, and judges the topic and the writing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import Self

from aloe_hub.world.judging import Judgement
from aloe_hub.world.options import Known, read

MOST = 10.0  # logits
KNOWN: Known = {
    "position": (-MOST, MOST),
    "length": (-MOST, MOST),
    "leak": (-MOST, MOST),
    "noise": (0.0, MOST),
    "blind": ("0", "1"),
}


@dataclass(frozen=True, slots=True)
class Biases:
    """In logits, or points: `position` for the reply shown first, `length` per 10 words, `leak` per fact, `noise` a standard
    deviation."""

    position: float = 0.0
    length: float = 0.0
    leak: float = 0.0
    noise: float = 0.0
    blind: bool = False

    @classmethod
    def read(cls, options: Iterable[tuple[str, str]]) -> Self:
        """Raises: UsageError: an option or a value that there is not.

        >>> Biases.read([("position", ".3"), ("blind", "1")])
        Biases(position=0.3, length=0.0, leak=0.0, noise=0.0, blind=True)
        """
        found = read("biased", options, KNOWN)
        return cls(**(found | {"blind": found.get("blind") == "1"}))

    def scored(self, found: Judgement, random: Random) -> Judgement:
        """What this judge makes of what the world's judge found."""
        seen = self._seen(found)
        return replace(seen, bias=seen.bias + self.noise * random.gauss(0, 1))

    def first_wins(self, first: Judgement, second: Judgement, random: Random) -> bool:
        gap = sum(sign * (seen.score_before + seen.bias) for sign, seen in ((1, self._seen(first)), (-1, self._seen(second))))
        logit = gap + self.position + self.noise * random.gauss(0, 1)
        return random.random() < 1 / (1 + math.exp(-logit))

    def _seen(self, found: Judgement) -> Judgement:
        bias = self.length * found.words / 10 + self.leak * found.unrevealed
        if self.blind:
            found = replace(found, fitting=0, contradictions=0, unrevealed=0, irrelevant=0, style=0.0, useful=1.0)
        return replace(found, bias=bias)
