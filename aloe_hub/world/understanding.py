"""Text → facts, traits, topics. What the world says itself is understood exactly; free text usefully, and approximately.

A *fact* is (kind, value). In the world's own sentences the value is one of the lexicon ("nurse"); in free text the fact is the
clause in its normal form ("are a freelance graphic designer"), its kind guessed from its words. A *trait* is the name of a pole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from aloe_hub.world import sentences
from aloe_hub.world.freetext import clauses, content_words, kind_of, poles_in, statements, wished, words_of
from aloe_hub.world.lexicon import DIMENSIONS, KINDS, POLES, TOPICS


class Fact(NamedTuple):
    kind: str
    value: str
    free: bool = False  # the value is a clause of free text


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a person, in the order in which it was said."""

    facts: tuple[Fact, ...] = ()
    traits: tuple[str, ...] = ()

    def plus(self, other: Known) -> Known:
        return Known(tuple(dict.fromkeys(self.facts + other.facts)), _one_of_each_pair(self.traits + other.traits))


@lru_cache(maxsize=1024)
def read_profile(text: str) -> tuple[Fact, ...]:
    """The facts of a persona's profile, or of an inferrer's statement of it.

    >>> read_profile("She works as a nurse. She enjoys long baths and has a dog named Bo.")[1:]
    (Fact(kind='hobby', value='enjoy long baths', free=True), Fact(kind='pet', value='have a dog named Bo', free=True))
    """
    found: dict[Fact, None] = {}
    for sentence in sentences.split_sentences(text):
        you = sentences.from_third(sentence)
        if you is not None:
            found.update(dict.fromkeys(_facts(you)))
    return tuple(found)


@lru_cache(maxsize=1024)
def read_personality(text: str) -> tuple[str, ...]:
    """The poles that a personality text shows, at most one of each pair: the first one said."""
    found: list[str] = []
    for sentence in sentences.split_sentences(text):
        you = sentences.from_third(sentence)
        pole = _SAID_POLES.get(you.removeprefix("you ")) if you else None
        found.extend([pole] if pole else poles_in(sentence))
    return _one_of_each_pair(found)


@lru_cache(maxsize=4096)
def read_message(text: str) -> Known:
    """What one message of a user reveals: its statements about "I", and its cues."""
    facts: dict[Fact, None] = {}
    traits: list[str] = []
    for sentence in sentences.split_sentences(text):
        if sentence in _CUES:
            traits.append(_CUES[sentence])
        elif sentence not in _QUESTIONS:
            for part in statements(sentence):
                you, pole = sentences.from_first(part), wished(part)
                if pole is not None:
                    traits.append(pole)
                elif you is not None:
                    facts.update(dict.fromkeys(_facts(you)))
    return Known(tuple(facts), _one_of_each_pair(traits))


def read_messages(texts: Iterable[str]) -> Known:
    """What a user's messages have revealed so far."""
    known = Known()
    for text in texts:
        known = known.plus(read_message(text))
    return known


def newest(texts: Iterable[str]) -> Known:
    """What a user's messages say of them *now*: who is a nurse and later a pilot is a pilot.

    A value of the lexicon takes the place of an earlier one of its kind, a trait that of its opposite. In free text one kind
    holds much that is true at once, so there nothing is replaced.
    """
    facts: dict[Fact, None] = {}
    traits: dict[tuple[str, str], str] = {}
    for message in map(read_message, texts):
        said = {fact.kind for fact in message.facts if not fact.free and fact not in facts}
        facts = {fact: None for fact in facts if fact.free or fact.kind not in said} | dict.fromkeys(message.facts)
        traits |= {_PAIR_OF[trait]: trait for trait in message.traits}
    return Known(tuple(facts), tuple(traits.values()))


@lru_cache(maxsize=4096)
def topic_of(message: str) -> str | None:
    """What a message asks about: by its question, else by its keywords, else None."""
    for sentence in sentences.split_sentences(message):
        if sentence in _QUESTIONS:
            return _QUESTIONS[sentence]
    words = words_of(message)
    hits = {topic: sum(word in TOPICS[topic].keywords for word in words) for topic in TOPICS}
    best = max(hits, key=hits.__getitem__)
    return best if hits[best] else None


@lru_cache(maxsize=4096)
def mentions(text: str) -> tuple[tuple[str, str], ...]:
    """(kind, value) of every value of the lexicon that a text names."""
    words = _NAME.findall(text)
    return tuple(
        (kind, value)
        for place, word in enumerate(words)
        for kind, value, parts in _BY_FIRST_WORD.get(word, ())
        if tuple(words[place : place + len(parts)]) == parts
    )


def _facts(you: str) -> Iterator[Fact]:
    """The facts of one sentence in its normal form."""
    exact = _grammar_fact(you)
    if exact is not None:
        yield exact
        return
    for clause in clauses(you):
        exact = _grammar_fact(f"you {clause}")
        if exact is not None:
            yield exact
        elif content_words(clause):
            yield Fact(kind_of(clause), clause, free=True)


def _grammar_fact(you: str) -> Fact | None:
    for kind, before, after in _SAID_FACTS:
        if you.startswith(before) and you.endswith(after):
            value = you[len(before) : len(you) - len(after)]
            if value in _VALUES[kind]:
                return Fact(kind, value)
    return None


def _one_of_each_pair(poles: Iterable[str]) -> tuple[str, ...]:
    found: dict[tuple[str, str], str] = {}
    for pole in poles:
        found.setdefault(_PAIR_OF[pole], pole)
    return tuple(found.values())


_NAME = re.compile(r"[A-Za-z0-9']+")
_VALUES = {kind: frozenset(KINDS[kind].values) for kind in KINDS}
# ("job", "you work as a ", ""): what stands before and after the value
_SAID_FACTS = [(kind, *said.split("{v}", 1)) for kind in KINDS for said in KINDS[kind].said]
_SAID_POLES = {said: pole for pole in POLES for said in POLES[pole].said}
_CUES = {cue: pole for pole in POLES for cue in POLES[pole].cues}
_PAIR_OF = {pole: pair for pair in DIMENSIONS for pole in pair}
_QUESTIONS = {
    sentence: topic
    for topic in TOPICS
    for question in TOPICS[topic].questions
    for sentence in sentences.split_sentences(question)
}
_BY_FIRST_WORD: dict[str, list[tuple[str, str, tuple[str, ...]]]] = {}
for _kind in KINDS:
    for _value in KINDS[_kind].values:
        _parts = tuple(_value.split())
        _BY_FIRST_WORD.setdefault(_parts[0], []).append((_kind, _value, _parts))
