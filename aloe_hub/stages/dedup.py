"""The semantic filter of the persona pool (paper, section 2.1): a candidate too close to what is kept is refused.

Every text is embedded once in its life; the released code embeds the whole pool again for every candidate. The search
is exact: a pool of 100,000 texts is 154 MB of float32 and takes milliseconds a candidate, so an approximate index would
buy nothing and cost decisions that nobody can repeat.

Decisions do not depend on how the texts are batched. Two things could make them, and both were measured (331 profiles,
all-MiniLM-L6-v2, CPU):

* padding: batches of 8, 32 and 128 move a cosine by up to 4.8e-7 (an entry of a vector by 1.5e-7) against texts embedded
  alone, and two threads an entry by 1.3e-7. Batches are hardly faster on a CPU (17 ms a text at 32, 19 ms alone), so
  texts are embedded alone, on one thread: the same text has the same bits in any company;
* the shapes of blocks in the matrix product: up to 4.8e-7 in float32. So the product is taken in float64, and rounded
  to 6 decimals before anything is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from aloe_hub.embedding import Vectors
from aloe_hub.errors import UsageError
from aloe_hub.text import identity

DECIMALS = 6
HIGHEST = 0.95  # of a calibrated threshold: what is closer says the same in other words
BLOCK = 2048  # rows of the pool compared at a time: with 256 queries, 4 MB of similarities


class Kept:
    """The texts kept so far, in the order they came, and their unit vectors."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._rows: Vectors = np.empty((0, 0), dtype=np.float32)
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self.texts)

    def find(self, text: str) -> int | None:
        """Where a text stands that a reader cannot tell from this one."""
        return self._places.get(identity(text))

    def add(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Keep texts, unfiltered, with their (n, d) vectors."""
        if len(texts) != len(vectors):
            raise ValueError(f"{len(texts)} texts but {len(vectors)} vectors")
        if not len(texts):
            return
        start, end = len(self.texts), len(self.texts) + len(texts)
        if end > len(self._rows):
            # Doubling: n texts are copied O(n) times in all, however they come in.
            grown = np.empty((max(end, 2 * len(self._rows)), vectors.shape[1]), dtype=np.float32)
            if start:
                grown[:start] = self._rows[:start]
            self._rows = grown
        self._rows[start:end] = vectors
        self.texts.extend(texts)
        for place, text in enumerate(texts, start):
            self._places.setdefault(identity(text), place)

    def nearest(self, vectors: Vectors, *, first: int = 0, block: int = BLOCK) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        """For each of n vectors the highest cosine similarity to the kept texts from `first` on, and where it stands.

        Similarities are rounded to 6 decimals; the earliest text wins a tie. Nothing to compare with: -inf and -1.
        Memory is for one block against 256 vectors (19 MB at 384 dimensions), however many vectors and texts there are.
        """
        highest = np.full(len(vectors), -np.inf)
        places = np.full(len(vectors), -1, dtype=np.intp)
        for start in range(first, len(self), block):
            rows = self._rows[start : min(start + block, len(self))].astype(np.float64)
            for some in (slice(at, at + 256) for at in range(0, len(vectors), 256)):
                similar = np.round(vectors[some].astype(np.float64) @ rows.T, DECIMALS)
                place = similar.argmax(axis=1)
                best = np.take_along_axis(similar, place[:, None], axis=1)[:, 0]
                better = best > highest[some]
                highest[some][better] = best[better]
                places[some][better] = start + place[better]
        return highest, places


def nearest_in(vectors: Vectors) -> NDArray[np.float64]:
    """For each of n unit vectors the highest cosine similarity to another one of them; -inf where there is none."""
    similar = _similarities(vectors)
    np.fill_diagonal(similar, -np.inf)
    highest: NDArray[np.float64] = similar.max(axis=1, initial=-np.inf)
    return highest


def calibrated(vectors: Vectors, size: int) -> float:
    """The threshold for a pool of `size` texts like these, to 2 decimals, by the (n, d) vectors that their embedder gives.

    The more texts there are, the closer the nearest of them: in a pool of N, as close as the closest of N pairs. That quantile,
    1 - 1/N, is read off a normal curve through the median and the 90% quantile of the pairs at hand, which may be few. So the
    threshold lets most of the texts of a full pool pass, and nearly all of a pool that is still small.
    """
    if len(vectors) < 3:
        raise UsageError(f"{len(vectors)} texts are too few to calibrate a threshold; give one by hand")
    pairs = _similarities(vectors)[np.triu_indices(len(vectors), 1)]
    middle, upper = np.quantile(pairs, [0.5, 0.9])
    spread = (upper - middle) / NormalDist().inv_cdf(0.9)
    return round(float(min(middle + spread * NormalDist().inv_cdf(1 - 1 / max(size, 3)), HIGHEST)), 2)


def _similarities(vectors: Vectors) -> NDArray[np.float64]:
    """(n, n) cosine similarities, as the filter rounds them."""
    exact = vectors.astype(np.float64)
    return np.round(exact @ exact.T, DECIMALS)


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of a candidate; its highest similarity to what was kept before, and to which text (None: nothing)."""

    text: str
    kept: bool
    nearest: float | None
    nearest_text: str | None


def sift(kept: Kept, candidates: Sequence[str], vectors: Vectors, threshold: float, *, block: int = BLOCK) -> list[Decision]:
    """Decide on candidates in their order, and add those that pass to `kept`.

    One passes if its highest cosine similarity to everything kept so far, earlier candidates of this call included, is
    at most `threshold`. The same text again never passes, not even at 1.0.
    """
    if not -1 <= threshold <= 1:
        raise UsageError(f"threshold {threshold}: must be a cosine similarity between -1 and 1")
    if len(candidates) != len(vectors):
        raise ValueError(f"{len(candidates)} candidates but {len(vectors)} vectors")
    decisions = []
    for start in range(0, len(candidates), block):
        some = slice(start, start + block)
        known = len(kept)
        # The long comparison once for the whole block; one by one only against what the block itself has added.
        for text, vector, highest, place in zip(
            candidates[some], vectors[some], *kept.nearest(vectors[some], block=block), strict=True
        ):
            (newer,), (at,) = kept.nearest(vector[None], first=known)
            if newer > highest:
                highest, place = newer, at
            twin = kept.find(text)
            if twin is not None:
                highest, place = 1.0, twin
            passes = twin is None and bool(highest <= threshold)
            nearest = (float(highest), kept.texts[place]) if place >= 0 else (None, None)
            decisions.append(Decision(text, passes, *nearest))
            if passes:
                kept.add([text], vector[None])
    return decisions
