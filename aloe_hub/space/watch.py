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

from aloe_hub import scoring
from aloe_hub.chat.base import Chat
from aloe_hub.space.company import Company, Part
from aloe_hub.space.safe import MOST_SHOWN
from aloe_hub.space.talk import reason
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
    def begun(cls, persona: Persona, company: Company, turns: int) -> Self:
        first, second = (Watched(part.title) for part in company.policies)
        return cls(persona, turns, (first, second))

    def stopped(self) -> Self:
        """The conversations end here."""
        first, second = (
            side if side.problem or len(side.steps) == self.turns else replace(side, doing="", problem="stopped here")
            for side in self.sides
        )
        return replace(self, sides=(first, second))


async def watched(watch: Watch, company: Company, temperature: float) -> AsyncIterator[Watch]:
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
                part = company.user
                now(doing="the simulated user writes")
                message = (await roles.user_message(part.there, persona, spoken, call))[:MOST_SHOWN]
                part = policy
                now(doing=f"{policy.title} answers")
                asked = (*spoken, Message("user", message))
                reply = (await roles.policy_reply(part.there, asked, call, temperature=temperature))[:MOST_SHOWN]
                now(doing="the judge scores the reply")
                (score, judgement), inferred = await asyncio.gather(
                    _scored(company.judge, persona, spoken, message, reply, call), _inferred(company.inferrer, asked, call)
                )
                steps = (*sides[side].steps, Step(message, reply, score, judgement))
                now(steps=steps, inferred=(*sides[side].inferred, inferred))
                spoken = (*asked, Message("assistant", reply))
            now(doing="")
        except Exception as error:
            now(doing="", problem=reason(part, error))

    tasks = asyncio.create_task(follow(0, company.base)), asyncio.create_task(follow(1, company.aligned))
    try:
        while True:
            news.clear()
            last = all(task.done() for task in tasks)
            yield replace(watch, sides=(sides[0], sides[1]))
            if last:
                return
            await news.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _scored(
    judge: Part, persona: Persona, spoken: tuple[Message, ...], message: str, reply: str, call: Call
) -> tuple[float | None, str]:
    """A judge that fails leaves a score that is missing, and the conversation goes on."""
    try:
        return await roles.score(judge.there, persona, spoken, message, reply, call)
    except Exception as error:
        return None, reason(judge, error)


async def _inferred(inferrer: Part, messages: tuple[Message, ...], call: Call) -> Persona | None:
    try:
        chat: Chat = inferrer.there
        return await roles.inferred(chat, messages, call)
    except Exception:  # the panel beside it stays empty; what was scored is none the less scored
        return None
