"""The one seam that is faked: how a model is spoken to.

Everything that plays a role (scripted world, a model in this process, an endpoint) is a `Chat`. A call never retries and never
guesses: it answers or raises `ChatError`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from aloe_hub.types import Message

Role = Literal["profile", "personality", "user", "inferrer", "tailored", "plain", "policy", "judge"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn; `max_tokens` bounds the answer, which also ends before the first of `stop`."""

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One call. `seed` is 31-bit and names the call: equal requests may be answered alike, others not."""

    messages: tuple[Message, ...]
    sampling: Sampling
    seed: int
    role: Role  # labels the call in the ledger; never reaches the model
    retry: int = 0  # how often it was sent before: another label


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What was said. `cut`: it was not finished when `max_tokens` ended it. Tokens: as the model counts them; None: not told."""

    text: str
    cut: bool = False
    tokens_in: int | None = None
    tokens_out: int | None = None


class Chat(Protocol):
    """A model that can be asked."""

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Answer, or raise `ChatError`."""
        ...


@runtime_checkable
class Streaming(Chat, Protocol):
    """A model that can be heard while it speaks."""

    async def stream(self, request: ChatRequest, say: Callable[[str], None]) -> ChatReply:
        """As `complete`, but `say` is called in the event loop with each piece of the text; together they are the text."""
        ...


@runtime_checkable
class Connected(Chat, Protocol):
    """A model at the other end of connections."""

    async def close(self) -> None:
        """End the connections. The next call opens new ones."""
        ...
