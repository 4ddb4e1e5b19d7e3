"""Self-critic: the model answers, criticises its answer in two sentences, and rewrites it; a chat that goes on for two turns."""

from __future__ import annotations

from dataclasses import dataclass

from aloe_hub.chat.base import Chat, ChatReply, ChatRequest
from aloe_hub.chat.policies.steps import conversation, spoken, step, with_tokens_of
from aloe_hub.prompts.additions import gone_on
from aloe_hub.text import is_blank

NAME = "self-critic"


@dataclass(frozen=True, slots=True)
class SelfCritic:
    """Three calls in sequence, all of the same model with the same sampling."""

    inner: Chat

    async def complete(self, request: ChatRequest) -> ChatReply:
        conversation(request)  # there is something to answer
        draft = await self.inner.complete(step(request, NAME, "draft", request.messages))
        if is_blank(draft.text):
            return draft
        criticised = gone_on(request.messages, draft.text, "critique")
        critique = await self.inner.complete(step(request, NAME, "critique", criticised))
        if is_blank(critique.text):
            return with_tokens_of(critique, draft)
        rewritten = gone_on(criticised, critique.text, "rewrite")
        reply = await self.inner.complete(step(request, NAME, "rewrite", rewritten))
        return with_tokens_of(spoken(reply), draft, critique)
