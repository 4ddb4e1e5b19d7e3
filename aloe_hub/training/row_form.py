"""What a training row must be, and the columns of it that training reads."""

from __future__ import annotations

import math
from reprlib import repr as shortened
from typing import Any

from aloe_hub.text import is_blank, is_valid
from aloe_hub.training.hub_rows import COMPLETIONS, KEPT
from aloe_hub.training.record import Method
from aloe_hub.types import Row

ROLES = ("system", "user", "assistant")
MOST = 16  # replies of a fork: the loss of those that are tied is over all 2^n sets of them


def training_row(row: Row, method: Method) -> Row:
    """The row with the columns that training reads.

    Raises:
        KeyError: a column is missing.
        ValueError: no messages, an unknown role, or one in the wrong place, a reply without text, or ranks, scores or a weight
            that are none.
    """
    prompt = _messages(row["prompt"], "prompt")
    if prompt[-1]["role"] != "user":
        raise ValueError(f"prompt: ends with the role {prompt[-1]['role']!r}, expected 'user'")
    found: Row = {name: row[name] for name in KEPT if row.get(name) is not None}
    found["prompt"] = prompt
    for column in COMPLETIONS[method]:
        found[column] = _reply(row[column], column)
    if method == "rank":
        found |= _ranking(row)
    if method == "sdft":
        found["privileged_context"] = _context(row["privileged_context"])
    if method in ("dpo", "rank"):
        if row.get("weight") is not None:
            found["weight"] = _number(row["weight"], "weight", least=0.0)
        if row.get("objective") is not None:
            found["objective"] = str(row["objective"])
    return found


def _ranking(row: Row) -> Row:
    """`completions`, `ranks` and `scores` of a fork; the scores None where some reply has none."""
    replies, ranks, scores = row["completions"], row["ranks"], row.get("scores")
    if not isinstance(replies, list) or not 0 < len(replies) <= MOST:
        raise ValueError(f"completions: expected 1 to {MOST} replies, found {shortened(replies)}")
    for name, values in (("ranks", ranks), ("scores", scores)):
        if (name == "ranks" or values is not None) and (not isinstance(values, list) or len(values) != len(replies)):
            raise ValueError(f"{name}: expected one for each of {len(replies)} replies, found {shortened(values)}")
    if wrong := [rank for rank in ranks if type(rank) is not int or rank < 1]:
        raise ValueError(f"ranks: expected whole numbers from 1, which is the best, found {wrong[0]!r}")
    criticisms = row.get("criticisms")
    if criticisms is not None and (
        not isinstance(criticisms, list) or len(criticisms) != len(replies) or not all(map(_is_criticism, criticisms))
    ):
        raise ValueError(f"criticisms: expected a text or null for each of {len(replies)} replies, found {shortened(criticisms)}")
    known = [_number(score, "scores") for score in scores or () if score is not None]
    return {
        "completions": [_reply(reply, "completions") for reply in replies],
        "ranks": ranks,
        "scores": known if len(known) == len(replies) else None,
    } | ({} if criticisms is None else {"criticisms": criticisms})


def _is_criticism(value: object) -> bool:
    return value is None or (isinstance(value, str) and is_valid(value) and not is_blank(value))


def _number(value: object, column: str, least: float = -math.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < least:
        raise ValueError(f"{column}: expected a number{' from 0' if least == 0 else ''}, found {value!r}")
    return float(value)


def _context(value: object) -> str:
    """What a teacher is told; "" and None say that there is nothing."""
    if value is not None and not isinstance(value, str):
        raise ValueError(f"privileged_context: expected a text, found {shortened(value)}")
    if value and not is_valid(value):
        raise ValueError(f"privileged_context: not valid Unicode: {shortened(value)}")
    return "" if value is None or is_blank(value) else value


def _reply(value: object, column: str) -> list[Row]:
    messages = _messages(value, column)
    if [message["role"] for message in messages] != ["assistant"]:
        raise ValueError(f"{column}: expected one message of the role 'assistant', found {messages!r}")
    return messages


def _messages(value: Any, column: str) -> list[Row]:  # noqa: ANN401 - whatever stands there
    if not isinstance(value, list) or not value:
        raise ValueError(f"{column}: expected messages, found {value!r}")
    for message in value:
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise ValueError(f"{column}: expected a message of the role {', '.join(ROLES)}, found {message!r}")
        if not isinstance(message.get("content"), str) or is_blank(message["content"]):
            raise ValueError(f"{column}: a message of the {message['role']} without text: {message.get('content')!r}")
        if not is_valid(message["content"]):
            raise ValueError(f"{column}: not valid Unicode in the text of the {message['role']}: {shortened(message['content'])}")
    return [{"role": message["role"], "content": message["content"]} for message in value]
