"""How much of a person has been told so far, and how much of that a policy has used: exact for what the world itself says.

A person is made of facts and traits. What the messages have told of them, R(k), is the most that a policy can know at turn k; of
what it can know, it shows what it uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aloe_hub.types import Persona
from aloe_hub.world.replies import by_sentence, revealed_facts
from aloe_hub.world.understanding import Fact, read_message, read_messages, read_personality, read_profile


class Share(NamedTuple):
    """After one turn: of the whole person what was told (R), of the profile what was told, and what replies have used of it."""

    revealed: float
    told: float
    recalled: float


def size(persona: Persona) -> int:
    """How many facts and traits there are to be told."""
    return len(read_profile(persona.profile)) + len(read_personality(persona.personality))


def shares(people: Sequence[Persona], said: Sequence[tuple[str, str]], whole: Persona | None = None) -> Iterator[Share]:
    """One for each turn of a conversation.

    people: who the user is in each turn.
    said: (user, reply) of each turn.
    whole: whose share it is, of a person who has more to tell later; else it is that of who the user is in that turn.
    """
    messages: list[str] = []
    traits: set[str] = set()
    used: set[Fact] = set()
    for persona, (message, reply) in zip(people, said, strict=True):
        messages.append(message)
        traits |= set(read_message(message).traits)
        used |= by_sentence(reply, persona.profile, read_profile(persona.profile), messages).uses
        facts, poles = read_profile((whole or persona).profile), read_personality((whole or persona).personality)
        told = revealed_facts(facts, messages)
        shown = traits.intersection(poles)
        both = len(facts) + len(poles)
        yield Share(_part(len(told) + len(shown), both), _part(len(told), len(facts)), _part(len(used & told), len(facts)))


def agreement(stated: Persona, persona: Persona, messages: Sequence[str]) -> float | None:
    """F1 of what a statement says of a person, facts and traits alike, against what messages have told; None: nothing was told.

    >>> nurse = Persona("She works as a nurse. She has a cat.", "She is funny.")
    >>> agreement(Persona("They work as a nurse. They live in Lisbon.", ""), nurse, ["I work as a nurse."])
    0.6666666666666666
    """
    known = read_messages(messages)
    facts = revealed_facts(read_profile(persona.profile), messages)
    told = facts | set(known.traits).intersection(read_personality(persona.personality))
    states = {*read_profile(stated.profile), *read_personality(stated.personality)}
    return 2 * len(told & states) / (len(told) + len(states)) if told else None


def contradicts(persona: Persona, message: str) -> bool:
    """Whether a message says of the user what is not so: another value of a kind of fact of which the persona has one.

    >>> nurse = Persona("She works as a nurse.", "She is funny.")
    >>> contradicts(nurse, "I work as a pilot."), contradicts(nurse, "I work as a nurse.")
    (True, False)
    """
    facts = [fact for fact in read_profile(persona.profile) if not fact.free]
    kinds = {fact.kind for fact in facts}
    return any(fact.kind in kinds and fact not in facts for fact in read_message(message).facts if not fact.free)


def _part(of: int, whole: int) -> float:
    return round(of / whole, 4) if whole else 0.0
