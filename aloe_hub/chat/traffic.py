"""All calls of one command: which models are open, how many requests are in flight, what they cost.

Models behind endpoints share one limit and one ledger, whatever their roles. A model in this process is written down too, but
waits for nobody: it answers in batches. The scripted world and the semantic judge are neither limited nor written down:
they answer at once, for nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aloe_hub.chat import TIMEOUT, open_chat
from aloe_hub.chat.base import Chat, Connected
from aloe_hub.chat.ledger import Ledger, Metered
from aloe_hub.chat.policies import open_policy
from aloe_hub.chat.wrappers import ATTEMPTS, FIRST_WAIT, ConcurrencyLimit, Guarded, Limited, Pace, Retrying
from aloe_hub.errors import UsageError
from aloe_hub.model_string import ModelString

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Limits:
    """What servers are asked to bear: requests in flight, requests and tokens a minute, seconds for a reply, tries for a call."""

    concurrency: int = 32
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    timeout: float = TIMEOUT
    attempts: int = ATTEMPTS
    first_wait: float = FIRST_WAIT  # seconds, before a call is sent again for the first time

    def __post_init__(self) -> None:
        for option, value, least in (("--concurrency", self.concurrency, 1), ("--attempts", self.attempts, 1)):
            if value < least:
                raise UsageError(f"{option} {value}: must be at least {least}")
        for option, limit in (
            ("--requests-per-minute", self.requests_per_minute),
            ("--tokens-per-minute", self.tokens_per_minute),
            ("--timeout", self.timeout),
        ):
            if limit is not None and not limit > 0:
                raise UsageError(f"{option} {limit:g}: must be more than 0")


@dataclass(slots=True)
class Traffic:
    """Opens models for `run`, within `limits`, and books their calls in `ledger`.

    open_chat: takes a model string and a timeout in seconds; tests give one that opens models of their own.

    >>> from aloe_hub.chat.base import ChatRequest, Sampling
    >>> from aloe_hub.types import Message
    >>> hello = ChatRequest((Message("user", "Any dinner ideas?"),), Sampling(), seed=1, role="policy")
    >>> traffic = Traffic()
    >>> traffic.run(traffic.open("scripted:parrot").complete(hello)).text
    'Any dinner ideas?'
    """

    limits: Limits = field(default_factory=Limits)
    ledger: Ledger = field(default_factory=Ledger)
    open_chat: Callable[[str, float], Chat] = open_chat
    _open: dict[str, Chat] = field(default_factory=dict)
    _limit: ConcurrencyLimit = field(init=False)
    _connected: list[Connected] = field(default_factory=list)

    def __post_init__(self) -> None:
        paces = [Pace(most) if most else None for most in (self.limits.requests_per_minute, self.limits.tokens_per_minute)]
        self._limit = ConcurrencyLimit(self.limits.concurrency, *paces)

    def open(self, model: str) -> Chat:
        """The `Chat` that a model string names; one for each string, however many roles it plays.

        Raises:
            UsageError: it is invalid; or there is a budget, and no price for it.
            AloeError: it cannot be opened.
        """
        if model not in self._open:
            self._open[model] = self._wrapped(model)
        return self._open[model]

    def _wrapped(self, model: str) -> Chat:
        named, limits = ModelString.parse(model), self.limits
        if named.inner is not None:  # it asks nobody but the models in it
            return open_policy(named, self.open)
        if named.is_remote and self.ledger.budget is not None and model not in self.ledger.prices:
            raise UsageError(f"--budget: no price for {model!r}; add it to the table that --prices names")
        chat = self.open_chat(model, limits.timeout)
        if named.scheme in ("scripted", "semantic"):
            return chat
        metered = Metered(chat, model, self.ledger)
        if not named.is_remote:
            return metered
        if isinstance(chat, Connected):
            self._connected.append(chat)
        return Guarded(Retrying(Limited(metered, self._limit), limits.attempts, limits.first_wait), model)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """`asyncio.run`, and every connection is closed at its end. Models that were opened may be used in a later `run`."""
        self._limit.clear()

        async def closing() -> T:
            try:
                return await work
            finally:
                for chat in self._connected:
                    await chat.close()

        return asyncio.run(closing())
