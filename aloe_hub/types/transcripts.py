"""What the benchmark keeps: a conversation of one policy with one held-out persona, and its scores. Recorded chats lie so too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from aloe_hub.fields import number, number_or_none, rows, text
from aloe_hub.ids import digest
from aloe_hub.rubrics import DEFAULT as DEFAULT_RUBRIC
from aloe_hub.types.personas import Persona, Row

SHARES = ("revealed", "told", "recalled")  # of a persona, after a turn of the benchmark


@dataclass(frozen=True, slots=True)
class Turn:
    """One benchmark turn: the reply of the policy, its score (None: the judge could not be read), the judge's text.

    criteria: what the judge said of each criterion of the rubric, by name; empty where there is none, and in runs of before.
    `revealed`: the share of the persona that the user's messages have told so far, R(k). In the scripted world also `told`, that
    of the profile alone, and `recalled`, the share of the profile that replies have used so far: at most what was told.
    None: not measured.
    """

    user: str
    reply: str
    score: float | None
    judgement: str
    criteria: Mapping[str, float | None] = field(default_factory=dict, hash=False)
    revealed: float | None = None
    told: float | None = None
    recalled: float | None = None

    @property
    def shares(self) -> dict[str, float]:
        """Those of `SHARES` that were measured, by name."""
        return {name: share for name in SHARES if (share := getattr(self, name)) is not None}

    def measured(self, shares: Mapping[str, float]) -> Self:
        """The turn with some of `SHARES`, by name."""
        return replace(self, revealed=shares.get("revealed"), told=shares.get("told"), recalled=shares.get("recalled"))

    def to_row(self) -> Row:
        row = {"user": self.user, "reply": self.reply, "score": self.score, "judgement": self.judgement}
        return row | ({"criteria": dict(self.criteria)} if self.criteria else {}) | self.shares

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        found = {name: number_or_none(row["criteria"], name) for name in row.get("criteria", ())}
        shares = {name: number(row, name) for name in SHARES if row.get(name) is not None}
        return cls(text(row, "user"), text(row, "reply"), number_or_none(row, "score"), text(row, "judgement"), found, **shares)


@dataclass(frozen=True, slots=True)
class Transcript:
    """A benchmark conversation of one policy with one held-out persona, and its scores.

    `became`: who the user was at the end, where that is another than at the beginning.
    Of a recorded chat, whose scores are a person's ratings: `user_id` says whose, for one person may have several personas,
    `chat_id` which of several it is, and `unanswered` what the user said last, where nobody replied.
    """

    persona: Persona
    policy: str
    turns: tuple[Turn, ...]
    rubric: str = DEFAULT_RUBRIC
    became: Persona | None = None
    user_id: str = ""
    chat_id: str = ""
    unanswered: str = ""

    @property
    def conversation_id(self) -> str:
        return digest(self.policy, self.persona.persona_id, *([self.chat_id] if self.chat_id else []))

    @property
    def scores(self) -> tuple[float | None, ...]:
        return tuple(turn.score for turn in self.turns)

    def to_row(self) -> Row:
        return {
            "conversation_id": self.conversation_id,
            "policy": self.policy,
            **self._of_record,
            "persona_id": self.persona.persona_id,
            "profile": self.persona.profile,
            "personality": self.persona.personality,
            **self._of_rubric,
            "turns": [turn.to_row() for turn in self.turns],
            **({"unanswered": self.unanswered} if self.unanswered else {}),
        } | ({"became": self.became.to_row()} if self.became else {})

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        persona, policy = Persona.from_row(row), text(row, "policy")
        rubric = text(row, "rubric") if "rubric" in row else DEFAULT_RUBRIC
        became = Persona.from_row(row["became"]) if row.get("became") else None
        recorded = {name: text(row, name) for name in ("user_id", "chat_id", "unanswered") if name in row}
        return cls(persona, policy, tuple(Turn.from_row(turn) for turn in rows(row, "turns")), rubric, became, **recorded)

    def to_scores_row(self) -> Row:
        """What `evaluate.load("aloe")` needs of this conversation; both ids say what it shares with others.
        Where R(k) was measured, it stands beside the scores."""
        return {
            "conversation_id": self.conversation_id,
            **self._of_record,
            "persona_id": self.persona.persona_id,
            "profile_id": self.persona.profile_id,
            "personality_id": self.persona.personality_id,
            **self._of_rubric,
            "scores": list(self.scores),
            **({"criteria": criteria} if (criteria := self.criteria) else {}),
            **self.shares,
        }

    @property
    def shares(self) -> dict[str, list[float]]:
        """Those of `SHARES` that were measured in every turn, by turn."""
        found = {name: [getattr(turn, name) for turn in self.turns] for name in SHARES}
        return {name: values for name, values in found.items() if values and None not in values}

    @property
    def criteria(self) -> dict[str, list[float | None]]:
        """What was said of each criterion, by turn."""
        names = dict.fromkeys(name for turn in self.turns for name in turn.criteria)
        return {name: [turn.criteria.get(name) for turn in self.turns] for name in names}

    @property
    def _of_rubric(self) -> Row:
        """Named where it is not the usual one."""
        return {} if self.rubric == DEFAULT_RUBRIC else {"rubric": self.rubric}

    @property
    def _of_record(self) -> Row:
        """Of a recorded chat alone."""
        return {name: found for name, found in (("user_id", self.user_id), ("chat_id", self.chat_id)) if found}
