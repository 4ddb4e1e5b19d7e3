"""One conversation of the benchmark: the user writes, the policy replies, the judge scores."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from aloe_hub.chat.base import Chat
from aloe_hub.chat.scripted import revealing
from aloe_hub.rubrics import Rubric, rubric
from aloe_hub.stages import roles
from aloe_hub.stages.benchmark_settings import BenchmarkSettings
from aloe_hub.stages.people import Person
from aloe_hub.stages.revealed import Measure, not_measured
from aloe_hub.stages.roles import Call
from aloe_hub.stages.workers import together
from aloe_hub.types import Message, Persona, Transcript, Turn, digest

COLD = 0.15  # of a persona, which a cold user lets show in a turn at most; RLPA, arXiv 2505.15456


async def converse(
    person: Person,
    policy: Callable[[int], Chat],
    user: Chat,
    judge: Chat,
    *,
    name: str,
    settings: BenchmarkSettings,
    by: Rubric | None = None,
    measure: Measure = not_measured,
) -> Transcript:
    """One conversation of `settings.turns` turns. The judge scores a reply while the conversation goes on.

    by: what the judge is asked; None: the rubric that the settings name.
    policy: who replies in a turn: the same in all, but for those that are told whom they talk with.

    Raises:
        ParseError, ChatError: the user or the policy said nothing that can be used.
    """
    # The users' seeds leave the policy out: two policies meet the same users, as far as their replies let them.
    conversation = digest(settings.seed, person.persona.persona_id, "benchmark")
    by = by or rubric(settings.rubric)
    spoken: tuple[Message, ...] = ()
    scored: list[asyncio.Task[Turn]] = []
    async with together() as judges:
        for turn, persona in enumerate(person.turns):
            call = Call(conversation, turn)
            at_most = max(1, int(COLD * revealing.size(persona))) if settings.cold else None
            message = await roles.user_message(user, persona, spoken, call, at_most)
            asked = (*spoken, Message("user", message))
            # A reply that max_tokens cut off is what the policy said: it is scored, and the ledger counts it.
            reply = await roles.policy_reply(policy(turn), asked, call, temperature=settings.temperature, cut_too=True)
            scored.append(judges.create_task(_scored(judge, persona, spoken, message, reply, call, by)))
            spoken = (*asked, Message("assistant", reply))
    turns = [task.result() for task in scored]
    shares = measure(person, [(turn.user, turn.reply) for turn in turns])
    measured = tuple(turn.measured(share) for turn, share in zip(turns, shares, strict=True))
    return Transcript(person.persona, name, measured, by.name, person.became)


async def scored_again(held: Transcript, person: Person, judge: Chat, *, settings: BenchmarkSettings, by: Rubric) -> Transcript:
    """A conversation that was held before, as `judge` scores it; what was measured of it stays."""
    conversation = digest(settings.seed, person.persona.persona_id, "benchmark")
    spoken: tuple[Message, ...] = ()
    asked = []
    for number, (turn, persona) in enumerate(zip(held.turns, person.turns, strict=True)):
        asked.append(_scored(judge, persona, spoken, turn.user, turn.reply, Call(conversation, number), by))
        spoken = (*spoken, Message("user", turn.user), Message("assistant", turn.reply))
    turns = zip(await asyncio.gather(*asked), held.turns, strict=True)
    return replace(held, turns=tuple(turn.measured(before.shares) for turn, before in turns), rubric=by.name)


async def _scored(
    judge: Chat, persona: Persona, spoken: tuple[Message, ...], message: str, reply: str, call: Call, by: Rubric
) -> Turn:
    return Turn(message, reply, *await roles.scored(roles.judged(judge, persona, spoken, message, reply, call, by)))
