"""Policies that write something below the user's message, and ask once: `reminder`, `cot` and `rag`.

The chat itself stays as it is, with all its turns, as in PrefEval, where these baselines come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from aloe_hub import prompts
from aloe_hub.chat.base import Chat, ChatReply, ChatRequest, heard
from aloe_hub.chat.policies.nearness import near_to
from aloe_hub.chat.policies.steps import conversation, within
from aloe_hub.prompts.additions import added
from aloe_hub.types import Message


@dataclass(frozen=True, slots=True)
class Adding:
    """Adds the prompt of its name, with the data that `data` finds in the chat as it was said; nothing where that is None."""

    inner: Chat
    name: str
    data: Callable[[Sequence[Message]], Mapping[str, str] | None]

    async def complete(self, request: ChatRequest) -> ChatReply:
        return await self.inner.complete(self._asked(request))

    async def stream(self, request: ChatRequest, say: Callable[[str], None]) -> ChatReply:
        return await heard(self.inner, self._asked(request), say)

    def _asked(self, request: ChatRequest) -> ChatRequest:
        data = self.data(conversation(request))
        messages = request.messages if data is None else added(request.messages, self.name, **data)
        return replace(request, messages=messages, within=within(request, self.name))


def nothing(chat: Sequence[Message]) -> Mapping[str, str]:
    """The data of a prompt that takes none."""
    return {}


def exchanges_of(k: int) -> Callable[[Sequence[Message]], Mapping[str, str] | None]:
    """Finds the k earlier exchanges that are nearest to the message, the nearest first; None before there is one."""
    near = near_to()

    def found(chat: Sequence[Message]) -> Mapping[str, str] | None:
        earlier = [pair for pair in pairwise(chat) if (pair[0].role, pair[1].role) == ("user", "assistant")]
        if not earlier:
            return None
        nearness = near(chat[-1].content, [f"{user.content}\n{reply.content}" for user, reply in earlier])
        # Of equally near ones the later comes first.
        order = sorted(range(len(earlier)), key=lambda place: (-nearness[place], -place))
        return {"exchanges": prompts.conversation(message for place in order[:k] for message in earlier[place])}

    return found
