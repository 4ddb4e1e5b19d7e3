"""Two policies side by side on the conversations of both: values, as in `types`, and their rows.

The reply that a policy gave in its own conversation meets the one that the other policy gives to the same history and message.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from aloe_hub.fields import number, one_of, rows, text
from aloe_hub.types import Index, Persona, Row, Verdict


@dataclass(frozen=True, slots=True)
class Meeting:
    """The two replies to one message. Replies and choices count policies as the match does, whichever the judge saw first.

    host: the policy whose conversation it is; the other one replied to its history.
    """

    host: Index
    turn: int
    replies: tuple[str, str]
    verdicts: tuple[Verdict, Verdict]

    @property
    def preferred(self) -> Index | None:
        """The policy whose reply both orders prefer, or None."""
        if self.replies[0] != self.replies[1]:
            for policy in (0, 1):
                if all(verdict.choice == policy for verdict in self.verdicts):
                    return policy
        return None

    def to_row(self) -> Row:
        return {
            "host": self.host,
            "turn": self.turn,
            "replies": list(self.replies),
            "verdicts": [verdict.to_row() for verdict in self.verdicts],
            "preferred": self.preferred,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        replies, verdicts = row["replies"], [Verdict.from_row(verdict) for verdict in rows(row, "verdicts")]
        if not isinstance(replies, list) or [type(reply) for reply in replies] != [str, str]:
            raise ValueError(f"replies is {replies!r}, and not two texts")
        if [verdict.order for verdict in verdicts] != ["01", "10"]:
            raise ValueError("verdicts are not those of both orders")
        host = one_of(row, "host", (0, 1))
        return cls(host, int(number(row, "turn")), (replies[0], replies[1]), (verdicts[0], verdicts[1]))


@dataclass(frozen=True, slots=True)
class Match:
    """Two policies and one persona: a meeting for each turn of either conversation, those of the first policy's first."""

    persona: Persona
    policies: tuple[str, str]
    meetings: tuple[Meeting, ...]

    def to_row(self) -> Row:
        return {
            "persona_id": self.persona.persona_id,
            "policies": list(self.policies),
            "profile": self.persona.profile,
            "personality": self.persona.personality,
            "meetings": [meeting.to_row() for meeting in self.meetings],
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        if not isinstance(row["policies"], list) or len(row["policies"]) != 2:
            raise ValueError(f"policies is {row['policies']!r}, and not two model strings")
        first, second = (text({"policy": policy}, "policy") for policy in row["policies"])
        meetings = tuple(Meeting.from_row(meeting) for meeting in rows(row, "meetings"))
        return cls(Persona.from_row(row), (first, second), meetings)
