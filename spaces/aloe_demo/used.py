"""Where a reply uses what had been learned of the user: the words, and the message that told it.

Exact for the scripted world: a value of its lexicon, a turn of phrase that meets a trait. Of free text the words that a statement
and a reply share.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from understood import Statement, understood

from aloe_hub.types import Persona
from aloe_hub.world.freetext import content_words, words_of
from aloe_hub.world.grammar import parts
from aloe_hub.world.lexicon import POLES, WORDS
from aloe_hub.world.replies import revealed_facts
from aloe_hub.world.sentences import split_sentences
from aloe_hub.world.understanding import read_message, read_personality, read_profile

_LEAST = 4  # letters of a word of free text
# Words of free text that say nothing of anybody: a reply that has one uses no fact.
_IDLE = content_words(
    " ".join(WORDS["adverbs"])
    + " just only already actually again maybe quite more most less least well good great nice best better bad big small"
    " little bit thing things kind sort way day days week month today time times lot lots people person someone"
    " everyone other another each every both first second last next same work works live lives come comes goes get"
    " gets make makes take takes want wants need needs know knows think thinks feel feels try tries use uses help"
    " helps keep keeps find look looks say says tell give gives eat eats speak start moved move born grew here there"
    " where when what how because with without while after before around between not don't doesn't can't cannot don’t"
    " doesn’t can’t"
)
_WORD = re.compile(r"[\w'’-]+")
_STUCK = re.compile(r"\b(\w+)(?: \1){2,}\W*$")


@dataclass(frozen=True, slots=True)
class Use:
    """A piece of a reply; `turn`: that of the message which told what it uses, 0: it uses nothing; `what` was told then."""

    text: str
    turn: int = 0
    what: str = ""


@lru_cache(maxsize=512)  # a page that grows is drawn many times
def uses(reply: str, inferred: tuple[Persona | None, ...]) -> list[Use]:
    """The pieces of a reply, in order, by what had been inferred after each message up to the one that it answers.

    >>> [(use.text, use.turn) for use in uses("Take Tiki with you.", (Persona("They have a pet called Tiki.", ""),))]
    [('Take ', 0), ('Tiki', 1), (' with you.', 0)]
    """
    found = sorted(
        ((*span, statement) for statement in understood(inferred) for span in _places(reply, statement)),
        key=lambda one: (one[0], -one[1]),
    )
    pieces, at = [], 0
    for start, end, statement in found:
        if start >= at:
            pieces += [Use(reply[at:start]), Use(reply[start:end], statement.turn, statement.text)]
            at = end
    return [piece for piece in (*pieces, Use(reply[at:])) if piece.text]


def told(persona: Persona, messages: Sequence[str]) -> list[tuple[str, str, int]]:
    """Of each sentence of a persona that can be told: profile or personality, the sentence, the turn that told it, or 0."""
    lines = []
    for text in split_sentences(persona.profile):
        facts = read_profile(text)
        turns = (turn for turn in range(1, len(messages) + 1) if facts and revealed_facts(facts, messages[:turn]))
        lines.append(("profile", text, next(turns, 0)))
    for text in split_sentences(persona.personality):
        if poles := set(read_personality(text)):
            turns = (turn for turn, message in enumerate(messages, 1) if poles & set(read_message(message).traits))
            lines.append(("personality", text, next(turns, 0)))
    return lines


@lru_cache(maxsize=512)
def slips(reply: str) -> str:
    """What is wrong with a reply in the sentences of the scripted world, "" where nothing is: such is the pocket model's own.

    >>> slips("Wake up at a fixed hour. Wake up at a fixed hour."), slips("🎉 Woohoo!"), slips("Wake up at a fixed hour.")
    ('the same sentence twice', 'nothing but an exclamation', '')
    """
    said = [*parts(reply)]
    if reply.rstrip()[-1:] not in (".", "!", "?") and not _STUCK.search(reply):
        said = said[:-1]  # broken off
    says = {part.says for part in said}
    if says == {"phrase"} and reply.rstrip().endswith("!"):
        return "nothing but an exclamation"
    if not says & {"tip", "use"}:
        return ""
    if says & {"other", "wrong name"}:
        return "not a sentence of its small world"
    told = [part.text for part in said if part.says in ("tip", "use")]
    return "the same sentence twice" if len({*told}) < len(told) else ""


def _places(reply: str, statement: Statement) -> Iterator[tuple[int, int]]:
    for pole in read_personality(statement.text) if statement.kind == "personality" else ():
        for mark in POLES[pole].marks:
            yield from (found.span() for found in re.finditer(re.escape(mark), reply))
    for fact in read_profile(statement.text) if statement.kind == "profile" else ():
        if not fact.free:
            yield from (found.span() for found in re.finditer(rf"\b{re.escape(fact.value)}\b", reply))
            continue
        stems = content_words(fact.value) - _IDLE
        for found in _WORD.finditer(reply):
            if len(found[0]) >= _LEAST and stems.intersection(*map(content_words, words_of(found[0]))):
                yield found.span()
