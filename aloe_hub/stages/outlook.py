"""What is to be expected of a pool: said before anybody is asked, and early while it grows.

The share of the candidates that are kept only falls as a pool grows. So a pool that keeps next to nothing is about to end, and
every further round is paid for in vain.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from aloe_hub.embedding import Embedder
from aloe_hub.errors import UsageError
from aloe_hub.stages.dedup import Decision, Kept, calibrated, nearest_in, sift

FEW = 0.1  # of the candidates of two rounds
QUANTILES = (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1)
THRESHOLDS = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
log = logging.getLogger("aloe_hub")


class Outlook:
    """Says once, and early, that a pool is going to end short of its target; `option` sets its threshold."""

    def __init__(self, name: str, option: str, target: int, threshold: float) -> None:
        self.name, self.option, self.target, self.threshold = name, option, target, threshold
        self._rounds: list[Sequence[Decision]] = []
        self._told = False

    def add(self, decisions: Sequence[Decision], left: int) -> None:
        """Count a round, after which `left` texts are missing."""
        self._rounds.append(decisions)
        last = [decision for some in self._rounds[-2:] for decision in some]
        kept = sum(decision.kept for decision in last)
        if self._told or len(self._rounds) < 2 or not last or kept >= FEW * len(last) or left <= kept:
            return
        self._told = True
        nearest = [decision.nearest for some in self._rounds for decision in some if decision.nearest is not None]
        log.warning(
            "%s: the last two rounds kept %d of %d candidates at %s %g, and %d of %d are still missing: the pool will end short. "
            "Half of the candidates so far were as close as %.2f to what was kept; stop here, and begin another --run folder "
            "with a higher threshold, fewer %s or another model",
            self.name,
            kept,
            len(last),
            self.option,
            self.threshold,
            left,
            self.target,
            math.ceil(median(nearest) * 100) / 100,
            self.name,
        )


@dataclass(frozen=True, slots=True)
class Similarities:
    """How alike some texts are by an embedder, and what thresholds would make of them.

    quantiles: at `QUANTILES`, of each text's similarity to the nearest other one.
    calibrated: the threshold for a pool of the wanted size of such texts; None where there are too few.
    kept: (threshold, how many of the texts pass when they come in their order).
    """

    texts: int
    quantiles: tuple[float, ...]
    calibrated: float | None
    kept: tuple[tuple[float, int], ...]


def similarities(texts: Sequence[str], embedder: Embedder, size: int, *further: float | None) -> Similarities:
    """Measure some texts, at `THRESHOLDS`, at the calibrated one and at `further` ones.

    Raises:
        UsageError: a single text, or none.
    """
    if len(texts) < 2:
        raise UsageError(f"{len(texts)} texts: give at least 2, for similarity is one of pairs")
    vectors = embedder(texts)
    own = calibrated(vectors, size) if len(texts) > 2 else None
    thresholds = sorted({*THRESHOLDS, *(one for one in (own, *further) if one is not None)})
    kept = tuple((one, sum(decision.kept for decision in sift(Kept(), texts, vectors, one))) for one in thresholds)
    return Similarities(len(texts), tuple(np.quantile(nearest_in(vectors), QUANTILES).tolist()), own, kept)
