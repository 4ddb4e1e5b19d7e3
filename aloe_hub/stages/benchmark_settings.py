"""What a benchmark is run with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from aloe_hub.errors import UsageError
from aloe_hub.files.settings import check_conversations, check_roles, check_sampling
from aloe_hub.model_string import ModelString
from aloe_hub.rubrics import DEFAULT, rubric
from aloe_hub.stages.people import FIRST
from aloe_hub.stages.revealed import EXACT

ROLES = ("user", "policy", "judge")


@dataclass(frozen=True, slots=True)
class BenchmarkSettings:
    """What decides the scores, beside the policy.

    `temperature` is the policy's; None: as in `roles.SAMPLING`. `sampling`: by role, fields of `Sampling` that are to be others.
    `structured`: the judge is asked for JSON of a schema, where the server has it.

    Scenarios: at turn `shift` (counted from 1) `shift_share` of the user, None: all, becomes somebody else's; `cold` users open
    with a bare greeting and let show at most 15% of themselves in a turn; who talks for longer than ten turns has more to tell
    `later`.
    `revealed`: how R(k) is measured, "exact" in the scripted world, or the name of an embedder; None: it is not. `later` and
    `revealed` are as `settled` has them.
    """

    user: str = "scripted"
    judge: str = "scripted"
    turns: int = 10
    seed: int = 0
    split: str = "test"
    limit: int | None = None
    temperature: float | None = None
    sampling: dict[str, dict[str, Any]] | None = None
    structured: bool = False
    rubric: str = DEFAULT
    shift: int | None = None
    shift_share: float | None = None
    cold: bool = False
    later: bool = False
    revealed: str | None = None

    def __post_init__(self) -> None:
        check_conversations(self.turns, self.seed, self.limit, self.temperature)
        check_roles({"user": self.user})
        rubric(self.rubric)
        check_sampling(self.sampling, ROLES)
        if self.shift is not None and not 2 <= self.shift <= self.turns:
            raise UsageError(f"--shift {self.shift}: must be from 2 to the last turn, {self.turns}")
        if self.shift_share is not None and not 0 < self.shift_share <= 1:
            raise UsageError(f"--shift-share {self.shift_share}: must be more than 0 and at most 1")
        if self.shift_share is not None and self.shift is None:
            raise UsageError("--shift-share: says how much of a user a shift changes; give --shift TURN too")

    @property
    def calls_a_conversation(self) -> int:
        """At most, when every answer can be read at once: user, policy, judge."""
        return self.turns * 3


def settled(settings: BenchmarkSettings, recorded: object) -> BenchmarkSettings:
    """The settings with what follows from the others: with a scripted user R(k) is exact, and there is more to tell later.

    recorded: what `run.toml` says of the stage, None where it has not begun. A run that was begun without them goes on without.
    """
    before: Mapping[str, Any] = recorded if isinstance(recorded, Mapping) else {}
    if not ModelString.recorded(settings.user).is_scripted:
        return replace(settings, later=False)
    fresh = recorded is None
    return replace(
        settings,
        later=settings.turns > FIRST and settings.shift is None and (fresh or bool(before.get("later"))),
        revealed=settings.revealed or (EXACT if fresh or before.get("revealed") else None),
    )
