"""Chats for tests, at the one seam that is faked."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

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


class Stopping:
    """The scripted world, interrupted at one of its calls, as by Ctrl-C; calls are counted from 1."""

    def __init__(self, at: int) -> None:
        self._left = at

    async def complete(self, request: ChatRequest) -> ChatReply:
        self._left -= 1
        if self._left == 0:
            raise KeyboardInterrupt
        return await Scripted().complete(request)


def opening(opened: Callable[[str], Chat], limits: Limits | None = None, **named: Any) -> Traffic:
    """Traffic whose models are what `opened` makes of a model string."""
    return Traffic(limits or Limits(), open_chat=lambda model, timeout: opened(model), **named)


def words_as_vectors(text):
    """A unit vector that tells which words are in a text: as near as the words that two texts share."""
    vector = np.zeros(512, dtype=np.float32)
    for word in re.findall(r"\w+", text.lower()):
        vector[sum(map(ord, word)) * 31 % 512] = 1
    return vector / max(1.0, float(np.linalg.norm(vector)))
