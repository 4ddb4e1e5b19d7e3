"""Scores as an (N, K) array of numbers, checked, and the sums of its turns.

Recorded conversations have different lengths: people leave when they have what they came for, or have had enough. Who stays may
be the more satisfied, so that AL(k) rises although nobody's satisfaction does. Two readings stand side by side: the mean over
those who stayed, and the same with the last score of those who left carried forward.

Bad input is a ValueError of one line; in it conversations and turns are counted from 1, like the lines of a scores file. This
file imports nothing of aloe_hub, since the metric on the Hub carries a copy of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Conversations = Sequence[Sequence[float | None]] | NDArray[Any]

Leavers = Literal["stayed", "carried"]

ROWS_AT_A_TIME = 4096  # a block stays in the cache, so that checking a score costs no second trip to memory


def of_one_length(scores: Conversations, early_leavers: Leavers) -> tuple[list[list[Any]], NDArray[Any], int]:
    """(the scores with as many in each conversation, how many of each turn somebody gave, how many before the end are missing).

    A conversation ends with its last score. After it there is None, or, "carried", that score again.

    >>> of_one_length([[1, None, 3], [4]], "stayed")
    ([[1, None, 3], [4, None, None]], array([2, 0, 1]), 1)
    >>> of_one_length([[1, None, 3], [4, None]], "carried")
    ([[1, None, 3], [4, 4, 4]], array([2, 0, 1]), 1)
    """
    if early_leavers not in ("stayed", "carried"):
        raise ValueError(f"early_leavers is {early_leavers!r}, and not 'stayed' or 'carried'")
    for number, row in enumerate(scores, 1):
        if not isinstance(row, list | tuple | np.ndarray):
            raise ValueError(f"conversation {number} is {row!r}, not a list of scores")
    ended = [list(row[: max((turn for turn, score in enumerate(row, 1) if _is_there(score)), default=0)]) for row in scores]
    turns = max(map(len, ended), default=0)
    given = np.array([sum(turn < len(row) and _is_there(row[turn]) for row in ended) for turn in range(turns)], dtype=int)
    missing = sum(map(len, ended)) - int(given.sum())
    after = [row[-1] if early_leavers == "carried" and row else None for row in ended]
    return [row + [last] * (turns - len(row)) for row, last in zip(ended, after, strict=True)], given, missing


def _is_there(score: Any) -> bool:  # noqa: ANN401 - what is no number is found later
    return score is not None and bool(score == score)  # NaN alone is not itself


def check_settings(scale: tuple[float, float], confidence: float, n_resamples: int, seed: int) -> None:
    if not isinstance(scale, list | tuple | np.ndarray) or len(scale) != 2 or not -np.inf < scale[0] < scale[1] < np.inf:
        raise ValueError(f"scale {scale} is not a lowest and a highest score")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} is not between 0 and 1")
    for name, value in (("n_resamples", n_resamples), ("seed", seed)):
        if not isinstance(value, int | np.integer) or value < 0:
            raise ValueError(f"{name} {value!r} is not a whole number from 0 on")


def read(scores: Conversations, scale: tuple[float, float], whose: str = "") -> tuple[NDArray[Any], Floats]:
    """`matrix_of` and `totals_of`; `whose` scores they are stands before what is wrong with them."""
    try:
        matrix = matrix_of(scores)
        return matrix, totals_of(matrix, scale)
    except ValueError as error:
        raise ValueError(f"{whose}{error}") from None


def matrix_of(scores: Conversations) -> NDArray[Any]:
    """The scores as an (N, K) array of numbers, with NaN for None."""
    if isinstance(scores, np.ndarray) and scores.dtype.kind in "fiu":
        if scores.ndim != 2 or not scores.size:
            raise ValueError(f"scores of shape {scores.shape} are not (conversations, turns), at least one of each")
        return scores
    if not isinstance(scores, Iterable):
        raise ValueError(f"scores are {scores!r}, not a list of conversations")
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


def totals_of(matrix: NDArray[Any], scale: tuple[float, float]) -> Floats:
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


def al_of(totals: Floats) -> Floats:
    return ratio(*np.split(totals, 2, axis=-1))


def ratio(above: Floats, below: NDArray[Any]) -> Floats:
    """NaN where there is nothing below."""
    out: Floats = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return out
