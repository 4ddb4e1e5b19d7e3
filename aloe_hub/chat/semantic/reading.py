"""Texts as the semantic judge reads them: their sentences, how similar these are, how many words there are."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Similarity = Callable[[Sequence[str], Sequence[str]], Numbers]  # n and m texts → (n, m) cosines

_END = re.compile(r"(?<=[.!?…])[\"'”’)]*\s+|\n+")
# "I work as a nurse" and "She works as a nurse" are the same fact, whoever says it of whom.
_PRONOUN = re.compile(r"\b(?:i|me|my|mine|you|yours?|he|him|his|she|hers?|they|them|theirs?)\b\s*", re.IGNORECASE)
_MARK = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,2}[.)])\s+")
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_READABLE = re.compile(r"""["'“‘(*_~-]*(?:[^\W\d_]{1,20}(?:['’/-][^\W\d_]{1,20})*|[\d.,:/%$€£°+-]+\w{0,2})?[^\w\s]*""")


def sentences(text: str) -> list[str]:
    """What stands between the ends of sentences or of lines, without marks of a list; what has no letter is none.

    >>> sentences("Two ideas:\\n1. Bake bread. It helps!\\n- Sleep 😄")
    ['Two ideas:', 'Bake bread.', 'It helps!', 'Sleep 😄']
    """
    parts = (_MARK.sub("", part).strip() for line in text.splitlines() for part in _END.split(_MARK.sub("", line)))
    return [part for part in parts if re.search(r"[^\W\d_]", part)]


def words(text: str) -> list[str]:
    """In lower case."""
    return _WORD.findall(text.lower())


def count_words(text: str) -> int:
    return len(words(text))


def unreadable(text: str) -> float:
    """The share of what stands between spaces that is not a word, number or mark."""
    parts = text.split()
    return sum(_READABLE.fullmatch(part) is None for part in parts) / max(1, len(parts))


def looped(text: str) -> float:
    """The share of the runs of three words that came before."""
    said = words(text)
    runs = list(zip(said, said[1:], said[2:], strict=False))
    return (len(runs) - len(set(runs))) / max(1, len(runs))


def ramp(value: float, ends: Sequence[float]) -> float:
    """0 up to the first end, 1 from the second on, in proportion between them.

    >>> ramp(0.5, (0.4, 0.6)), ramp(0.1, (0.4, 0.6)), ramp(7, (0.4, 0.6))
    (0.5, 0.0, 1.0)
    """
    low, high = ends
    return round(min(1.0, max(0.0, (float(value) - low) / (high - low))), 6)


def similarity_by(embed: Callable[[str], Any]) -> Similarity:
    """Cosines of texts without their pronouns, of which `embed` gives the unit vectors."""

    def similarity(texts: Sequence[str], others: Sequence[str]) -> Numbers:
        if not texts or not others:
            return np.zeros((len(texts), len(others)))
        left, right = (
            np.asarray([embed(_PRONOUN.sub("", text).strip() or text) for text in side], dtype=np.float64)
            for side in (texts, others)
        )
        # Rounded, since the last bits of a product of matrices differ with what stands beside a text.
        return np.round(left @ right.T, 6)

    return similarity
