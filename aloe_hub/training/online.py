"""What GRPO is run with, beside the options of TRL: who judges, who the user is, and what is rewarded how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args, get_type_hints

from aloe_hub.errors import UsageError
from aloe_hub.files.settings import at_least, check_roles
from aloe_hub.rubrics import DEFAULT, rubric

Level = Literal["turn", "conversation"]
TRAIN_USER = "scripted:user?wording=train"  # half of the world's wordings are kept for the users of a benchmark


@dataclass(frozen=True, slots=True, kw_only=True)
class Online:
    """What is asked of whom while training.

    level: "turn": each spoken path of a tree is a prompt, its next reply is scored. "conversation": the model talks with a
        simulated user for `turns` turns, from the opening of a tree on, and each of its replies is scored.
    judge, user: model strings; None: the run's own, where a scripted user has the wordings for training alone. A user is asked
        for conversations only.
    discount: how much the score of the next turn counts for a reply, beside its own; of the turn after that its square, …
    response_weight, profile_weight: of RLPA's two rewards, the judge's score of the reply by the rubric, and the F1 of what the
        reply's reasoning states of the user.
    profile_by: how the F1 is measured: "exact", in the scripted world, or the name of an embedder.
    """

    level: str = "turn"
    judge: str | None = None
    user: str | None = None
    rubric: str = DEFAULT
    turns: int = 10
    discount: float = 0.5
    response_weight: float = 1.0
    profile_weight: float = 0.0
    profile_by: str = "exact"

    def __post_init__(self) -> None:
        if self.level not in get_args(Level):
            raise UsageError(f"--level {self.level!r}: must be turn or conversation")
        at_least("--turns", self.turns, 1)
        if not 0 <= self.discount <= 1:
            raise UsageError(f"discount {self.discount}: must be from 0 (a reply earns its own score) to 1")
        if min(self.response_weight, self.profile_weight) < 0 or not self.response_weight + self.profile_weight:
            each = f"response_weight {self.response_weight:g}, profile_weight {self.profile_weight:g}"
            raise UsageError(f"{each}: must be 0 or more, and not both 0")
        rubric(self.rubric)
        if self.user is not None and self.level == "turn":
            raise UsageError(f"--user {self.user}: nobody is asked at --level turn; give --level conversation, or leave it out")
        check_roles({"user": self.user} if self.user else {})

    @property
    def weights(self) -> dict[str, float]:
        """Of the rewards that count, by name."""
        each = {"response": self.response_weight, "profile": self.profile_weight}
        return {name: weight for name, weight in each.items() if weight}

    def of_run(self, recorded: Mapping[str, Any]) -> Online:
        """The settings with everybody named. recorded: what `run.toml` says.

        Raises:
            UsageError: nobody is named, neither here nor there.
        """
        models = (recorded.get("trees") or {}).get("models") or {}
        judge = self.judge or models.get("judge")
        if "response" in self.weights and judge is None:
            raise UsageError(
                "--judge: says who scores the replies, such as --judge semantic; this run folder has no trees to say it"
            )
        user = self.user
        if self.level == "conversation" and user is None:
            user = models.get("user")
            if user is None:
                raise UsageError(
                    "--user: says who talks with the model, such as hub:org/model; this run folder has no trees to say it"
                )
            user = TRAIN_USER if user == "scripted" else user
        return replace(self, judge=judge if "response" in self.weights else None, user=user)

    def recorded(self) -> dict[str, Any]:
        """What of it decides the weights."""
        found = {name: getattr(self, name) for name in NAMES} | self.weights
        for name in (["turns", "discount"] if self.level == "turn" else []) + ([] if self.profile_weight else ["profile_by"]):
            del found[name]
        return {name: value for name, value in found.items() if name not in ("response", "profile")}


NAMES = get_type_hints(Online)
