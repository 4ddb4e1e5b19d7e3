"""Whom a policy talks with in the benchmark, turn by turn, and whom one that is told a persona takes them for.

As a rule the user is one person. With a `shift` they are another from that turn on; who talks for longer than ten turns with a
scripted user learns more of them `later`, for by then everything else has been told.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from aloe_hub.chat.scripted import changing
from aloe_hub.errors import DataError
from aloe_hub.types import Persona, call_seed

FIRST = 10  # turns, in which a scripted user tells all that the persona says


@dataclass(frozen=True, slots=True)
class Person:
    """Who the user is in each turn. `other`: a persona of the split that shares neither profile nor personality with theirs."""

    turns: tuple[Persona, ...]
    other: Persona | None = None
    whole: Persona | None = None  # of one who has more to tell later: everything

    @property
    def persona(self) -> Persona:
        return self.turns[0]

    @property
    def became(self) -> Persona | None:
        return self.turns[-1] if self.turns[-1] != self.turns[0] else None

    def told(self, policy: str, turn: int) -> Persona:
        """Whom `scripted:leak`, or `scripted:stranger`, takes this person for.

        Raises:
            DataError: there is no stranger.
        """
        if not policy.endswith(":stranger"):
            return self.turns[turn]
        if self.other is None:
            raise DataError(f"{policy}: no other persona in this split has another profile and another personality")
        return self.other


def people(
    everybody: Sequence[Persona],
    limit: int | None,
    turns: int,
    *,
    seed: int = 0,
    shift: int | None = None,
    share: float = 1.0,
    later: bool = False,
) -> list[Person]:
    """The first `limit` personas of a split, as `turns` turns meet them.

    The other of each is the next one after it, in a circle, that is apart from it.

    shift: the turn, counted from 1, at which `share` of each becomes somebody else's.
    later: whether they have more to tell after the first ten turns.

    Raises:
        DataError: a shift, and nobody to become.
    """
    found = []
    for place, persona in enumerate(everybody[:limit]):
        other = _after(place, everybody)
        who = (persona,) * turns
        if later:
            who = _telling_more(persona, turns, seed)
        elif shift is not None:
            random = Random(call_seed(seed, persona.persona_id, "shift"))
            who = who[: shift - 1] + (_another(persona, other, share, random),) * (turns - shift + 1)
        found.append(Person(who, other, who[-1] if later else None))
    return found


def _after(place: int, everybody: Sequence[Persona]) -> Persona | None:
    here = everybody[place]
    circle = (everybody[(place + step) % len(everybody)] for step in range(1, len(everybody)))
    return next((one for one in circle if one.profile != here.profile and one.personality != here.personality), None)


def _another(persona: Persona, other: Persona | None, share: float, random: Random) -> Persona:
    changed = changing.another_person(persona, other, share, random)
    if changed == persona:
        raise DataError(f"--shift: persona {persona.persona_id} cannot become another, for the split holds nobody else to become")
    return changed


def _telling_more(persona: Persona, turns: int, seed: int) -> tuple[Persona, ...]:
    """One thing more now and then, spread evenly over the turns after the first ten."""
    things, left = changing.more(persona), max(1, turns - FIRST)
    numbers = [max(0, min(turn - FIRST, math.ceil((turn - FIRST) * things / left))) for turn in range(1, turns + 1)]
    drawn = call_seed(seed, persona.persona_id, "later")
    told = {number: changing.with_more(persona, number, Random(drawn)) for number in set(numbers)}
    return tuple(told[number] for number in numbers)
