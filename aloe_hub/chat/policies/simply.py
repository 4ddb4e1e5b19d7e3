"""For a small model: the prompt of a tailored or of a plain reply, asked as the chat that it is about.

A model of a hundred million parameters takes sections and rules for something to talk about. It can go on with a chat, and of
what a system message tells it about the user it makes some use. So the conversation in the prompt is given as a chat, with one
system message; what was inferred stands there, and nowhere for a plain reply, which is asked for in the same words otherwise.

Such a model also runs on: a reply that `max_tokens` cut off ends with its last whole sentence. Every other request, such as the
bare chat of a policy, is passed on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from aloe_hub import prompts
from aloe_hub.chat.base import Chat, ChatReply, ChatRequest
from aloe_hub.chat.policies.steps import within
from aloe_hub.parsing import UNKNOWN
from aloe_hub.types import Message

NAME = "simply"
PROMPTS = ("tailored_reply", "plain_reply")
KNOWING = (
    "You are a helpful AI assistant who knows the user well. The user: {known} Use what you know about the user in your answer."
)
STRANGER = "You are a helpful AI assistant."
BRIEF = "Answer in two or three sentences."
_SENTENCES = re.compile(r"(?s).*[.!?][\"'”’)]*(?=\s|$)")


@dataclass(frozen=True, slots=True)
class Simply:
    """Asks `inner` once; it cannot be heard while it speaks, for it may be cut."""

    inner: Chat

    async def complete(self, request: ChatRequest) -> ChatReply:
        chat = as_chat(request.messages[-1].content)
        reply = await self.inner.complete(replace(request, messages=chat or request.messages, within=within(request, NAME)))
        whole = _SENTENCES.match(reply.text) if chat and reply.cut else None
        return replace(reply, text=whole[0], cut=False) if whole else reply


def as_chat(prompt: str) -> tuple[Message, ...] | None:
    """The chat that a rendered prompt of a reply is about, with what it tells of the user; None for any other text."""
    if not prompt.startswith(tuple(f"# {prompts.load(name).title}\n" for name in PROMPTS)):
        return None
    sections = prompts.sections(prompt)
    spoken = prompts.messages(sections["CONVERSATION"])
    return (Message("system", f"{_told(sections)} {BRIEF}"), *spoken, Message("user", sections["MESSAGE"]))


def _told(sections: Mapping[str, str]) -> str:
    inferred = (" ".join(sections.get(f"INFERRED {part}", "").split()) for part in ("PROFILE", "PERSONALITY"))
    known = " ".join(text for text in inferred if text and text != UNKNOWN)
    return KNOWING.format(known=known) if known else STRANGER
