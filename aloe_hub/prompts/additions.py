"""What a policy adds to a chat, and the chat as it was without it.

A policy around a model speaks in two ways. It writes below the user's message (`ADDED`), so that the message stays as it is and
several policies can each add their own; or it goes on after a reply, with a message of its own (`TURNS`). `bare` takes both away
again: a policy that looks at the user's words shall not look at another policy's, and the scripted world answers people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from aloe_hub.prompts import load, messages, sections
from aloe_hub.types import Message

ADDED = ("reminder", "cot", "rag")
TURNS = ("critique", "rewrite")
TAILORED = "tailored_reply"


def added(chat: Sequence[Message], name: str, **data: str) -> tuple[Message, ...]:
    """The chat with the prompt `name` below the message that is to be answered."""
    at = answered_at(chat)
    return (*chat[:at], replace(chat[at], content=f"{chat[at].content}\n\n{load(name).render(**data)}"), *chat[at + 1 :])


def gone_on(chat: Sequence[Message], reply: str, name: str) -> tuple[Message, ...]:
    """The chat with a reply, and the prompt `name` as the next message."""
    return (*chat, Message("assistant", reply), Message("user", load(name).render()))


def answered_at(chat: Sequence[Message]) -> int:
    """Which message of the user is being answered: the last one that is not a policy's."""
    at = len(chat) - 1
    while at >= 2 and chat[at].content.startswith(tuple(f"# {load(name).title}\n" for name in TURNS)):
        at -= 2
    return at


def bare(chat: Sequence[Message]) -> tuple[Message, ...]:
    """The chat up to the message that is being answered, in the user's own words.

    >>> [message.content for message in bare(added([Message("user", "Any dinner ideas?")], "reminder"))]
    ['Any dinner ideas?']
    """
    at = answered_at(chat)
    own, _ = _parted(chat[at].content)
    if own.startswith(f"# {load(TAILORED).title}\n"):
        found = sections(own)
        if "CONVERSATION" in found and "MESSAGE" in found:
            return (*messages(found["CONVERSATION"]), Message("user", found["MESSAGE"]))
    return (*chat[:at], replace(chat[at], content=own))


def exchanged(chat: Sequence[Message], instead: Message) -> tuple[Message, ...]:
    """The chat with `instead` in place of all up to the user's own words; what policies added to them, and after them, stays."""
    at = answered_at(chat)
    _, below = _parted(chat[at].content)
    return (replace(instead, content=instead.content + below), *chat[at + 1 :])


def _parted(text: str) -> tuple[str, str]:
    """A message before and from the first prompt that was added to it."""
    starts = (text.find(f"\n\n# {load(name).title}\n") for name in ADDED)
    start = min((start for start in starts if start >= 0), default=len(text))
    return text[:start], text[start:]
