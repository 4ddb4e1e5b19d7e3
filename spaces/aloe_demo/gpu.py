"""ZeroGPU: where a GPU is lent for each call, what runs on it goes through `spaces.GPU`. Elsewhere nothing changes."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from aloe_hub.chat.base import ChatReply, ChatRequest
from aloe_hub.model_string import ModelString
from aloe_hub.space.company import Company, Part


def on_gpu(company: Company) -> Company:
    """The same company, whose `local:` models are lent a GPU where that is how this machine has one."""
    if not os.environ.get("SPACES_ZERO_GPU"):
        return company
    import spaces

    def lent(part: Part) -> Part:
        if part.chat is None or ModelString.parse(part.model).scheme != "local":
            return part
        chat = part.chat

        def complete(request: ChatRequest) -> ChatReply:
            return asyncio.run(chat.complete(request))

        return replace(part, chat=Lent(spaces.GPU(complete)))

    parts = {name: lent(getattr(company, name)) for name in ("base", "aligned", "user", "inferrer", "judge")}
    return Company(**parts)


@dataclass(frozen=True, slots=True)
class Lent:
    """A `Chat` whose calls each run where the GPU is lent: in another process, so the reply comes whole."""

    call: Callable[[ChatRequest], ChatReply]
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    async def complete(self, request: ChatRequest) -> ChatReply:
        def locked() -> ChatReply:
            with self.one_at_a_time:  # one event loop uses a model at a time
                return self.call(request)

        return await asyncio.to_thread(locked)
