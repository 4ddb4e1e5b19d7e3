"""How a model is asked until its answer can be read: what the roles of the method and the steps of a policy have in common.

An answer that cannot be read is asked for again, up to `ATTEMPTS` times, each time differently: with another seed, above
temperature 0, and with the bad answer and a reminder of the form below the prompt. Then `ParseError` says what came instead.
Seeds follow from (conversation, turn, role, order, attempt): the same call has the same seed on every machine, in every order of
work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from aloe_hub import parsing, prompts
from aloe_hub.chat.base import AGAIN_TEMPERATURE, Chat, ChatRequest, Role, Sampling
from aloe_hub.errors import ChatError, ParseError, Refused, TransientError
from aloe_hub.types import Message, Persona, call_seed

T = TypeVar("T")
ATTEMPTS = 3

SAMPLING: dict[Role, Sampling] = {
    "profile": Sampling(temperature=1.0, max_tokens=4096),
    "personality": Sampling(temperature=1.0, max_tokens=4096),
    "user": Sampling(temperature=0.9, max_tokens=256),
    "inferrer": Sampling(temperature=0.0, max_tokens=512),
    "tailored": Sampling(temperature=0.7),
    "plain": Sampling(temperature=0.7),
    "policy": Sampling(temperature=0.7),
    "judge": Sampling(temperature=0.0, max_tokens=256),
    "selector": Sampling(temperature=0.0, max_tokens=256),
}


@dataclass(frozen=True, slots=True)
class Call:
    """Which call of which conversation this is: what its seed is made of."""

    conversation: str
    turn: int

    def seed(self, role: str, order: str, attempt: int) -> int:
        return call_seed(self.conversation, self.turn, role, order, attempt)


async def ask(
    chat: Chat,
    role: Role,
    messages: Sequence[Message],
    call: Call,
    read: Callable[[str], T],
    order: str = "",
    temperature: float | None = None,
    *,
    cut_too: bool = False,
    within: str = "",
) -> tuple[T, str]:
    """The value that `read` finds in the answer, and the answer. One that `max_tokens` cut off is none, unless `cut_too`.

    A policy that is asked again gets the same messages: it never sees a word of ours. `within` is as in `ChatRequest`.

    Raises:
        ParseError: the last of `ATTEMPTS` answers could not be read either.
        ChatError: the call failed for good.
    """
    sampling = SAMPLING[role] if temperature is None else replace(SAMPLING[role], temperature=temperature)
    asked = tuple(messages)
    failed: ParseError | None = None
    for attempt in range(ATTEMPTS):
        again = attempt > 0 and role != "policy"
        request = ChatRequest(asked, sampling, call.seed(role, order, attempt), role, again=again, within=within)
        try:
            reply = await chat.complete(request)
        except ChatError as error:
            if failed is None or isinstance(error, TransientError | Refused):
                raise
            raise failed from error  # only the longer prompt was refused: it may be too long for the model
        try:
            if reply.cut and not cut_too:
                raise ParseError("end of its answer before max_tokens", reply.text)
            return read(reply.text), reply.text
        except ParseError as error:
            failed = error
            if role != "policy":
                *before, last = messages
                content = prompts.asked_again(last.content, error.text, error.wanted)
                asked = (*before, replace(last, content=content))
                sampling = replace(sampling, temperature=max(sampling.temperature, AGAIN_TEMPERATURE))
    assert failed is not None
    raise failed


def prompted(name: str, **fields: str) -> tuple[Message, ...]:
    """A prompt as the one user message that every chat template can hold."""
    return (Message("user", prompts.load(name).render(**fields)),)


async def inferred(chat: Chat, messages: Sequence[Message], call: Call, within: str = "") -> Persona:
    """What the user's messages have revealed so far. The replies are there as context, not as evidence."""
    spoken = [message for message in messages if message.role != "system"]
    prompt = prompted("inferrer", conversation=prompts.conversation(spoken))
    return (await ask(chat, "inferrer", prompt, call, parsing.inferred, within=within))[0]


def tailored_prompt(spoken: Sequence[Message], message: str, known: Persona) -> tuple[Message, ...]:
    """What is said to whoever writes a reply that knows the inferred part of the persona."""
    return prompted(
        "tailored_reply",
        conversation=prompts.conversation(spoken),
        message=message,
        inferred_profile=known.profile or parsing.UNKNOWN,
        inferred_personality=known.personality or parsing.UNKNOWN,
    )
