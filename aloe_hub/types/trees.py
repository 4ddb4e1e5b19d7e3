"""What was said and judged: messages, forks of two replies, and the tree of a conversation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, get_args

from aloe_hub.fields import one_of, rows, text
from aloe_hub.types.personas import Persona, Row

Index = Literal[0, 1]
# "imported": of the authors' released conversations, which do not keep which reply was the tailored one. "human": of recorded
# chats; who preferred which reply stands in the verdict. "revised": written anew, with what the person then said as a hint.
ReplySource = Literal["tailored", "plain", "policy", "imported", "human", "revised"]
Order = Literal["01", "10"]
_INDICES, _REPLY_SOURCES, _ORDERS = get_args(Index), get_args(ReplySource), get_args(Order)


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message, as every chat API and TRL have it."""

    role: Literal["system", "user", "assistant"]
    content: str

    def to_row(self) -> Row:
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class Reply:
    """One of the replies of a fork."""

    source: ReplySource
    text: str

    def to_row(self) -> Row:
        return {"source": self.source, "text": self.text}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(one_of(row, "source", _REPLY_SOURCES), text(row, "text"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge said when it saw the replies in one order. `choice` counts replies, not positions; None is a tie."""

    order: Order
    choice: Index | None
    text: str

    def to_row(self) -> Row:
        return {"order": self.order, "choice": self.choice, "text": self.text}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        return cls(one_of(row, "order", _ORDERS), one_of(row, "choice", (*_INDICES, None)), text(row, "text"))


@dataclass(frozen=True, slots=True)
class Exchange:
    """One user message, what it has revealed so far, and the fork of two replies.

    Of our own forks the judge was asked in both orders; an imported one has a single verdict, for the authors asked in one. In a
    recorded chat there are turns without a fork: one reply, and no verdict.
    """

    user: str
    inferred: Persona
    replies: tuple[Reply, ...]
    verdicts: tuple[Verdict, ...]
    spoken: Index  # a coin that never looks at the verdicts

    @property
    def is_fork(self) -> bool:
        return len(self.replies) > 1

    @property
    def preferred(self) -> Index | None:
        """The reply that all verdicts agree on, or None for a tie, and where there is no fork."""
        if not self.is_fork or self.replies[0].text == self.replies[1].text:
            return None
        first, *others = (verdict.choice for verdict in self.verdicts)
        return first if all(choice == first for choice in others) else None

    @property
    def messages(self) -> tuple[Message, Message]:
        """The exchange as it was spoken."""
        return Message("user", self.user), Message("assistant", self.replies[self.spoken].text)

    def to_row(self) -> Row:
        return {
            "user": self.user,
            "inferred_profile": self.inferred.profile,
            "inferred_personality": self.inferred.personality,
            "replies": [reply.to_row() for reply in self.replies],
            "verdicts": [verdict.to_row() for verdict in self.verdicts],
            "preferred": self.preferred,
            "spoken": self.spoken,
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        replies = tuple(Reply.from_row(reply) for reply in rows(row, "replies"))
        if len(replies) not in (1, 2):
            raise ValueError(f"a fork of {len(replies)} replies instead of 2")
        verdicts = tuple(Verdict.from_row(verdict) for verdict in rows(row, "verdicts"))
        if len(replies) == 1 and (verdicts or row["spoken"] != 0):
            raise ValueError("a turn of one reply, which is no fork, with a verdict or another reply spoken")
        if not verdicts and len(replies) == 2:
            raise ValueError("a fork without a verdict: nobody judged it, which is no tie")
        inferred = Persona(text(row, "inferred_profile"), text(row, "inferred_personality"))
        return cls(text(row, "user"), inferred, replies, verdicts, one_of(row, "spoken", _INDICES))


@dataclass(frozen=True, slots=True)
class Tree:
    """A trunk of exchanges; each keeps the reply that was not spoken."""

    tree_id: str
    persona: Persona
    exchanges: tuple[Exchange, ...] = ()

    def grown(self, exchange: Exchange) -> Self:
        return replace(self, exchanges=(*self.exchanges, exchange))

    def spoken(self, turn: int) -> tuple[Message, ...]:
        """The path actually spoken before `turn` (0-based), ended by the user's message of that turn."""
        before = (message for exchange in self.exchanges[:turn] for message in exchange.messages)
        return (*before, Message("user", self.exchanges[turn].user))

    def to_row(self) -> Row:
        return {
            "tree_id": self.tree_id,
            "persona_id": self.persona.persona_id,
            "profile": self.persona.profile,
            "personality": self.persona.personality,
            "turns": [exchange.to_row() for exchange in self.exchanges],
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        exchanges = tuple(Exchange.from_row(turn) for turn in rows(row, "turns"))
        return cls(text(row, "tree_id"), Persona.from_row(row), exchanges)
