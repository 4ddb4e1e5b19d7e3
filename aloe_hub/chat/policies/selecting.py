"""Which of several replies fits an inferred persona best: by embeddings, or by the ratings of a model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from aloe_hub import parsing, prompts
from aloe_hub.chat.asking import Call, ask, prompted
from aloe_hub.chat.base import Chat, ChatRequest
from aloe_hub.chat.policies.nearness import near_to
from aloe_hub.chat.policies.steps import conversation, within
from aloe_hub.errors import ChatError, ParseError
from aloe_hub.types import Persona

# The place of the reply to keep, out of the request, the policy's name, the inferred persona and the replies.
Select = Callable[[ChatRequest, str, Persona, Sequence[str]], Awaitable[int]]


def by_embeddings() -> Select:
    """The reply that is nearest to the text of the persona; the first while nothing is known of the user."""
    near = near_to()

    async def select(request: ChatRequest, policy: str, persona: Persona, replies: Sequence[str]) -> int:
        text = f"{persona.profile} {persona.personality}".strip()
        return _best(near(text, replies)) if text else 0

    return select


def by_ratings(chat: Chat) -> Select:
    """The reply that the model rates highest, each seen alone; of equal ones the first.

    Raises, when it selects:
        ChatError: a call failed, or no attempt at a rating could be read.
    """

    async def select(request: ChatRequest, policy: str, persona: Persona, replies: Sequence[str]) -> int:
        *before, asked = conversation(request)
        call, label = Call(str(request.seed), 0), within(request, f"{policy}/select")

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
            return _best(await asyncio.gather(*(rating(place, reply) for place, reply in enumerate(replies))))
        except ParseError as error:
            raise ChatError(f"{policy}: its selector cannot be read: {error}") from None

    return select


def _best(values: Sequence[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)
