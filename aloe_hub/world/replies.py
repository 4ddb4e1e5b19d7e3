"""What a reply says of a person: facts used well, named in broken sentences, wrong; its tips; and what messages have told.

Two readings: by sentence, which holds a reply to the world's own, and by words, for whoever writes other English.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aloe_hub.world.freetext import content_words, words_of
from aloe_hub.world.grammar import Part, parts
from aloe_hub.world.sentences import split_sentences
from aloe_hub.world.understanding import Fact, mentions

_MEANT = 0.6  # share of a clause's content words that a text must hold to mean it


def revealed_facts(facts: Sequence[Fact], messages: Sequence[str]) -> set[Fact]:
    """Those of a person's facts that the messages tell."""
    said = {mention for message in messages for mention in mentions(message)}
    stems = frozenset().union(*(content_words(message) for message in messages))
    return {fact for fact in facts if (_held(fact, stems) if fact.free else (fact.kind, fact.value) in said)}


@dataclass(frozen=True, slots=True)
class Found:
    """What a reply says. `uses`: facts in good sentences; `named`: true ones in broken sentences, which earn nothing."""

    uses: set[Fact]
    contradictions: int
    rest: str  # the reply without its uses of free facts
    tips: Sequence[Part] = ()
    named: frozenset[Fact] = frozenset()
    broken: int = 0


def by_sentence(reply: str, profile: str, facts: Sequence[Fact], asked: Sequence[str]) -> Found:
    """A reply in the world's sentences, word by word; one that has none of them by its words."""
    said = list(parts(reply))
    if not any(part.says in ("tip", "use", "free use") for part in said):
        return by_words(reply, profile, facts)
    true = _by_mention(facts)
    words = set(words_of(profile))
    known = content_words(profile).union(*map(content_words, asked))
    uses: set[Fact] = set()
    wrong: set[str] = set()
    rest: list[str] = []
    named: set[tuple[str, str]] = set()
    for part in said:
        if part.says == "use":
            if fact := true.get((part.about, part.what)):
                uses.add(fact)
            elif not words.issuperset(words_of(part.what)):
                wrong.add(part.what)
        elif part.says == "free use":
            stems = content_words(part.what)
            meant = {fact for fact in facts if fact.free and _held(fact, stems)}
            meant |= {true[mention] for mention in mentions(part.what) if mention in true}
            if stems <= known:
                uses |= meant
            elif len(stems & known) < _MEANT * len(stems):
                wrong.add(part.what)
            if meant:
                continue
        elif part.says == "wrong name":
            wrong.add(part.text)
        elif part.says == "other":
            named.update(mentions(part.text))
        rest.append(part.text)
    wrong |= {value for kind, value in named if (kind, value) not in true and not words.issuperset(words_of(value))}
    return Found(
        uses,
        len(wrong),
        " ".join(rest),
        [part for part in said if part.says == "tip"],
        frozenset(true[mention] for mention in named if mention in true) - uses,
        sum(part.says == "other" for part in said),
    )


def by_words(reply: str, profile: str, facts: Sequence[Fact]) -> Found:
    """Every value of the lexicon that is named counts, wherever it stands."""
    uses: set[Fact] = set()
    named: set[tuple[str, str]] = set()
    rest: list[str] = []
    free = [fact for fact in facts if fact.free]
    for sentence in split_sentences(reply):
        # Only a sentence about "you" uses a clause of free text: "Cook a meal" is a tip, "you love to cook" is a use.
        about_you = free and not {"you", "your"}.isdisjoint(words_of(sentence))
        meant = {fact for fact in free if _held(fact, content_words(sentence))} if about_you else set()
        uses |= meant
        if not meant:
            named.update(mentions(sentence))
            rest.append(sentence)
    true, said = _by_mention(facts), set(words_of(profile))
    uses |= {true[mention] for mention in named if mention in true}
    return Found(uses, sum(not said.issuperset(words_of(value)) for _, value in named - true.keys()), " ".join(rest))


def _by_mention(facts: Sequence[Fact]) -> dict[tuple[str, str], Fact]:
    """The facts that the lexicon names, by what a text mentions them as."""
    return {(fact.kind, fact.value): fact for fact in facts if not fact.free}


def _held(fact: Fact, stems: frozenset[str]) -> bool:
    wanted = content_words(fact.value)
    return len(wanted & stems) >= _MEANT * len(wanted)
