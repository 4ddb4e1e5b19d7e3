"""What a reply earns while a model is trained: the judge's score by a rubric, asked through a `Traffic`.

As in the benchmark a score that cannot be read is missing, and never a number: TRL leaves such a reply out of its group. A reply
without any text is not missing. It earns the lowest score, and nobody is asked for it. Equal replies to one message are judged
once.

All replies of a step are judged at once, in an event loop of that step's own (`Traffic.run`), and not in TRL's, which lives in a
thread of its own: there Ctrl-C would leave requests behind, and connections would outlive what they were opened for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aloe_hub import parsing
from aloe_hub.chat import judged_by, world_of
from aloe_hub.chat.asking import Call
from aloe_hub.chat.base import Chat, ChatReply
from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import AloeError, ChatError, ParseError, RunStopped
from aloe_hub.rubrics import Rubric, rubric
from aloe_hub.stages import roles
from aloe_hub.stages.inferring import Agreement, agreement_of, stated_in
from aloe_hub.training.online import Online
from aloe_hub.types import Message, Persona, Row, digest

Rewards = Mapping[str, float | None]  # by name, as in `Online.weights`


@dataclass(frozen=True, slots=True)
class Replied:
    """One reply of the model in training: to whom, after what was said, and its text as it was sampled, reasoning and all."""

    row: Row  # of `asked_rows`
    spoken: tuple[Message, ...]  # ends with the message that is replied to
    raw: str

    @property
    def text(self) -> str:
        """The reply as a user sees it; "" where there is nothing to see."""
        try:
            return parsing.reply(ChatReply.received(self.raw).text)
        except ParseError:
            return ""

    @property
    def persona(self) -> Persona:
        return Persona(self.row["profile"], self.row["personality"])


@dataclass(slots=True)
class Asked:
    """Who is asked while a model is trained, and how. Made once, by `ask`."""

    online: Online  # with everybody named
    seed: int
    traffic: Traffic
    by: Rubric
    judge: Chat | None
    user: Chat | None
    agreement: Agreement | None
    unread: str = ""  # the last answer of the judge that could not be read, or why it did not answer
    _known: dict[tuple[str, str], asyncio.Task[float | None]] = field(default_factory=dict)

    async def rewards(self, replies: Sequence[Replied], calls: Sequence[Call]) -> list[Rewards]:
        """What each reply earns; nothing of any kind where the judge's score is missing, so that it isn't worth less for that.

        Raises: RunStopped: nobody can be asked any more.
        """
        self._known.clear()  # within a step alone: what is asked again later is asked as it was the first time
        names = self.online.weights
        scores = await asyncio.gather(*map(self._score, replies, calls)) if "response" in names else [None] * len(replies)
        found: list[Rewards] = []
        for reply, score in zip(replies, scores, strict=True):
            each = {"response": score, "profile": self._agrees(reply) if "profile" in names else None}
            missing = "response" in names and score is None
            found.append({name: None if missing else each[name] for name in names})
        return found

    async def _score(self, reply: Replied, call: Call) -> float | None:
        if not reply.text:
            return float(self.by.scale[0])
        key = (call.conversation + f" {call.turn}", "\n".join(message.content for message in reply.spoken) + "\n\n" + reply.text)
        if key not in self._known:
            self._known[key] = asyncio.create_task(self._judged(reply, call))
        return await self._known[key]

    async def _judged(self, reply: Replied, call: Call) -> float | None:
        assert self.judge is not None
        *spoken, asked = reply.spoken
        try:
            said, _ = await roles.judged(self.judge, reply.persona, spoken, asked.content, reply.text, call, self.by)
        except (ParseError, ChatError) as error:
            self.unread = " ".join(str(error).split())[:200]
            return None
        return said.score

    def _agrees(self, reply: Replied) -> float | None:
        assert self.agreement is not None
        said = [message.content for message in reply.spoken if message.role == "user"]
        return self.agreement(stated_in(reply.raw), reply.persona, said)

    def run(self, work: Any) -> Any:  # noqa: ANN401 - a coroutine, and what it returns
        """`Traffic.run`, whose error says how a training goes on."""
        try:
            return self.traffic.run(work)
        except RunStopped as error:
            raise RunStopped(f"{error}, with --resume") from None

    def call(self, row: Row, turn: int, step: int | str = "") -> Call:
        """The calls about a turn of a tree. A step draws users of its own, the same ones for all replies of a group."""
        return Call(digest(self.seed, row["tree_id"], f"grpo {step}".strip()), turn)

    def nothing(self, step: int, replies: int) -> AloeError:
        """None of a step's replies has any reward."""
        return AloeError(
            f"step {step}: the judge {self.online.judge} gave no score that can be read to any of {replies} replies, so there is "
            f"nothing to learn; the last: {self.unread or 'no answer'}; take another --judge, or go on later with --resume"
        )


def ask(online: Online, seed: int, traffic: Traffic) -> tuple[Asked, Row]:
    """Open everybody who is asked; and what of them decides the weights, for the record.

    online: with everybody named (`Online.of_run`).

    Raises:
        UsageError: a model string that is invalid, or one without a price where there is a budget.
        AloeError: a model that cannot be opened.
    """
    version: dict[str, int] = {}
    judge = user = None
    if online.judge is not None:
        _, version = judged_by(online.judge, None)
        judge = traffic.open(online.judge)
    if online.user is not None:
        user = traffic.open(online.user)
    models = [model for model in (online.judge, online.user) if model is not None]
    agreement = agreement_of(online.profile_by) if online.profile_weight else None
    made_by = Asked(online, seed, traffic, rubric(online.rubric), judge, user, agreement)
    return made_by, online.recorded() | world_of(models) | version
