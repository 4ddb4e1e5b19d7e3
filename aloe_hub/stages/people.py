"""Whom a policy talks with in the benchmark, and whom one that is told a persona takes them for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aloe_hub.errors import DataError
from aloe_hub.types import Persona


@dataclass(frozen=True, slots=True)
class Person:
    """A held-out persona, and another one that shares neither its profile nor its personality; None where there is none."""

    persona: Persona
    other: Persona | None = None

    def told(self, policy: str) -> Persona:
        """Whom `scripted:leak`, or `scripted:stranger`, takes this person for.

        Raises:
            DataError: there is no stranger.
        """
        if not policy.endswith(":stranger"):
            return self.persona
        if self.other is None:
            raise DataError(f"{policy}: no other persona in this split has another profile and another personality")
        return self.other


def people(everybody: Sequence[Persona], limit: int | None) -> list[Person]:
    """The first `limit` personas of a split; the other of each is the next one after it, in a circle, that is apart from it."""
    return [Person(persona, _after(place, everybody)) for place, persona in enumerate(everybody[:limit])]


def _after(place: int, everybody: Sequence[Persona]) -> Persona | None:
    here = everybody[place]
    circle = (everybody[(place + step) % len(everybody)] for step in range(1, len(everybody)))
    return next((one for one in circle if one.profile != here.profile and one.personality != here.personality), None)
