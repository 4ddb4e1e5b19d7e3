"""Manners: what a personality asks for, by similarity; what a reply shows, by counting. Each from -1 to 1, with a pole at either
end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aloe_hub.chat.semantic.reading import Similarity, count_words, ramp, sentences

Manners = Mapping[str, float]


class Manner:
    """One manner of speaking with its two poles, as the table `[manner.NAME]` of the weights describes it."""

    def __init__(self, table: Mapping[str, Any], per_words: float) -> None:
        self.asks: tuple[Sequence[str], Sequence[str]] = (table["low"]["asks"], table["high"]["asks"])
        self._words: Sequence[float] | None = table.get("words")
        self._signs = [_any_of(table[pole].get("signs", ())) for pole in ("low", "high")]
        self._per_words = per_words

    def shown(self, reply: str) -> float:
        words = count_words(reply)
        if self._words is not None:
            return 2 * ramp(words, self._words) - 1
        low, high = (len(sign.findall(reply)) if sign else 0 for sign in self._signs)
        return float(np.clip((high - low) / max(1.0, words / self._per_words), -1, 1))


def _any_of(signs: Sequence[str]) -> re.Pattern[str] | None:
    """A sign is whole words; a mark or an emoji stands anywhere."""
    return re.compile("|".join(map(_whole, signs)), re.IGNORECASE) if signs else None


def _whole(sign: str) -> str:
    before, after = "" if sign[0] in "[?" or sign[:2] == r"\?" else r"(?<!\w)", "" if sign[-1] in "]?" else r"(?!\w)"
    return f"{before}(?:{sign}){after}"


def manners(table: Mapping[str, Any]) -> dict[str, Manner]:
    """Of the table `[manner]`, by name."""
    return {name: Manner(one, table["per_words"]) for name, one in table.items() if isinstance(one, dict)}


def asked(personality: str, known: Mapping[str, Manner], similarity: Similarity, near: Mapping[str, Any]) -> dict[str, float]:
    """The manners that a personality asks for, each with the pole and how clearly: each sentence speaks for the nearest."""
    parts = sentences(personality)
    found = dict.fromkeys(known, 0.0)
    if not parts:
        return found
    poles = {name: [similarity(parts, list(asks)).max(axis=1) for asks in manner.asks] for name, manner in known.items()}
    best = np.max([pole for pair in poles.values() for pole in pair], axis=0)
    for name, (low, high) in poles.items():
        for a, b, nearest in zip(low, high, best, strict=True):
            if abs(b - a) >= near["apart"] and max(a, b) > nearest - near["rival"]:
                found[name] += (1 if b > a else -1) * ramp(max(a, b), near["asked"])
    return {name: float(np.clip(value, -1, 1)) for name, value in found.items()}


def shown(reply: str, known: Mapping[str, Manner]) -> dict[str, float]:
    """The manners that a reply shows."""
    return {name: manner.shown(reply) for name, manner in known.items()}


def fit(wanted: Manners, seen: Manners) -> float:
    """How far what is seen meets what is wanted, -1 to 1: the mean over what is wanted, by how clearly it is. What is wanted
    faintly counts faintly, even alone, and what nobody asked for costs nothing.
    """
    total = sum(abs(value) for value in wanted.values())
    return sum(value * seen[name] for name, value in wanted.items()) / max(1.0, total)
