"""ZeroGPU: where a GPU is lent for each call, what runs on it goes through `spaces.GPU`. Elsewhere nothing changes."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from models import Models

from aloe_hub.chat.base import Chat, ChatReply, ChatRequest
from aloe_hub.model_string import ModelString


def on_gpu(models: Models) -> Models:
    """The same models, of which the `local:` ones are lent a GPU where that is how this machine has one."""
    if not os.environ.get("SPACES_ZERO_GPU"):
        return models
    import spaces  # which mypy takes for the folder of a checkout

    def on_loan(chat: Chat) -> Chat:
        def complete(request: ChatRequest) -> ChatReply:
            return asyncio.run(chat.complete(request))

        return OnLoan(spaces.GPU(complete))  # type: ignore[attr-defined]

    # Loaded before anything is lent: a loan is a copy of this process, in which nothing goes on loading.
    local = {name: part for name, part in models.parts.items() if "local" in _schemes(part.model)}
    there = {name: part for name, part in local.items() if part.ready and not part.problem}
    return replace(models, **{name: replace(part, chat=on_loan(part.ready)) for name, part in there.items()})


def _schemes(model: str) -> set[str]:
    """Of all models that take part."""
    return {one.scheme for one in ModelString.recorded(model).models}


@dataclass(frozen=True, slots=True)
class OnLoan:
    """A `Chat` whose calls each run where the GPU is lent: in another process, so the reply comes whole."""

    call: Callable[[ChatRequest], ChatReply]
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    async def complete(self, request: ChatRequest) -> ChatReply:
        def locked() -> ChatReply:
            with self.one_at_a_time:  # one event loop uses a model at a time
                return self.call(request)

        return await asyncio.to_thread(locked)
