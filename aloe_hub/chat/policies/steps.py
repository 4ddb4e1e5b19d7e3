"""A step of a policy: a call that follows from the one that was asked, with a label and a seed of its own."""

from __future__ import annotations

from dataclasses import replace

from aloe_hub import parsing
from aloe_hub.chat.base import ChatReply, ChatRequest
from aloe_hub.errors import ChatError, ParseError
from aloe_hub.prompts.additions import bare
from aloe_hub.types import Message, call_seed


def conversation(request: ChatRequest) -> tuple[Message, ...]:
    """What was said, in the user's own words, up to the message that is to be answered; without system messages.

    Raises:
        ChatError: there is no such message.
    """
    chat = tuple(message for message in bare(request.messages) if message.role != "system")
    if not chat or chat[-1].role != "user":
        raise ChatError("a policy around a model needs a message of the user to answer, as the last one")
    return chat


def step(request: ChatRequest, policy: str, name: str, chat: tuple[Message, ...], place: int = 0) -> ChatRequest:
    """The request with other messages, as the step `name` of a policy; of several at once, the one at `place`."""
    return replace(request, messages=chat, seed=call_seed(request.seed, name, place), within=within(request, f"{policy}/{name}"))


def within(request: ChatRequest, policy: str) -> str:
    """The label of a policy that is asked by `request`, perhaps from inside another one."""
    return f"{request.within}/{policy}" if request.within else policy


def spoken(reply: ChatReply) -> ChatReply:
    """A reply that a prompt of ours asked for, without the quotes or the speaker's name that may stand around it."""
    try:
        return replace(reply, text=parsing.message(reply.text))
    except ParseError:  # it is said as it stands, and if it is blank, whoever asked asks again
        return reply


def with_tokens_of(reply: ChatReply, *earlier: ChatReply) -> ChatReply:
    """The reply, with what the calls before it cost too."""
    total = list(zip(*((one.tokens_in, one.tokens_out) for one in (reply, *earlier)), strict=True))
    tokens_in, tokens_out = (None if None in counts else sum(count or 0 for count in counts) for counts in total)
    return replace(reply, tokens_in=tokens_in, tokens_out=tokens_out, thoughts=sum(one.thoughts for one in (reply, *earlier)))
