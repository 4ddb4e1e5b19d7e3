"""What stands between a role and a server: send again, not too much at once, and give up when everything fails.

    Guarded(Retrying(Limited(Metered(Endpoint))))

each with one job, each a `Chat` around a `Chat`; and around them `Tuned` where a role is asked with sampling of its own, `Shown`
where a judge has demonstrations. Waiting to send again happens outside the limit, so that a call which backs off leaves its turn
to another.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

from aloe_hub.chat.base import AGAIN_TEMPERATURE, Chat, ChatReply, ChatRequest
from aloe_hub.errors import ChatError, Refused, RunStopped, TransientError
from aloe_hub.types import Message

ATTEMPTS = 8
FIRST_WAIT = 1.0  # seconds
LONGEST_WAIT = 60.0
LONGEST_RETRY_AFTER = 3600.0  # a server that wants to be left alone for longer is down
WORTH_SAYING = 3  # tries of one call that failed
SAID_EVERY = 30.0  # seconds
OUTAGE = 5  # calls given up in a row, while none succeeded

log = logging.getLogger("aloe_hub")


@dataclass(frozen=True, slots=True)
class Tuned:
    """Asks with other sampling than the role's usual one (`changes` are fields of `Sampling`), or for JSON of a `schema`."""

    inner: Chat
    changes: Mapping[str, Any]
    schema: Mapping[str, Any] | None = None

    async def complete(self, request: ChatRequest) -> ChatReply:
        sampling = replace(request.sampling, **self.changes)
        if request.again:
            sampling = replace(sampling, temperature=max(sampling.temperature, AGAIN_TEMPERATURE))
        return await self.inner.complete(replace(request, sampling=sampling, schema=self.schema or request.schema))


@dataclass(frozen=True, slots=True)
class Shown:
    """Is shown, before each request, earlier ones with what was answered: demonstrations in context."""

    inner: Chat
    before: tuple[Message, ...]

    async def complete(self, request: ChatRequest) -> ChatReply:
        return await self.inner.complete(replace(request, messages=(*self.before, *request.messages)))


@dataclass(slots=True)
class Retrying:
    """Sends a call again when it failed for a reason that may pass, with exponential backoff and full jitter.

    The seed stays: it is the same call, and a model that honours seeds gives the same answer. A server that is down for longer is
    said to be, now and then, so that nobody watches a bar that stands still and wonders.
    """

    inner: Chat
    attempts: int = ATTEMPTS
    first_wait: float = FIRST_WAIT
    _said: float = -math.inf  # when, by the monotonic clock

    async def complete(self, request: ChatRequest) -> ChatReply:
        for retry in range(self.attempts - 1):
            try:
                return await self.inner.complete(replace(request, retry=retry))
            except TransientError as error:
                if (error.retry_after or 0) > LONGEST_RETRY_AFTER:
                    raise
                if retry + 1 >= WORTH_SAYING and monotonic() - self._said > SAID_EVERY:
                    self._said = monotonic()
                    log.warning("%s; %d tries of %d so far, trying again", error, retry + 1, self.attempts)
                await asyncio.sleep(self._wait(retry) if error.retry_after is None else error.retry_after)
        return await self.inner.complete(replace(request, retry=self.attempts - 1))

    def _wait(self, retry: int) -> float:
        # Drawn from all of [0, most]: callers that were refused together do not come back together.
        return random.uniform(0, min(LONGEST_WAIT, self.first_wait * 2**retry))


class Pace:
    """So much a minute, evenly spread."""

    def __init__(self, per_minute: float) -> None:
        self._seconds_each = 60 / per_minute
        self._next = 0.0  # when the next one may go, by the clock of the event loop

    async def take(self, amount: float = 1) -> None:
        """Wait until `amount` more are due."""
        now = asyncio.get_running_loop().time()
        start = max(now, self._next)
        self._next = start + amount * self._seconds_each
        await asyncio.sleep(start - now)

    def correct(self, amount: float) -> None:
        """It was `amount` more than was taken, or less."""
        self._next += amount * self._seconds_each


@dataclass(slots=True)
class ConcurrencyLimit:
    """A bounded number of requests in flight, of all servers of a run together, and how many go out in a minute."""

    concurrency: int
    requests: Pace | None = None
    tokens: Pace | None = None
    free: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Nothing is in flight any more: another event loop is about to use it."""
        self.free = asyncio.Semaphore(self.concurrency)


@dataclass(frozen=True, slots=True)
class Limited:
    """Sends when the limit allows it. Tokens are estimated before a call, at four bytes each, and corrected after it."""

    inner: Chat
    limit: ConcurrencyLimit

    async def complete(self, request: ChatRequest) -> ChatReply:
        estimate = sum(len(message.content.encode()) for message in request.messages) // 4 + request.sampling.max_tokens // 2
        requests, tokens = self.limit.requests, self.limit.tokens
        async with self.limit.free:
            if requests is not None:
                await requests.take()
            if tokens is not None:
                await tokens.take(estimate)
            reply = await self.inner.complete(request)
        if tokens is not None and reply.tokens_in is not None and reply.tokens_out is not None:
            tokens.correct(reply.tokens_in + reply.tokens_out - estimate)
        return reply


@dataclass(slots=True)
class Guarded:
    """Stops the run when a server fails every call: no tree is then worth starting, and none shall be marked as failed."""

    inner: Chat
    model: str
    answered: bool = False
    given_up: int = 0  # calls, since one succeeded

    async def complete(self, request: ChatRequest) -> ChatReply:
        try:
            reply = await self.inner.complete(request)
        except ChatError as error:
            self.given_up += 1
            # A key or a model that was never accepted, a server that never answered: no need to try it on others.
            hopeless = isinstance(error, Refused | TransientError) and not self.answered
            if hopeless or self.given_up >= OUTAGE:
                calls = "the first call" if hopeless else f"{self.given_up} calls in a row"
                raise RunStopped(
                    f"{str(error).rstrip('.')}. Stopped, since {calls} failed; what is done stays, the same command goes on"
                ) from None
            raise
        self.answered, self.given_up = True, 0
        return reply
