"""Policies that write something below the user's message, and ask once: `reminder`, `cot` and `rag`.

The chat itself stays as it is, with all its turns, as in PrefEval, where these baselines come from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from aloe_hub import prompts
from aloe_hub.chat.base import Chat, ChatReply, ChatRequest, heard
from aloe_hub.chat.policies.nearness import nearness
from aloe_hub.chat.policies.steps import conversation, within
from aloe_hub.prompts.additions import added
from aloe_hub.types import Message


@dataclass(frozen=True, slots=True)
class Adding:
    """Adds the prompt of its name; `rag` with up to `k` earlier exchanges, and before there is one, nothing."""

    inner: Chat
    name: str
    k: int

    async def complete(self, request: ChatRequest) -> ChatReply:
        return await self.inner.complete(self._asked(request))

    async def stream(self, request: ChatRequest, say: Callable[[str], None]) -> ChatReply:
        return await heard(self.inner, self._asked(request), say)

    def _asked(self, request: ChatRequest) -> ChatRequest:
        chat, messages = conversation(request), request.messages
        if self.name != "rag":
            messages = added(messages, self.name)
        elif near := _nearest(chat, self.k):
            messages = added(messages, self.name, exchanges=prompts.conversation(near))
        return replace(request, messages=messages, within=within(request, self.name))


def _nearest(chat: Sequence[Message], k: int) -> list[Message]:
    """The k earlier exchanges that are nearest to the message, the nearest first."""
    earlier = [pair for pair in pairwise(chat) if (pair[0].role, pair[1].role) == ("user", "assistant")]
    near = nearness(chat[-1].content, [f"{user.content}\n{reply.content}" for user, reply in earlier])
    # Of equally near ones the later comes first.
    order = sorted(range(len(earlier)), key=lambda place: (-near[place], -place))
    return [message for place in order[:k] for message in earlier[place]]
