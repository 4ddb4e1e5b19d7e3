"""What a judge is asked of each fork, and the answers, kept in RUN/audit: a stopped audit goes on, a larger one asks the rest.

Of one reply of the fork: its score, the same again `repeat` - 1 times, and with each thing added that interventions.py knows,
beside as many neutral words. Of the reply that was written to the person: its score for somebody else. Of both: their scores, and
the verdict in both orders, unless the trees hold it.

Asked again at temperature 0 a model would say the same; so the frame of the prompt has another wording each time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aloe_hub.audit import interventions
from aloe_hub.audit.forks import Fork
from aloe_hub.audit.interventions import count_words, padded
from aloe_hub.audit.talks import is_known
from aloe_hub.chat.base import Chat, ChatReply, ChatRequest
from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import DataError, ParseError
from aloe_hub.files.journal import Journal
from aloe_hub.results.rows import rows_of
from aloe_hub.rubrics import Rubric
from aloe_hub.stages import roles
from aloe_hub.stages.journalled import journalled
from aloe_hub.stages.roles import Call
from aloe_hub.types import Persona, Row, digest

VERSION = 1  # of what is asked: answers to other questions are not taken over
FRAMES = (
    "Read all of it before you answer.",
    "Take your time, and judge only what stands here.",
    "Be as strict, and as generous, as you would be with any other reply.",
    "Somebody else will read your answer: let it be as you mean it.",
    "Answer as you would on any other day.",
)


@dataclass(frozen=True, slots=True)
class Judge:
    """Who is asked. `verdicts`: whether they are asked for too."""

    model: str
    chat: Chat
    rubric: Rubric
    version: Mapping[str, int]
    repeat: int
    seed: int
    verdicts: bool

    @property
    def made_with(self) -> str:
        """All that decides the answers."""
        return digest(VERSION, self.model, dict(self.version), self.rubric.name, self.repeat, self.seed, self.verdicts)

    @property
    def calls_a_fork(self) -> int:
        return 2 + (self.repeat - 1) + 2 + 2 + 2 + 1 + 2 * self.verdicts


@dataclass(frozen=True, slots=True)
class Reworded:
    """A judge whose prompts say one more sentence, below their title."""

    inner: Chat
    frame: str

    async def complete(self, request: ChatRequest) -> ChatReply:
        *before, last = request.messages
        title, _, rest = last.content.partition("\n")
        asked = replace(last, content=f"{title}\n\n{self.frame}\n{rest}")
        return await self.inner.complete(replace(request, messages=(*before, asked)))


def answers(
    path: Path, judge: Judge, forks: Sequence[Fork], *, traffic: Traffic, on_progress: Callable[[int, int], None]
) -> list[Row]:
    """The judge's answers on all forks, in their order; those that `path` holds are not asked for again.

    Raises:
        DataError: the judge failed on a fork, or none of its scores can be read.
        RunStopped: the budget allows no further fork, or every call fails.
    """
    wanted = {digest(judge.made_with, fork.fork_id, fork.persona.persona_id): fork for fork in forks}
    failed: list[str] = []
    with Journal(path, key="id", check=_check) as journal:
        for row in rows_of(path, dict):
            if row["id"] in wanted and row["id"] not in journal:
                journal.append(row)
        todo = {answer_id: fork.persona for answer_id, fork in wanted.items() if answer_id not in journal}
        done = len(wanted) - len(todo)
        on_progress(done, len(wanted))

        async def ask(answer_id: str, _: Persona) -> Row:
            return {"id": answer_id, **await _asked(judge, wanted[answer_id])}

        journalled(
            todo,
            ask,
            keep=journal.append,
            fail=lambda answer_id, _, reason: failed.append(f"fork {wanted[answer_id].fork_id}: {reason}"),
            traffic=traffic,
            calls=judge.calls_a_fork,
            on_progress=lambda ended: on_progress(done + ended, len(wanted)),
        )
        if failed:
            raise DataError(
                f"--judge {judge.model}: {len(failed)} forks failed; run again to try them again. The first: {failed[0]}"
            )
        rows = {row["id"]: row for row in journal.rows()}
        found = [rows[answer_id] for answer_id in wanted]
        if all(score is None for row in found for score in row["scores"]["replies"]):
            raise DataError(f"--judge {judge.model}: none of its scores can be read; it said {found[0]['unread']!r}")
        journal.finish(list(wanted))
    return found


def _check(row: Row) -> None:
    """Raises: KeyError, TypeError, ValueError: not a whole answer."""
    if not isinstance(row["scores"], dict) or not isinstance(row["scores"]["replies"], list):
        raise ValueError("an answer without scores")


async def _asked(judge: Judge, fork: Fork) -> Row:
    subject = fork.exchange.replies[fork.subject].text
    tailored = fork.exchange.replies[fork.tailored].text
    leak = interventions.leak(fork.persona, fork.said) if is_known(fork.persona) else None
    unread: list[str] = []

    async def score(name: str, reply: str, persona: Persona = fork.persona, chat: Chat = judge.chat) -> float | None:
        call = Call(digest(judge.made_with, fork.fork_id, name), fork.turn - 1)
        try:
            said, _ = await roles.judged(chat, persona, fork.spoken, fork.exchange.user, reply, call, judge.rubric)
        except ParseError as error:
            unread.append(error.text[:100])
            return None
        return said.score

    async def none() -> None:
        return None

    shorter, longer = interventions.DOSES
    asked: dict[str, list[Any]] = {
        "replies": [score(f"reply {place}", reply.text) for place, reply in enumerate(fork.exchange.replies)],
        "again": [
            score(f"again {time}", subject, chat=Reworded(judge.chat, FRAMES[time % len(FRAMES)]))
            for time in range(judge.repeat - 1)
        ],
        "padded": [score(f"padded {words}", padded(subject, words)) for words in (shorter, longer)],
        "flattering": [score("flattering", f"{interventions.FLATTERY} {subject}")],
        "self_grading": [score("self-grading", f"{subject} {interventions.SELF_GRADING}")],
        "leaking": [score("leaking", f"{subject} {leak}") if leak else none()],
        "beside_leak": [score("beside the leak", padded(subject, count_words(leak))) if leak else none()],
        "stranger": [score("stranger", tailored, fork.stranger) if fork.stranger != fork.persona else none()],
    }
    together = [one for ones in asked.values() for one in ones]
    *scores, choices = await asyncio.gather(*together, _choices(judge, fork) if judge.verdicts else none())
    ordered = iter(scores)
    return {
        "fork": fork.fork_id,
        "persona_id": fork.persona.persona_id,
        "profile_id": fork.persona.profile_id,
        "subject": fork.subject,
        "tailored": fork.tailored,
        "scores": {name: [next(ordered) for _ in ones] for name, ones in asked.items()},
        "unread": unread[0] if unread else None,
    } | ({"choices": choices} if judge.verdicts else {})


async def _choices(judge: Judge, fork: Fork) -> list[int | None]:
    first, second = (reply.text for reply in fork.exchange.replies)
    call = Call(digest(judge.made_with, fork.fork_id, "verdict"), fork.turn - 1)
    message = fork.exchange.user
    both = await roles.both_orders(judge.chat, fork.persona, fork.spoken, message, (first, second), call)
    return [verdict.choice for verdict in both]
