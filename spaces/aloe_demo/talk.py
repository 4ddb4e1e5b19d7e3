"""One conversation, answered by two models side by side. A visitor picks which reply it goes on from: the aligned one by default.

Talks are values: a turn that is undone, tried again or stopped half-way leaves no trace anywhere else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field, replace
from secrets import token_hex
from typing import Any, Self

from models import Models, Part
from safe import MOST_SHOWN, repeats
from session import growing

from aloe_hub.chat.base import ChatRequest, Sampling, heard
from aloe_hub.chat.policies.tailored import Inferring, Tailored
from aloe_hub.errors import UsageError
from aloe_hub.stages import roles
from aloe_hub.stages.roles import Call
from aloe_hub.types import Index, Message, Persona

ALIGNED: Index = 1


@dataclass(frozen=True, slots=True)
class Said:
    """A reply: what there is of it, whether it is at its end, why there is none, why it was broken off."""

    text: str = ""
    done: bool = False
    problem: str = ""
    broken: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """A message, its two replies, which one the conversation goes on from, and what the inferrer made of the user so far."""

    user: str
    said: tuple[Said, Said] = (Said(), Said())
    picked: Index = ALIGNED
    tries: int = 0
    inferred: Persona | None = None
    puzzled: str = ""  # why the inferrer said nothing

    @property
    def done(self) -> bool:
        return all(said.done for said in self.said) and (self.inferred is not None or bool(self.puzzled))

    @property
    def continued(self) -> Index | None:
        """The reply that the conversation goes on from: the picked one, or the only one that there is."""
        other: Index = 0 if self.picked else 1
        return next((side for side in (self.picked, other) if self.said[side].text), None)


@dataclass(frozen=True, slots=True)
class Talk:
    turns: tuple[Turn, ...] = ()
    id: str = field(default_factory=token_hex)

    @property
    def messages(self) -> tuple[Message, ...]:
        """The path that is continued. A message that nobody answered is not on it."""
        path: list[Message] = []
        for turn in self.turns:
            if (side := turn.continued) is not None:
                path += Message("user", turn.user), Message("assistant", turn.said[side].text)
        return tuple(path)

    def picked(self, side: Index) -> Self:
        """Go on from the other reply of the last turn. What was said before stays as it was said."""
        return replace(self, turns=(*self.turns[:-1], replace(self.turns[-1], picked=side))) if self.turns else self

    def undone(self) -> Self:
        return replace(self, turns=self.turns[:-1])

    def to_row(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_row(cls, row: object, most_turns: int) -> Self:
        """What `to_row` gave, as a browser kept it; of anything else, an empty talk."""
        try:
            turns = [_turn(**turn) for turn in row["turns"][:most_turns]]  # type: ignore[index]
            return cls(tuple(turns), str(row["id"])[:64])  # type: ignore[index]
        except (TypeError, KeyError, AttributeError, ValueError):
            return cls()

    def stopped(self) -> Self:
        """What is being said ends here."""
        if not self.turns or self.turns[-1].done:
            return self
        turn = self.turns[-1]
        first, second = (said if said.done else replace(said, done=True, broken="stopped") for said in turn.said)
        puzzled = turn.puzzled or ("" if turn.inferred else "stopped before the inferrer had read it")
        return replace(self, turns=(*self.turns[:-1], replace(turn, said=(first, second), puzzled=puzzled)))


def _turn(user: str, said: list[Any], picked: int, tries: int, inferred: dict[str, str] | None, puzzled: str) -> Turn:
    first, second = (
        Said(one["text"][:MOST_SHOWN], True, one["problem"][:MOST_SHOWN], one["broken"][:MOST_SHOWN]) for one in said
    )
    known = Persona(inferred["profile"][:MOST_SHOWN], inferred["personality"][:MOST_SHOWN]) if inferred else None
    return Turn(user[:MOST_SHOWN], (first, second), 1 if picked else 0, int(tries), known, puzzled[:MOST_SHOWN])


def answered(
    talk: Talk,
    message: str,
    models: Models,
    sampling: Sampling,
    most_turns: int,
    stop: asyncio.Event,
    *,
    tries: int = 0,
    noted: bool = False,
) -> AsyncIterator[Talk]:
    """The talk with its next turn, again and again while the two replies grow; unless `stop` ends it the last one is whole.

    noted: the aligned model is shown what the inferrer has understood, as the policy `inferred(M)` does it.

    Raises:
        UsageError: the conversation is full.
    """
    if len(talk.turns) >= most_turns:
        raise UsageError(f"this conversation has {most_turns} messages, which is all this page takes: clear it, or undo one")
    turn = Turn(message, tries=tries)
    asked = (*talk.messages, Message("user", message))
    call = Call(talk.id, len(talk.turns))
    said = [Said(), Said()]
    news = asyncio.Event()

    async def hear(side: Index, part: Part) -> None:
        def say(piece: str) -> None:
            if said[side].done:  # and the model has not heard of it yet
                return
            text = said[side].text + piece
            place = repeats(text)
            if place is None:
                said[side] = Said(text[:MOST_SHOWN])
            else:
                said[side] = Said(text[:place], done=True, broken="it says the same again and again")
                speaking.cancel()
            news.set()

        request = ChatRequest(asked, sampling, call.seed("policy", str(tries), 0), "policy")
        speaking = asyncio.ensure_future(heard(part.chat, request, say))
        try:
            reply = await speaking
            if not reply.text.strip():
                said[side] = Said(done=True, problem=f"{part.title} said nothing")
            else:
                full = reply.cut or len(reply.text) > MOST_SHOWN
                said[side] = Said(reply.text[:MOST_SHOWN], done=True, broken="as long as a reply may be" if full else "")
        except asyncio.CancelledError:
            if not said[side].done:  # by whoever stops both, not by `say`
                raise
        except Exception as error:
            said[side] = Said(said[side].text, done=True, problem=part.failed(error))

    async def infer() -> None:
        nonlocal turn
        users = [Message("user", text) for text in (*(earlier.user for earlier in talk.turns), message)]
        try:
            persona = await roles.inferred(models.inferrer.chat, users, call)
            turn = replace(turn, inferred=persona)
        except Exception as error:
            turn = replace(turn, puzzled=models.inferrer.failed(error))

    def grown() -> Talk:
        return replace(talk, turns=(*talk.turns, replace(turn, said=(said[0], said[1]))))

    aligned = models.aligned
    if noted:
        aligned = replace(aligned, chat=Tailored(aligned.chat, Inferring(models.inferrer.chat)))
    return growing(stop, news, grown, hear(0, models.base), hear(1, aligned), infer())
