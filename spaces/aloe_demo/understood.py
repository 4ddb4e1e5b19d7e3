"""What the inferrer has understood of a user: its statements, each with the turn in which it was first made.

A sentence that is no fact ("They are so confused by this") is not listed, whoever states it. What is listed says of a person what
they are, have or do for some time; in doubt it is left out, since a false fact costs a reader more than a missing one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from aloe_hub.types import Persona
from aloe_hub.world.understanding import read_personality, read_profile

_END = re.compile(r"(?<=[.!?])\s+|\n+|\s*;\s+")
_NO_LETTER = re.compile(r"\W+")
_OFTEN = "also|always|often|never|really|usually|currently|recently|just|both"
_SUBJECT = rf"(?:(?:they|she|he|the user|this user|user) )?(?:(?:{_OFTEN}) )*"
_STATES = "from|married|divorced|engaged|single|widowed|retired|vegan|vegetarian|allergic|left-handed|deaf|blind"
_STATES += "|pregnant|dyslexic|fluent"
_NOT_HAD = r"no idea|to\b|been|some\b|an? (?:question|problem|doubt|idea|feeling|headache|minute|point)"
_VERBS = (
    "live|work|study|studie|teach|volunteer|play|collect|love|like|enjoy|prefer|hate|dislike|cook|bake|grow|paint|sing|dance|swim|cycle"
    "|hike|run|read|write|speak|drive|knit|garden|travel|train|listen|drink|eat|avoid|use|wear|rent|belong"
)
_OWN = (
    "favou?rite|name|age|job|hobby|sport|roots|famil|kid|child|son|daughter|wife|husband|partner|brother|sister|mother|father|dog|cat|pet"
    "|home|old subject|budget"
)
_LASTING = re.compile(
    rf"{_SUBJECT}(?:"
    rf"(?:is|are|was|were) (?:\d+|an? (?!bit|little|lot|idiot|fool|moron|liar)|(?:{_STATES})\b)"
    rf"|(?:has|have|own|owns|keep|keeps|raise|raises) (?!{_NOT_HAD})\w"
    rf"|(?:{_VERBS})(?:s|es)?(?: \w|[.!]?$)"
    r"|(?:moved|grew up|was born|were born|come|comes) \w)"
    rf"|(?:their|her|his) (?:{_OWN})\w*\s",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"\b(?:this|that|it|you|your|here|now|today|tonight|at the moment|die|dead)[.!]*$|\?"
    r"|\b(?:suicid\w*|kill (?:them|him|her)sel\w+|confused|stupid|useless|this (?:page|model|demo|chat|thing))\b",
    re.IGNORECASE,
)


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


@lru_cache(maxsize=1024)
def is_fact(text: str) -> bool:
    """Whether a sentence states something lasting of a person.

    >>> is_fact("They work as a nurse."), is_fact("They are so confused by this."), is_fact("They hate you.")
    (True, False, False)
    """
    if any(not fact.free for fact in read_profile(text)):
        return True
    return bool(_LASTING.match(text)) and not _PASSING.search(text)


def _statements(persona: Persona | None) -> Iterator[tuple[Literal["profile", "personality"], str]]:
    if persona is None:
        return
    yield from (("profile", part) for part in _END.split(persona.profile) if is_fact(part))
    yield from (("personality", part) for part in _END.split(persona.personality) if read_personality(part) or is_trait(part))


def is_trait(text: str) -> bool:
    """
    >>> is_trait("They like things short."), is_trait("They are thinking about suicide."), is_trait(" ")
    (True, False, False)
    """
    return bool(text.strip()) and not _PASSING.search(text)


def _plain(text: str) -> str:
    """The same words are the same statement, however they are punctuated."""
    return _NO_LETTER.sub(" ", text.casefold()).strip()
