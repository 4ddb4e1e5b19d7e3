"""Several replies, of which the one is kept that fits the inferred persona best: `best-of` and `rps`.

Robust Preference Selection draws its replies under preferences near the user's, where a model may do better than at the very
point, and selects by the user's own. There a preference is a direction of numbers, and a neighbour a small turn of it. Here it
is a text: a neighbour leaves out some of its statements and tells the others in another order. It invents nothing, and costs no
call. Replies are drawn above temperature 0 whatever is asked for: at 0 those of `best-of` would all be one.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

from aloe_hub.chat.asking import SAMPLING
from aloe_hub.chat.base import Chat, ChatReply, ChatRequest
from aloe_hub.chat.policies.selecting import Select
from aloe_hub.chat.policies.steps import spoken, step
from aloe_hub.chat.policies.tailored import Inferring, tailored_to
from aloe_hub.text import is_blank
from aloe_hub.types import Persona, call_seed

LEFT_OUT = 0.3  # of the statements, on average
_STATEMENT = re.compile(r"(?<=[.!?])\s+|\n+")


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


def neighbour(persona: Persona, seed: int) -> Persona:
    """A persona near to this one.

    >>> neighbour(Persona("They have a cat. They live in Lisbon. They paint.", "They are in a hurry."), 5).personality
    'They are in a hurry.'
    """
    random = Random(seed)
    return Persona(_near(persona.profile, random), _near(persona.personality, random))


def shared_out(persona: Persona, seed: int) -> tuple[Persona, Persona]:
    """Two personas near to this one: each of its statements is told by one of them.

    >>> one, other = shared_out(Persona("They have a cat. They live in Lisbon. They paint.", "They are in a hurry."), 5)
    >>> one.profile, other.profile
    ('They have a cat. They paint.', 'They live in Lisbon.')
    """
    random = Random(seed)
    told: tuple[list[str], list[str]] = [], []
    for text in (persona.profile, persona.personality):
        statements = _statements(text)
        mine = set(random.sample(range(len(statements)), (len(statements) + random.randrange(2)) // 2))
        for half, one in zip(told, (True, False), strict=True):
            half.append(" ".join(said for place, said in enumerate(statements) if (place in mine) is one))
    return Persona(*told[0]), Persona(*told[1])


def _statements(text: str) -> Sequence[str]:
    return [one for one in _STATEMENT.split(text) if one.strip()]


def _near(text: str, random: Random) -> str:
    statements = _statements(text)
    kept = [one for one in statements if random.random() >= LEFT_OUT] or random.sample(statements, min(1, len(statements)))
    random.shuffle(kept)
    return " ".join(kept)
