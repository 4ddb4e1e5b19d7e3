"""A simulated user, who knows the persona, talks with both models; the judge, who knows it too, scores every reply.

As in the benchmark, but turn by turn, so that it can be watched, and both models are asked the same: the user writes each message
once, as the conversation with the base model would have it, and each model answers it after its own earlier replies.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import Any, Self

from models import Models, Part
from safe import MOST_SHOWN
from session import growing

from aloe_hub import scoring
from aloe_hub.chat.base import Chat, ChatReply, ChatRequest, heard
from aloe_hub.stages import roles
from aloe_hub.stages.roles import Call
from aloe_hub.types import Index, Message, Persona, Row

SIDES: tuple[Index, Index] = (0, 1)
RECORDED = Path(__file__).with_name("recorded.json")


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, or what there is of it. `judgement`: what the judge said of it, "" before it has; without a score, why."""

    text: str
    score: float | None = None
    judgement: str = ""
    done: bool = True


@dataclass(frozen=True, slots=True)
class Overheard:
    """A `Chat` of which somebody else is told what it has said so far."""

    inner: Chat
    tell: Callable[[str], None]

    async def complete(self, request: ChatRequest) -> ChatReply:
        text = ""

        def say(piece: str) -> None:
            nonlocal text
            text += piece
            self.tell(text)

        return await heard(self.inner, request, say)


@dataclass(frozen=True, slots=True)
class Step:
    """One turn: the message, what the inferrer made of the user so far, the answer of each model that gave one."""

    user: str
    inferred: Persona | None = None
    answers: tuple[Answer | None, Answer | None] = (None, None)


@dataclass(frozen=True, slots=True)
class Watch:
    """Both conversations so far; `doing` says who is at work, `problems` why a model's ended early."""

    persona: Persona
    turns: int
    steps: tuple[Step, ...] = ()
    doing: str = ""
    problems: tuple[str, str] = ("", "")
    recorded: bool = False
    id: str = field(default_factory=token_hex)

    def scores(self, side: Index) -> list[float | None]:
        """Of each turn that this model answered and the judge has seen."""
        answers = (step.answers[side] for step in self.steps)
        return [answer.score for answer in answers if answer and answer.judgement]

    def numbers(self, side: Index) -> dict[str, Any] | None:
        """What the `aloe` metric says of this conversation, without intervals: one conversation has none. None: no turn yet."""
        scores = self.scores(side)
        return scoring.score([scores], n_resamples=0).to_dict() if scores else None

    @property
    def without_growing(self) -> Self:
        """What there is but for replies that are not whole yet."""
        if not self.steps:
            return self
        first, second = (answer if answer and answer.done else None for answer in self.steps[-1].answers)
        return replace(self, steps=(*self.steps[:-1], replace(self.steps[-1], answers=(first, second))))

    def stopped(self) -> Self:
        """The conversations end here, if they go on."""
        if not self.doing:
            return self
        first, second = (problem or "stopped here" for problem in self.problems)
        return replace(self, doing="", problems=(first, second))

    def to_row(self) -> Row:
        return asdict(self)

    @classmethod
    def from_row(cls, row: Row) -> Self:
        """What `to_row` gave."""
        steps = []
        for one in row["steps"]:
            first, second = (answer and Answer(**answer) for answer in one["answers"])
            steps.append(Step(one["user"], one["inferred"] and Persona(**one["inferred"]), (first, second)))
        whole = {"persona": Persona(**row["persona"]), "steps": tuple(steps), "problems": tuple(row["problems"])}
        return cls(**row | whole)


@cache
def recorded() -> Watch:
    """What the pocket model and its adapter said to a simulated user: the page opens on it, before any model is loaded."""
    return Watch.from_row(json.loads(RECORDED.read_text(encoding="utf-8")))


def watched(watch: Watch, models: Models, temperature: float, stop: asyncio.Event) -> AsyncIterator[Watch]:
    """Both conversations of a watch that has no turn yet, again and again while they grow, until `stop` is set.

    temperature: of the two models.
    """
    now, news = watch, asyncio.Event()
    persona = watch.persona
    spoken: list[tuple[Message, ...]] = [(), ()]

    def put(**changes: Any) -> None:  # noqa: ANN401 - fields of Watch
        nonlocal now
        now = replace(now, **changes)
        news.set()

    def ends(side: Index, problem: str) -> None:
        put(problems=(problem, now.problems[1]) if side == 0 else (now.problems[0], problem))

    def step(**changes: Any) -> None:  # noqa: ANN401 - fields of Step
        put(steps=(*now.steps[:-1], replace(now.steps[-1], **changes)))

    def answer(side: Index, given: Answer) -> None:
        first, second = now.steps[-1].answers
        step(answers=(given, second) if side == 0 else (first, given))

    async def reply(side: Index, policy: Part, call: Call) -> None:
        if now.problems[side]:
            return
        message = now.steps[-1].user
        asked = (*spoken[side], Message("user", message))
        speaking = Overheard(policy.chat, lambda text: answer(side, Answer(text[:MOST_SHOWN], done=False)))
        try:
            text = (await roles.policy_reply(speaking, asked, call, temperature=temperature))[:MOST_SHOWN]
        except Exception as error:
            ends(side, policy.failed(error))
            return
        answer(side, Answer(text))
        try:
            said, judgement = await roles.judged(models.judge.chat, persona, spoken[side], message, text, call)
            answer(side, Answer(text, said.score, judgement or "no reasons given"))
        except Exception as error:  # without the judge a score is missing: the conversation goes on
            answer(side, Answer(text, None, models.judge.failed(error)))
        spoken[side] = (*asked, Message("assistant", text))

    async def infer(call: Call) -> None:
        try:
            step(inferred=await roles.inferred(models.inferrer.chat, [Message("user", one.user) for one in now.steps], call))
        except Exception:  # without the inferrer the notes stay as they are
            return

    async def converse() -> None:
        for turn in range(watch.turns):
            going = [side for side in SIDES if not now.problems[side]]
            if not going:
                break
            call = Call(watch.id, turn)
            put(doing="the simulated user writes")
            try:
                message = (await roles.user_message(models.user.chat, persona, spoken[going[0]], call))[:MOST_SHOWN]
            except Exception as error:
                put(problems=(models.user.failed(error),) * 2)
                break
            put(doing="both models answer, the judge scores", steps=(*now.steps, Step(message)))
            await asyncio.gather(reply(0, models.base, call), reply(1, models.aligned, call), infer(call))
        put(doing="")

    return growing(stop, news, lambda: now, converse())
