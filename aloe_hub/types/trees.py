"""What was said and judged: messages, forks of two or more replies, and the tree of a conversation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal, Self, get_args

from aloe_hub.fields import number_or_none, one_of, rows, text
from aloe_hub.types.personas import Persona, Row

Index = Literal[0, 1]
MOST_REPLIES = 10  # of a fork: an order names two of them by one digit each
# "imported": of the authors' released conversations, which do not keep which reply was the tailored one. "human": of recorded
# chats; who preferred which reply stands in the verdict. "revised": written anew, with what the person then said as a hint.
ReplySource = Literal["tailored", "plain", "policy", "imported", "human", "revised"]
# Which reply was shown first, and which second. Of two replies there are "01" and "10", of more also "02", "31", …
Order = str
_REPLY_SOURCES = get_args(ReplySource)
_ORDERS = tuple(f"{one}{other}" for one in range(MOST_REPLIES) for other in range(MOST_REPLIES) if one != other)


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message, as every chat API and TRL have it."""

    role: Literal["system", "user", "assistant"]
    content: str

    def to_row(self) -> Row:
        return {"role": self.role, "content": self.content}


@dataclass(frozen=True, slots=True)
class Reply:
    """One of the replies of a fork; where they are ranked by scores, with its score and what the judge said of it."""

    source: ReplySource
    text: str
    score: float | None = None
    judgement: str | None = None  # None: it was not scored; with a judgement but no score, that could not be read

    def to_row(self) -> Row:
        said = {"source": self.source, "text": self.text}
        return said if self.judgement is None else said | {"score": self.score, "judgement": self.judgement}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        said = one_of(row, "source", _REPLY_SOURCES), text(row, "text")
        if row.get("judgement") is None:
            return cls(*said)
        return cls(*said, number_or_none(row, "score"), text(row, "judgement"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the judge said of two replies when it saw them in one order. `choice` counts replies, not positions; None is a tie."""

    order: Order
    choice: int | None
    text: str

    @property
    def compared(self) -> tuple[int, int]:
        """The two replies, as they were shown."""
        return int(self.order[0]), int(self.order[1])

    def to_row(self) -> Row:
        return {"order": self.order, "choice": self.choice, "text": self.text}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        order = one_of(row, "order", _ORDERS)
        return cls(order, one_of(row, "choice", (*sorted(map(int, order)), None)), text(row, "text"))


@dataclass(frozen=True, slots=True)
class Exchange:
    """One user message, what it has revealed so far, and the fork of two or more replies.

    The judge was asked in both orders about each two different replies, or for a score of each reply. An imported fork has a
    single verdict, for the authors asked in one order. In a recorded chat there are turns without a fork: one reply, no verdict.
    """

    user: str
    inferred: Persona
    replies: tuple[Reply, ...]
    verdicts: tuple[Verdict, ...]
    spoken: int  # by a coin that never looks at the verdicts, unless the run goes on from the best

    @property
    def is_fork(self) -> bool:
        return len(self.replies) > 1

    @property
    def is_scored(self) -> bool:
        return any(reply.judgement is not None for reply in self.replies)

    @property
    def places(self) -> tuple[int, ...]:
        """Which replies there are: the spoken one, then the others."""
        return self.spoken, *(place for place in range(len(self.replies)) if place != self.spoken)

    def compared(self) -> Iterator[tuple[int, int, tuple[Verdict, ...]]]:
        """Each two different replies that the judge compared, and what it said of them."""
        for one, other in combinations(self.different(), 2):
            if said := tuple(verdict for verdict in self.verdicts if verdict.compared in ((one, other), (other, one))):
                yield one, other, said

    def decided(self) -> Iterator[tuple[int, int]]:
        """(better, worse) of each two different replies of which all verdicts say the same, or whose scores differ."""
        if self.is_scored:
            scores = [(place, score) for place in self.different() if (score := self.replies[place].score) is not None]
            yield from ((one, other) for one, high in scores for other, low in scores if high > low)
            return
        for one, other, said in self.compared():
            choices = {verdict.choice for verdict in said}
            if choices == {one}:
                yield one, other
            elif choices == {other}:
                yield other, one

    def different(self) -> list[int]:
        """The replies, each text once."""
        texts = [reply.text for reply in self.replies]
        return [place for place, text in enumerate(texts) if text not in texts[:place]]

    @property
    def ranks(self) -> tuple[int | None, ...]:
        """1 is the best, and each has 1 + as many as are better: those that tie share a rank. None: its score could not be read.

        By scores, or by a tournament: how many replies one was preferred to, less how many were preferred to it (Copeland). Of
        replies that say the same each has the rank of the first.
        """
        points: dict[str, float | None] = {}
        for place in self.different():
            points[self.replies[place].text] = self.replies[place].score if self.is_scored else 0
        for better, worse in () if self.is_scored else self.decided():
            points[self.replies[better].text] = (points[self.replies[better].text] or 0) + 1
            points[self.replies[worse].text] = (points[self.replies[worse].text] or 0) - 1
        values = [points[reply.text] for reply in self.replies]
        return tuple(None if mine is None else 1 + sum(one is not None and one > mine for one in values) for mine in values)

    @property
    def best_and_worst(self) -> tuple[int, int] | None:
        """The best and the worst reply, of those that tie the first; None where all tie."""
        ranks = self.ranks
        known = [rank for rank in ranks if rank is not None]
        return (ranks.index(min(known)), ranks.index(max(known))) if len(set(known)) > 1 else None

    @property
    def preferred(self) -> int | None:
        """The best reply; None where several are, and where there is no fork. Of two: the one that all verdicts agree on."""
        best = self.best_and_worst
        return best[0] if best and self.ranks.count(1) == 1 else None

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
        } | ({"ranks": list(self.ranks)} if len(self.replies) > 2 or self.is_scored else {})

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        replies = tuple(Reply.from_row(reply) for reply in rows(row, "replies"))
        if not 1 <= len(replies) <= MOST_REPLIES:
            raise ValueError(f"a fork of {len(replies)} replies instead of 2" + f" to {MOST_REPLIES}" * (len(replies) > 2))
        verdicts = tuple(Verdict.from_row(verdict) for verdict in rows(row, "verdicts"))
        if len(replies) == 1 and (verdicts or row["spoken"] != 0):
            raise ValueError("a turn of one reply, which is no fork, with a verdict or another reply spoken")
        inferred = Persona(text(row, "inferred_profile"), text(row, "inferred_personality"))
        places = tuple(range(max(len(replies), 2)))
        found = cls(text(row, "user"), inferred, replies, verdicts, one_of(row, "spoken", places))
        if unknown := next((one for verdict in verdicts for one in verdict.compared if one not in places), None):
            raise ValueError(f"a verdict on reply {unknown} of a fork of {len(replies)}")
        if not verdicts and len({reply.text for reply in replies}) > 1 and not found.is_scored:
            raise ValueError("a fork without a verdict: nobody judged it, which is no tie")
        return found


@dataclass(frozen=True, slots=True)
class Tree:
    """A trunk of exchanges; each keeps the replies that were not spoken."""

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
