"""Several replies, of which the one is kept that fits the inferred persona best: `best-of` and `rps`.

Robust Preference Selection draws its replies under preferences near the user's, where a model may do better than at the very
point, and selects by the user's own; who is near, neighbours.py says. Replies are drawn above temperature 0 whatever is asked
for: at 0 those of `best-of` would all be one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from aloe_hub import parsing, prompts
from aloe_hub.chat.asking import SAMPLING, Call, ask, prompted
from aloe_hub.chat.base import Chat, ChatReply, ChatRequest
from aloe_hub.chat.policies.nearness import nearness
from aloe_hub.chat.policies.neighbours import neighbour
from aloe_hub.chat.policies.steps import conversation, spoken, step, within
from aloe_hub.chat.policies.tailored import Inferring, tailored_to
from aloe_hub.errors import ChatError, ParseError
from aloe_hub.text import is_blank
from aloe_hub.types import Persona, call_seed


@dataclass(frozen=True, slots=True)
class Sampled:
    """Infers, asks for `k` tailored replies at once, and keeps the best of those that are not blank, of equal ones the first."""

    inner: Chat
    inferring: Inferring
    name: str
    k: int
    selector: Chat | None  # rates each reply alone; None: that is best which is nearest to the text of the persona

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
        if not said:
            return replies[0]
        fits = await self._fits(request, persona, [reply.text for reply in said])
        return said[max(range(len(said)), key=fits.__getitem__)]

    async def _fits(self, request: ChatRequest, persona: Persona, replies: Sequence[str]) -> Sequence[float]:
        """How well each reply fits the persona. Raises: ChatError: a call failed, or no attempt at a rating could be read."""
        chat = self.selector
        if chat is None:
            known = f"{persona.profile} {persona.personality}".strip()
            return nearness(known, replies) if known else [0.0] * len(replies)
        *before, asked = conversation(request)
        call, label = Call(str(request.seed), 0), within(request, f"{self.name}/select")

        async def rating(place: int, reply: str) -> float:
            prompt = prompted(
                "selector",
                inferred_profile=persona.profile or parsing.UNKNOWN,
                inferred_personality=persona.personality or parsing.UNKNOWN,
                conversation=prompts.conversation(before),
                message=asked.content,
                reply=reply,
            )
            return (await ask(chat, "selector", prompt, call, parsing.score, str(place), within=label))[0]

        try:
            return await asyncio.gather(*(rating(place, reply) for place, reply in enumerate(replies)))
        except ParseError as error:
            raise ChatError(f"{self.name}: its selector cannot be read: {error}") from None
