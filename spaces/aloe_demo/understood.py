"""What the inferrer has understood of a user: its statements, each with the turn in which it was first made.

A sentence that states no fact ("They are so confused by this") is not listed, whether the user or the inferrer said it. What is
listed says what a person is, has or does for some time; in doubt it is left out: a false fact costs more than a missing one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from aloe_hub.types import Persona
from aloe_hub.world.understanding import read_personality, read_profile

_END = re.compile(r"(?<=[.!?])\s+|\n+|\s*;\s+")
_NO_LETTER = re.compile(r"\W+")
_OFTEN = "also|always|often|never|really|usually|currently|recently|just|both"
_SUBJECT = rf"(?:(?:they|she|he|the user|this user|user) )?(?:(?:{_OFTEN}) )*"
_STATES = "from|married|divorced|engaged|single|widowed|retired|vegan|vegetarian|allergic|left-handed|deaf|blind"
_STATES += "|pregnant|dyslexic|fluent|diabetic|asthmatic"
_NOT_BEEN = "bit|little|lot|few|tad|idiot|fool|moron|liar|burden|failure|mess|wreck|disaster|loser|joke"
_NOT_HAD = (
    "no (?:idea|clue|time|patience)|to|any (?:idea|clue|time)|been|had|never|always|already|just|only|seen|heard|read|tried|done"
    "|got|gone|enough|some|time|fun|trouble|patience|forgetting|lunch|dinner|breakfast"
    r"|(?:(?:an?|two|three|many|other|more) )?(?:\w+ )?(?:question|problem|doubt|idea|feeling|headache|minute|point|day|week"
    "|night|moment|look|guess|meeting|deadline|cold|fever|call|date|exam|test|request|suggestion|thought|flight)s?"
)
_VERBS = (
    "live|work|study|studie|teach|volunteer|play|collect|love|like|enjoy|prefer|hate|dislike|cook|bake|grow|paint|sing|dance|swim|cycle"
    "|hike|run|read|write|speak|drive|knit|garden|travel|train|listen|drink|eat|avoid|use|wear|rent|belong|smoke"
)
# What follows a verb where it is about this conversation, or about no lasting thing.
_NOT_DONE = (
    "that|what|how|when|where|why|thanks?|both|neither|all of|him|them|with the|out|into|away|along"
    "|to (?:know|see|hear|ask|say|think|be)|their (?:own )?(?:life|lives)"
    "|(?:the|an?) (?:first|second|third|fourth|last|next|other|former|latter|previous|same|idea|answer|reply|suggestion|option"
    "|question|one|sound|way)"
)
_NO = r"(?:(?:do|does)(?: not|n['’]t)|can(?:not|['’]t| not)) "
_OWN = (
    "favou?rite|name|age|job|hobby|sport|roots|famil|kid|child|son|daughter|wife|husband|partner|brother|sister|mother|father|dog"
    "|cat|pet|home|old subject|budget"
)
_LASTING = re.compile(
    rf"{_SUBJECT}(?:"
    rf"(?:is|are|was|were) (?:(?:now|actually|already|only) )?(?:\d+|an? (?!(?:{_NOT_BEEN})\b)|(?:{_STATES})\b)"
    rf"|(?:{_NO})?(?:has|have|own|owns|keep|keeps|raise|raises) (?!(?:{_NOT_HAD})\b)\w"
    rf"|(?:{_NO})?(?:{_VERBS})(?:s|es)?(?: (?!(?:{_NOT_DONE})\b)\w|[.!]?$)"
    r"|(?:moved (?!on\b)|grew up|was born|were born|comes? from (?!the\b)) ?\w)"
    rf"|(?:their|her|his) (?:{_OWN})\w*\s(?!(?:is|are|was|were|does|do)(?: not|n['’]t))",
    re.IGNORECASE,
)
_PASSING = re.compile(
    r"\b(?:this|that|it|you|your|here|now|today|tonight|at the moment|die|dead|ones?|not|is|does|do|\w+n['’]t)[.!]*$|\?"
    r"|\b(?:suicid\w*|kill (?:them|him|her)sel\w+|confused|stupid|useless|this (?:page|model|demo|chat|thing))\b",
    re.IGNORECASE,
)
_OF_NOW = re.compile(
    r"\b(?:I|it|this|these|those|your?|yourself|tomorrow|yesterday|tonight|today|right now|twice|again)\b", re.IGNORECASE
)
_NEGATION = re.compile(r"\b(?:not|no|never)\b|n['’]t\b", re.IGNORECASE)
_AGE = re.compile(r"(.*?) (?:are|is|turned) (?:\w+ )?(\d+)(?: years old)?[.!]*$", re.IGNORECASE)
# What says nothing of what is denied: the subject, the negation, "any more".
_EMPTY = re.compile(
    r"\b(?:they|she|he|user|a|an|the|any ?more|longer|now|do|does|no|not|never|actually|any)\b|\b(?:do|does)?n['’]t\b|\W+",
    re.I,
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
    return bool(_LASTING.match(text)) and not _PASSING.search(text) and not _OF_NOW.search(text)


def _statements(persona: Persona | None) -> Iterator[tuple[Literal["profile", "personality"], str]]:
    if persona is None:
        return
    said = _END.split(persona.profile)
    for place, part in enumerate(said, 1):
        if is_fact(part) and not any(takes_back(later, part) for later in said[place:]):
            yield "profile", part
    yield from (("personality", part) for part in _END.split(persona.personality) if read_personality(part) or is_trait(part))


def takes_back(later: str, earlier: str) -> bool:
    """Whether a later statement says that an earlier one is not so: its opposite, or another age.

    >>> takes_back("They are not vegan any more.", "They are vegan."), takes_back("They have a cat.", "They have a dog.")
    (True, False)
    """
    one, other = _heard(earlier), _heard(later)
    if one.age and other.age and one.age[0] == other.age[0]:  # of the same person
        return one.age != other.age
    if one.denied == other.denied:
        return False
    less, more = (other.words, one.words) if other.denied else (one.words, other.words)
    return (bool(less) and less <= more) or (other.denied and any(value <= less for value in one.values))


class _Heard(NamedTuple):
    """What a statement says or denies: its words, the values of the lexicon in it, an age."""

    denied: bool
    words: frozenset[str]
    values: tuple[frozenset[str], ...]
    age: tuple[str, ...]


@lru_cache(maxsize=4096)
def _heard(text: str) -> _Heard:
    age = _AGE.match(text)
    values = tuple(_words(fact.value) for fact in read_profile(text) if not fact.free)
    return _Heard(bool(_NEGATION.search(text)), _words(text), values, age.groups() if age else ())


def _words(text: str) -> frozenset[str]:
    return frozenset(word.rstrip("s") for word in _EMPTY.sub(" ", text.casefold()).split())


def is_trait(text: str) -> bool:
    """
    >>> is_trait("They like things short."), is_trait("They are thinking about suicide."), is_trait(" ")
    (True, False, False)
    """
    return bool(text.strip()) and not _PASSING.search(text)


def _plain(text: str) -> str:
    """The same words are the same statement, however they are punctuated."""
    return _NO_LETTER.sub(" ", text.casefold()).strip()
