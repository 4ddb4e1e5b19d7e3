"""People who change: another person in the middle of a conversation, and a longer life that has more to tell.

The world's own sentences change exactly: a fact gets another value of its kind, a trait becomes its opposite. A sentence of free
text gives way to one of somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from aloe_hub.types import Persona
from aloe_hub.world import sentences
from aloe_hub.world.lexicon import DIMENSIONS, KINDS, POLES
from aloe_hub.world.sentences import SUBJECTS, split_sentences
from aloe_hub.world.speaking import said
from aloe_hub.world.understanding import Fact, read_personality, read_profile

Change = Callable[[str, Random], str | None]  # a sentence → another one in the second person; None: it is free text


def another_person(persona: Persona, other: Persona | None, share: float, random: Random) -> Persona:
    """Somebody of whom `share` of the sentences are others; of free text those of `other`, where there is one."""
    return Persona(
        _changed(persona.profile, other.profile if other else None, share, random, _other_fact),
        _changed(persona.personality, other.personality if other else None, share, random, _other_trait),
    )


def more(persona: Persona) -> int:
    """How many things a longer talk can bring up: kinds of facts and pairs of traits that the persona says nothing of."""
    kinds, pairs = _unsaid(persona)
    return len(kinds) + len(pairs)


def with_more(persona: Persona, number: int, random: Random) -> Persona:
    """The same person with the first `number` of those things."""
    kinds, pairs = _unsaid(persona)
    new: list[Fact | str] = [Fact(kind, random.choice(KINDS[kind].values)) for kind in kinds]
    new += [random.choice(pair) for pair in pairs]
    random.shuffle(new)
    profile, personality = [persona.profile], [persona.personality]
    for item in new[:number]:
        line = said(item, random) if isinstance(item, Fact) else f"you {random.choice(POLES[item].said)}"
        (profile if isinstance(item, Fact) else personality).append(sentences.to_third(line, _subject(persona.profile)))
    return Persona(" ".join(profile), " ".join(personality))


def _unsaid(persona: Persona) -> tuple[list[str], list[tuple[str, str]]]:
    known = {fact.kind for fact in read_profile(persona.profile)}
    traits = set(read_personality(persona.personality))
    return [kind for kind in KINDS if kind not in known], [pair for pair in DIMENSIONS if traits.isdisjoint(pair)]


def _changed(text: str, other: str | None, share: float, random: Random, change: Change) -> str:
    lines = split_sentences(text)
    others = split_sentences(other) if other else []
    subject = _subject(text)
    for place in sorted(random.sample(range(len(lines)), max(1, round(share * len(lines))))) if lines else ():
        new = change(lines[place], random)
        if new is not None:
            lines[place] = sentences.to_third(new, subject)
        elif others:
            lines[place] = others[place % len(others)]
    return " ".join(lines)


def _other_fact(sentence: str, random: Random) -> str | None:
    facts = read_profile(sentence)
    if len(facts) != 1 or facts[0].free:
        return None
    kind, value = facts[0].kind, facts[0].value
    return said(Fact(kind, random.choice([one for one in KINDS[kind].values if one != value])), random)


def _other_trait(sentence: str, random: Random) -> str | None:
    traits = read_personality(sentence)
    if len(traits) != 1:
        return None
    first, second = next(pair for pair in DIMENSIONS if traits[0] in pair)
    return f"you {random.choice(POLES[second if traits[0] == first else first].said)}"


def _subject(text: str) -> str:
    """Which of she, he and they a persona's text begins with."""
    first = text.lower().partition(" ")[0]
    return next((subject for subject, possessive in SUBJECTS.items() if first in (subject, possessive)), "they")
