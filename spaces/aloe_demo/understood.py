"""What the inferrer has understood of a user: its statements, each with the turn in which it was first made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from aloe_hub.types import Persona

_END = re.compile(r"(?<=[.!?])\s+|\n+|\s*;\s+")
_NO_LETTER = re.compile(r"\W+")


@dataclass(frozen=True, slots=True)
class Statement:
    """One fact of the profile or one trait of the personality. `turn` is counted from 1."""

    kind: Literal["profile", "personality"]
    text: str
    turn: int
    new: bool


def understood(inferred: Sequence[Persona | None]) -> list[Statement]:
    """The statements of the last inference that there is, from what was inferred after each message (None: nothing was).

    >>> cat, dog = Persona("They have a cat.", ""), Persona("They have a cat. They have a dog.", "")
    >>> [(statement.text, statement.turn, statement.new) for statement in understood([cat, dog])]
    [('They have a cat.', 1, False), ('They have a dog.', 2, True)]
    """
    first: dict[tuple[str, str], int] = {}
    for turn, persona in enumerate(inferred, 1):
        for kind, text in _statements(persona):
            first.setdefault((kind, _plain(text)), turn)
    last = next((persona for persona in reversed(inferred) if persona is not None), None)
    turns = {(kind, text): first[kind, _plain(text)] for kind, text in _statements(last)}
    return [Statement(kind, text, turn, turn == len(inferred)) for (kind, text), turn in turns.items()]


def _statements(persona: Persona | None) -> Iterator[tuple[Literal["profile", "personality"], str]]:
    if persona is None:
        return
    yield from (("profile", part) for part in _END.split(persona.profile) if part.strip())
    yield from (("personality", part) for part in _END.split(persona.personality) if part.strip())


def _plain(text: str) -> str:
    """The same words are the same statement, however they are punctuated."""
    return _NO_LETTER.sub(" ", text.casefold()).strip()
