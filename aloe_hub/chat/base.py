"""The one seam that is faked: how a model is spoken to.

Everything that plays a role (scripted world, a model in this process, an endpoint) is a `Chat`. A call never retries and never
guesses: it answers or raises `ChatError`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

from aloe_hub.text import answer_of, valid
from aloe_hub.types import Message

AGAIN_TEMPERATURE = 0.3  # at least: asked again at 0, a model gives the same answer
Role = Literal["profile", "personality", "user", "inferrer", "tailored", "plain", "policy", "judge", "selector"]


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is drawn; `max_tokens` bounds the answer, which also ends before the first of `stop`.

    `extra_body` is JSON of further fields for an endpoint, in the server's own words; null leaves out what would be sent.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 512
    stop: tuple[str, ...] = ()
    extra_body: str = ""

    @property
    def extra_fields(self) -> dict[str, Any]:
        return dict(json.loads(self.extra_body)) if self.extra_body else {}

    @property
    def most_tokens(self) -> int:
        """That an answer may cost: `max_tokens`, or the limit that `extra_body` sets under whichever name."""
        limits = (value for name, value in self.extra_fields.items() if name.startswith("max_") and name.endswith("_tokens"))
        return max(self.max_tokens, *(value for value in limits if type(value) is int), 0)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One call. `seed` is 31-bit and names the call: equal requests may be answered alike, others not."""

    messages: tuple[Message, ...]
    sampling: Sampling
    seed: int
    role: Role  # labels the call in the ledger; never reaches the model
    retry: int = 0  # how often it was sent before: another label
    again: bool = False  # after an answer that could not be read; drawn at `AGAIN_TEMPERATURE` at least
    schema: Mapping[str, Any] | None = None  # of the JSON that is wanted, where a server can hold an answer to one
    within: str = ""  # which step of which policy around the model asks, such as "self-critic/rewrite": another label


@dataclass(frozen=True, slots=True)
class ChatReply:
    """What was said. `cut`: it was not finished when `max_tokens` ended it. Tokens: as the model counts them; None: not told.

    `thoughts`: blocks of reasoning that came with it, and are not in `text`.
    """

    text: str
    cut: bool = False
    tokens_in: int | None = None
    tokens_out: int | None = None
    thoughts: int = 0

    @classmethod
    def received(
        cls, raw: str, *, cut: bool = False, tokens_in: int | None = None, tokens_out: int | None = None, thoughts: int = 0
    ) -> ChatReply:
        """What a language model answered, as it enters: valid Unicode, without reasoning, without control tokens at its ends.

        Reasoning that never ended is an answer that was not finished.

        >>> ChatReply.received("<think>Hm.</think>Hello!<|im_end|>")
        ChatReply(text='Hello!', cut=False, tokens_in=None, tokens_out=None, thoughts=1)
        """
        answer = answer_of(valid(raw))
        return cls(answer.text, cut or answer.open, tokens_in, tokens_out, thoughts + answer.reasoning)


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


async def heard(chat: Chat, request: ChatRequest, say: Callable[[str], None]) -> ChatReply:
    """The reply, said as it grows; of a model that cannot be heard while it speaks, the whole at once."""
    if isinstance(chat, Streaming):
        return await chat.stream(request, say)
    reply = await chat.complete(request)
    if reply.text:
        say(reply.text)
    return reply


@runtime_checkable
class Connected(Chat, Protocol):
    """A model at the other end of connections."""

    async def close(self) -> None:
        """End the connections. The next call opens new ones."""
        ...
