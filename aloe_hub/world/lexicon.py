"""What lexicon.toml holds: kinds of facts, poles of traits and topics of the scripted world; English words to read texts by."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fact: how it is said of a person, and how a reply uses it."""

    said: tuple[str, ...]
    used: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pole:
    """One end of a bipolar trait: how a text says it, how a user lets it show, how a reply meets it."""

    said: tuple[str, ...]
    cues: tuple[str, ...]
    marks: tuple[str, ...]  # none for the two poles of length, which a reply shows by its length
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Topic:
    """One thing a user asks help with, and the kinds of facts that matter to it."""

    kinds: tuple[str, ...]
    questions: tuple[str, ...]
    keywords: tuple[str, ...]
    tips: tuple[str, ...]


def _tuples(table: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(items) for name, items in table.items()}


_TOML = tomllib.loads((files(__package__) / "lexicon.toml").read_text(encoding="utf-8"))
NAMES = _tuples(_TOML["names"])
# Open kinds: numbers, and names of which there are more than a model could learn.
_OPEN = {
    "age": tuple(str(age) for age in range(17, 90)),
    "pet": tuple(first + last for first in NAMES["first"] for last in NAMES["last"]),
    "city": tuple(first + last + town for first in NAMES["first"][::2] for last in NAMES["last"][::5] for town in NAMES["town"]),
}

KINDS: dict[str, Kind] = {
    name: Kind(**(_tuples(kind) | {"values": _OPEN.get(name, tuple(kind["values"]))})) for name, kind in _TOML["kinds"].items()
}
POLES: dict[str, Pole] = {name: Pole(**_tuples(pole)) for name, pole in _TOML["poles"].items()}
DIMENSIONS: tuple[tuple[str, str], ...] = tuple(zip(list(POLES)[::2], list(POLES)[1::2], strict=True))
TOPICS: dict[str, Topic] = {name: Topic(**_tuples(topic)) for name, topic in _TOML["topics"].items()}

_PHRASES = _tuples(_TOML["phrases"])
COLOURS, GREETINGS, REACTIONS = _PHRASES["colours"], _PHRASES["greetings"], _PHRASES["reactions"]
OPENERS, CLOSERS = _PHRASES["openers"], _PHRASES["closers"]
ASKED: dict[str, str] = _TOML["asked"]
WORDS, GUESSES = _tuples(_TOML["words"]), _tuples(_TOML["guesses"])
