"""A turn with its fork: the user's message, two or more replies to one history, and the judge's order of them.

Of two replies one is tailored and one plain; further ones are further samples of the two in turn, or all are a policy's. A policy
sampled again says much the same again. A *diverse* fork has replies for different people instead, after Community Alignment
(https://arxiv.org/abs/2507.09650), whose candidates are to differ on purpose: for the user as inferred, for nobody, and then, two
and two, for people near to the user of whom each is told what the other is not. There one call writes four replies; here each has
its own, so that any model can be asked, in any role.

A tournament asks the judge about each two replies in both orders, a question that shows its bias and may be answered by a tie:
k (k - 1) calls. Scores are k calls, on a scale of five steps where good replies meet at the top; and the question is that of the
benchmark, so what is trained on would be chosen by what it is measured by. So a tournament is the default.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from aloe_hub.chat.policies.neighbours import shared_out
from aloe_hub.errors import UsageError
from aloe_hub.files.settings import at_least
from aloe_hub.stages import roles
from aloe_hub.stages.roles import Call, Cast
from aloe_hub.stages.workers import together
from aloe_hub.types import MOST_REPLIES, Exchange, Message, Persona, Reply, Tree

CHOICES = {"continue_with": ("coin", "best"), "rank_by": ("tournament", "scores"), "pairs": ("best", "all")}


@dataclass(frozen=True, slots=True)
class Forking:
    """How many replies a fork has, who orders them, and which of them the conversation goes on from."""

    replies: int = 2
    continue_with: str = "coin"
    rank_by: str = "tournament"
    diverse: bool = False

    def __post_init__(self) -> None:
        at_least("--replies", self.replies, 2)
        if self.replies > MOST_REPLIES:
            raise UsageError(f"--replies {self.replies}: must be at most {MOST_REPLIES}")

    @property
    def verdicts(self) -> int:
        """Calls of the judge a fork, at most."""
        return self.replies if self.rank_by == "scores" else self.replies * (self.replies - 1)


async def grow(
    persona: Persona, cast: Cast, *, tree_id: str, turns: int, temperature: float | None = None, forking: Forking | None = None
) -> Tree:
    """Grow one tree; `temperature` is the policy's. A turn that fails raises and leaves no trace: trees are values.

    Raises:
        ParseError, ChatError: the first thing that went wrong.
    """
    forking = forking or Forking()
    spoken: tuple[Message, ...] = ()
    judged: list[asyncio.Task[Exchange]] = []
    async with together() as judges:
        for turn in range(turns):
            call = Call(tree_id, turn)
            opened = await _open_turn(persona, spoken, cast, call, temperature, forking)
            judged.append(judges.create_task(_judge(persona, spoken, opened, cast, call, forking)))
            # The next turn follows the coin, not the verdict, so it need not wait for the judge.
            said = opened if forking.continue_with == "coin" else await judged[-1]
            spoken = (*spoken, *said.messages)
    return Tree(tree_id, persona, tuple(task.result() for task in judged))


async def _open_turn(
    persona: Persona, spoken: tuple[Message, ...], cast: Cast, call: Call, temperature: float | None, forking: Forking
) -> Exchange:
    """A turn before its verdicts."""
    user = await roles.user_message(cast.user, persona, spoken, call)
    messages = (*spoken, Message("user", user))
    inferred = Persona("", "")
    known: list[Persona | None] = [None] * forking.replies
    if cast.policy is None or forking.diverse:
        inferred = await roles.inferred(cast.inferrer, messages, call)
        known = _people(inferred, forking, call)

    async def reply(place: int) -> Reply:
        sample, told = str(place), known[place]
        if cast.policy is not None:
            asked = messages if told is None else roles.tailored_prompt(spoken, user, told)
            return Reply("policy", await roles.policy_reply(cast.policy, asked, call, sample, temperature))
        sample = sample if place > 1 else ""  # the first two have the seeds that they had when there were no others
        if told is None:
            return Reply("plain", await roles.plain_reply(cast.plain, spoken, user, call, sample))
        return Reply("tailored", await roles.tailored_reply(cast.tailored, spoken, user, told, call, sample))

    replies = await asyncio.gather(*(reply(place) for place in range(forking.replies)))
    return Exchange(user, inferred, tuple(replies), (), call.seed("coin", "", 0) % forking.replies)


def _people(inferred: Persona, forking: Forking, call: Call) -> list[Persona | None]:
    """Whom each reply is written for; None: for nobody."""
    found: list[Persona | None] = [inferred, None]
    for place in range(2, forking.replies, 2):
        found += shared_out(inferred, call.seed("neighbour", str(place), 0)) if forking.diverse else (inferred, None)
    return found[: forking.replies]


async def _judge(
    persona: Persona, spoken: tuple[Message, ...], opened: Exchange, cast: Cast, call: Call, forking: Forking
) -> Exchange:
    fork = await roles.ranked(cast.judge, persona, spoken, opened, call, by_scores=forking.rank_by == "scores")
    best = fork.best_and_worst
    return replace(fork, spoken=best[0]) if best and forking.continue_with == "best" else fork
