"""ALOE without training: the inferrer says who the user is, and the reply is written under the prompt of a tailored reply."""

from __future__ import annotations

from dataclasses import dataclass

from aloe_hub.chat.asking import Call, inferred, tailored_prompt
from aloe_hub.chat.base import Chat, ChatReply, ChatRequest
from aloe_hub.chat.policies.steps import conversation, spoken, step, within
from aloe_hub.chat.wrappers import Tuned
from aloe_hub.errors import ChatError, ParseError
from aloe_hub.prompts.additions import exchanged
from aloe_hub.types import Message, Persona

NAME = "inferred"


@dataclass(frozen=True, slots=True)
class Inferring:
    """Asks who the user is. `same`: it is the model of the policy, and wants the further fields that are sent to that one."""

    chat: Chat
    same: bool = False

    async def persona(self, request: ChatRequest, policy: str) -> Persona:
        """
        Raises:
            ChatError: the call failed, or no attempt could be read.
        """
        fields = {"extra_body": request.sampling.extra_body} if self.same else {}
        label = within(request, f"{policy}/infer")
        try:
            return await inferred(Tuned(self.chat, fields), conversation(request), Call(str(request.seed), 0), label)
        except ParseError as error:
            raise ChatError(f"{policy}: its inferrer cannot be read: {error}") from None


def tailored_to(request: ChatRequest, persona: Persona) -> tuple[Message, ...]:
    """The messages of `request`, with the prompt of a tailored reply in place of the conversation in it."""
    *spoken_before, asked = conversation(request)
    (prompt,) = tailored_prompt(spoken_before, asked.content, persona)
    return exchanged(request.messages, prompt)


@dataclass(frozen=True, slots=True)
class Tailored:
    """Infers, then asks for a tailored reply."""

    inner: Chat
    inferring: Inferring

    async def complete(self, request: ChatRequest) -> ChatReply:
        persona = await self.inferring.persona(request, NAME)
        return spoken(await self.inner.complete(step(request, NAME, "reply", tailored_to(request, persona))))
