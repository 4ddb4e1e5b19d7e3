"""Personas near to one: for policies that draw replies around a user's, and for trees with replies for different people.

Elsewhere a preference is a direction of numbers, and a neighbour a small turn of it. Here it is a text: a neighbour leaves out
some of its statements, and may tell the others in another order. It invents nothing, and costs no call.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from aloe_hub.types import Persona

LEFT_OUT = 0.3  # of the statements, on average
_STATEMENT = re.compile(r"(?<=[.!?])\s+|\n+")


def neighbour(persona: Persona, seed: int) -> Persona:
    """A persona near to this one.

    >>> neighbour(Persona("They have a cat. They live in Lisbon. They paint.", "They are in a hurry."), 5).personality
    'They are in a hurry.'
    """
    random = Random(seed)
    return Persona(_near(persona.profile, random), _near(persona.personality, random))


def shared_out(persona: Persona, seed: int) -> tuple[Persona, Persona]:
    """Two personas near to this one: each of its statements is told by one of them.

    >>> one, other = shared_out(Persona("They have a cat. They live in Lisbon. They paint.", "They are in a hurry."), 5)
    >>> one.profile, other.profile
    ('They live in Lisbon. They paint.', 'They have a cat.')
    """
    random = Random(seed)
    told: tuple[list[str], list[str]] = [], []
    for text in (persona.profile, persona.personality):
        statements = _statements(text)
        mine = set(random.sample(range(len(statements)), (len(statements) + random.randrange(2)) // 2))
        for half, one in zip(told, (True, False), strict=True):
            half.append(" ".join(said for place, said in enumerate(statements) if (place in mine) is one))
    return Persona(*told[0]), Persona(*told[1])


def _statements(text: str) -> Sequence[str]:
    return [one for one in _STATEMENT.split(text) if one.strip()]


def _near(text: str, random: Random) -> str:
    statements = _statements(text)
    kept = [one for one in statements if random.random() >= LEFT_OUT] or random.sample(statements, min(1, len(statements)))
    random.shuffle(kept)
    return " ".join(kept)
