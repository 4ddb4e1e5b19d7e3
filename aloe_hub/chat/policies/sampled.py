"""Several replies, of which the one is kept that fits the inferred persona best: `best-of` and `rps`.

Robust Preference Selection draws its replies under preferences near the user's, where a model may do better than at the very
point, and selects by the user's own; who is near, neighbours.py says. Replies are drawn above temperature 0 whatever is asked
for: at 0 those of `best-of` would all be one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from aloe_hub.chat.asking import SAMPLING
from aloe_hub.chat.base import Chat, ChatReply, ChatRequest
from aloe_hub.chat.policies.neighbours import neighbour
from aloe_hub.chat.policies.selecting import Select
from aloe_hub.chat.policies.steps import spoken, step
from aloe_hub.chat.policies.tailored import Inferring, tailored_to
from aloe_hub.text import is_blank
from aloe_hub.types import call_seed


@dataclass(frozen=True, slots=True)
class Sampled:
    """Infers, asks for `k` tailored replies at once, and keeps one of those that are not blank."""

    inner: Chat
    inferring: Inferring
    name: str
    k: int
    select: Select

    async def complete(self, request: ChatRequest) -> ChatReply:
        persona = await self.inferring.persona(request, self.name)
        told = [neighbour(persona, call_seed(request.seed, "neighbour", place)) for place in range(self.k)]
        if self.name != "rps":
            told = [persona] * self.k
        drawn = max(request.sampling.temperature, SAMPLING["policy"].temperature)
        request = replace(request, sampling=replace(request.sampling, temperature=drawn))
        asked = [step(request, self.name, "reply", tailored_to(request, one), place) for place, one in enumerate(told)]
        replies = [spoken(reply) for reply in await asyncio.gather(*(self.inner.complete(one) for one in asked))]
        said = [reply for reply in replies if not is_blank(reply.text)]
        return said[await self.select(request, self.name, persona, [reply.text for reply in said])] if said else replies[0]
