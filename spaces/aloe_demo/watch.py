"""A simulated user, who knows the persona, talks with both models; the judge, who knows it too, scores every reply.

As in the benchmark, but turn by turn, so that it can be watched: each model has a conversation of its own, since what the user
says next follows from the reply. The seeds of the user leave the model out: both meet the same user, as far as they let them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from secrets import token_hex
from typing import Any, Self

from models import Models, Part
from safe import MOST_SHOWN
from session import growing

from aloe_hub import scoring
from aloe_hub.stages import roles
from aloe_hub.stages.roles import Call
from aloe_hub.types import Index, Message, Persona


@dataclass(frozen=True, slots=True)
class Step:
    """One turn; without a score, `judgement` says why."""

    user: str
    reply: str
    score: float | None
    judgement: str


@dataclass(frozen=True, slots=True)
class Watched:
    """One model's conversation so far; `doing` says who is at work, `problem` why it ended early."""

    title: str
    steps: tuple[Step, ...] = ()
    inferred: tuple[Persona | None, ...] = ()
    doing: str = ""
    problem: str = ""

    @property
    def numbers(self) -> dict[str, Any] | None:
        """What the `aloe` metric says of this conversation, without intervals: one conversation has none. None: no turn yet."""
        return scoring.score([[step.score for step in self.steps]], n_resamples=0).to_dict() if self.steps else None


@dataclass(frozen=True, slots=True)
class Watch:
    persona: Persona
    turns: int
    sides: tuple[Watched, Watched]
    id: str = field(default_factory=token_hex)

    @classmethod
    def begun(cls, persona: Persona, models: Models, turns: int) -> Self:
        first, second = (Watched(part.title) for part in (models.base, models.aligned))
        return cls(persona, turns, (first, second))

    def stopped(self) -> Self:
        """The conversations end here."""
        first, second = (
            side if side.problem or len(side.steps) == self.turns else replace(side, doing="", problem="stopped here")
            for side in self.sides
        )
        return replace(self, sides=(first, second))


def watched(watch: Watch, models: Models, temperature: float) -> AsyncIterator[Watch]:
    """Both conversations of a `begun` watch, again and again while they grow; temperature: of the two models."""
    persona, sides = watch.persona, list(watch.sides)
    news = asyncio.Event()

    async def follow(side: Index, policy: Part) -> None:
        def now(**changes: Any) -> None:  # noqa: ANN401 - fields of Watched
            sides[side] = replace(sides[side], **changes)
            news.set()

        spoken: tuple[Message, ...] = ()
        part = policy
        try:
            for turn in range(watch.turns):
                call = Call(watch.id, turn)
                part = models.user
                now(doing="the simulated user writes")
                message = (await roles.user_message(part.chat, persona, spoken, call))[:MOST_SHOWN]
                part = policy
                now(doing=f"{policy.title} answers")
                asked = (*spoken, Message("user", message))
                reply = (await roles.policy_reply(part.chat, asked, call, temperature=temperature))[:MOST_SHOWN]
                now(doing="the judge scores the reply")
                scored, inferred = await asyncio.gather(
                    roles.judged(models.judge.chat, persona, spoken, message, reply, call),
                    roles.inferred(models.inferrer.chat, asked, call),
                    return_exceptions=True,
                )
                # Without the judge a score is missing, without the inferrer a panel stays as it is: the conversation goes on.
                said, judgement = scored if isinstance(scored, tuple) else (None, models.judge.failed(scored))
                score = said.score if said else None
                known = inferred if isinstance(inferred, Persona) else None
                now(steps=(*sides[side].steps, Step(message, reply, score, judgement)), inferred=(*sides[side].inferred, known))
                spoken = (*asked, Message("assistant", reply))
            now(doing="")
        except Exception as error:
            now(doing="", problem=part.failed(error))

    def grown() -> Watch:
        return replace(watch, sides=(sides[0], sides[1]))

    return growing(news, grown, follow(0, models.base), follow(1, models.aligned))
