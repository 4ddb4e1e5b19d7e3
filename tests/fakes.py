"""Chats for tests, at the one seam that is faked."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aloe_hub.chat.base import Chat, ChatReply, ChatRequest
from aloe_hub.chat.scripted import Scripted
from aloe_hub.chat.traffic import Limits, Traffic
from aloe_hub.stages.roles import Cast


@dataclass
class Recording:
    """Passes calls on, and remembers them."""

    inner: Chat = field(default_factory=Scripted)
    requests: list[ChatRequest] = field(default_factory=list)

    async def complete(self, request: ChatRequest) -> ChatReply:
        self.requests.append(request)
        return await self.inner.complete(request)


@dataclass
class Saying:
    """Answers by a function of the request."""

    say: Callable[[ChatRequest], str]

    async def complete(self, request: ChatRequest) -> ChatReply:
        return ChatReply(self.say(request))


def cast(**roles: Chat) -> Cast:
    """The scripted world in every role but the given ones."""
    scripted = Scripted()
    return Cast(**dict.fromkeys(("user", "inferrer", "tailored", "plain", "judge"), scripted) | roles)


def opening(opened: Callable[[str], Chat], limits: Limits | None = None, **named: Any) -> Traffic:
    """Traffic whose models are what `opened` makes of a model string."""
    return Traffic(limits or Limits(), open_chat=lambda model, timeout: opened(model), **named)
