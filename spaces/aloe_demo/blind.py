"""Two replies without their names, in an order that a coin decides, and a vote; beside it what the judge would have said.

Nobody knows a visitor's persona: the judge is given what the inferrer has understood of them, and asked in both orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from secrets import randbelow
from typing import Literal

from models import Models
from talk import Talk

from aloe_hub.stages import roles
from aloe_hub.stages.roles import Call
from aloe_hub.types import Index, Message, Persona, Row

Agreement = Literal["agrees", "differs", "no preference", "unread"]
LABELS = ("A", "B")


@dataclass(frozen=True, slots=True)
class Order:
    """Which model's reply stands first, as A."""

    first: Index

    @classmethod
    def drawn(cls) -> Order:
        return cls(1 if randbelow(2) else 0)

    def side(self, place: Index) -> Index:
        """Whose reply is A (0) or B (1)."""
        return self.first if place == 0 else 1 if self.first == 0 else 0


def vote_row(talk: Talk, chosen: Index) -> Row:
    """The vote on the last turn of a talk: `turn, prompt, chosen, rejected`, the `pairs` columns without any id."""
    *_, turn = talk.turns
    replies = [Message("assistant", said.text).to_row() for said in turn.said]
    prompt = (*Talk(talk.turns[:-1]).messages, Message("user", turn.user))
    return {
        "turn": len(talk.turns) - 1,
        "prompt": [message.to_row() for message in prompt],
        "chosen": [replies[chosen]],
        "rejected": [replies[1 - chosen]],
    }


async def judged(talk: Talk, chosen: Index, models: Models) -> tuple[Agreement, str]:
    """Whether the judge, asked in both orders about the last turn, prefers the chosen reply too; why it cannot be read."""
    *_, turn = talk.turns
    first, second = (said.text for said in turn.said)
    spoken, persona = Talk(talk.turns[:-1]).messages, turn.inferred or Persona("", "")
    call = Call(talk.id, len(talk.turns) - 1)
    try:
        verdicts = await roles.both_orders(models.judge.chat, persona, spoken, turn.user, (first, second), call)
    except Exception as error:
        return "unread", models.judge.failed(error)
    choices = {verdict.choice for verdict in verdicts}
    return ("no preference" if len(choices) > 1 or None in choices else "agrees" if chosen in choices else "differs"), ""
