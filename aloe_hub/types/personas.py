"""Who a user is: a text of the pool, and a persona made of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from aloe_hub.fields import number, number_or_none, one_of, text
from aloe_hub.ids import digest

Row = dict[str, Any]
TextSource = Literal["seed", "generated", "imported"]
Split = Literal["train", "test"]
_TEXT_SOURCES, _SPLITS = get_args(TextSource), get_args(Split)


@dataclass(frozen=True, slots=True)
class PoolText:
    """One profile or one personality of the pool, and how it came in.

    `nearest` is the highest cosine similarity to what the pool held before, by the pool's embedder; None where it was not
    asked (seeds and imported texts are never filtered).
    """

    text: str
    source: TextSource
    round: int = 0
    nearest: float | None = None

    @property
    def id(self) -> str:
        return digest(self.text)

    def to_row(self) -> Row:
        return {"id": self.id, "text": self.text, "source": self.source, "round": self.round, "nearest": self.nearest}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        nearest = number_or_none(row, "nearest")
        return cls(text(row, "text"), one_of(row, "source", _TEXT_SOURCES), int(number(row, "round")), nearest)


@dataclass(frozen=True, slots=True)
class Persona:
    """A profile (objective facts: what is talked about) and a personality (traits: how). Paper, section 2.1."""

    profile: str
    personality: str

    @property
    def persona_id(self) -> str:
        return digest(self.profile, self.personality)

    @property
    def profile_id(self) -> str:
        return digest(self.profile)

    @property
    def personality_id(self) -> str:
        return digest(self.personality)

    def to_row(self) -> Row:
        return {
            "persona_id": self.persona_id,
            "profile_id": self.profile_id,
            "personality_id": self.personality_id,
            "profile": self.profile,
            "personality": self.personality,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        for part in (row["profile"], row["personality"]):
            if not isinstance(part, str) or not part.strip():
                raise ValueError(f"a persona without text: {part!r}")
        return cls(row["profile"], row["personality"])


def persona_and_split(row: Mapping[str, Any]) -> tuple[Persona, Split]:
    """What a row of `personas.jsonl` holds."""
    return Persona.from_row(row), one_of(row, "split", _SPLITS)
