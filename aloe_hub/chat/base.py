"""The one seam that is faked: how a model is spoken to.

Everything that plays a role (scripted world, a model in this process, an endpoint) is a `Chat`. A call never retries and never
guesses: it answers or raises `ChatError`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from aloe_hub.types import Message

Role = Literal["profile", "personality", "user", "inferrer", "tailored", "plain", "policy", "judge"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn; `max_tokens` bounds the answer."""

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 512


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One call. `seed` is 31-bit and names the call: equal requests may be answered alike, others not."""

    messages: tuple[Message, ...]
    sampling: Sampling
    seed: int
    role: Role  # labels the call for the reader of a log; never reaches the model


@dataclass(frozen=True, slots=True)
class ChatReply:
    text: str


class Chat(Protocol):
    """A model that can be asked."""

    async def complete(self, request: ChatRequest) -> ChatReply:
        """Answer, or raise `ChatError`."""
        ...
