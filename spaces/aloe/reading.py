"""Scores as a person pastes or loads them → conversations of scores. A pure function; standard library only.

Three forms are read. JSON: a list of conversations, each a list of scores or an object with `scores` and, if it has them,
`profile_id` and `personality_id`. JSON Lines: one such conversation a line, as aloe writes them to `scores/POLICY.jsonl`.
Text: one conversation a line, its scores separated by tabs, semicolons, commas or spaces; a first line of words alone names
the columns, and two of them may be `profile_id` and `personality_id`. null, None, nan and, between separators, nothing
are a missing score. Everything else that is no number on the scale is an error with its place and value: never a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from reprlib import Repr

LIMIT = 2_000_000  # characters: 10,000 conversations of 10 turns, as aloe writes them
TOO_LONG = f"{{:,}} characters are too many for this page, which reads {LIMIT:,}; use evaluate.load"
IDS = ("profile_id", "personality_id")
NOT_SCORES = (*IDS, "conversation_id", "persona_id")  # they stand beside the scores in aloe's files

_MISSING = ("", "null", "none", "nan")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
# What Python prints for a missing score is not JSON. Strings are matched only so that no word inside them is.
_WORD = re.compile(r'\\.|"(?:[^"\\\n]|\\.)*"|\b(?:None|NaN|nan)\b')
_JSON = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) < 20 else float(digits))  # 5,000 digits are inf
_SEVERAL = object()  # in place of a value where there are more
_REPR = Repr()  # of a deep list or a long text, only the beginning
_REPR.maxstring = _REPR.maxother = 60


class Unreadable(ValueError):
    """One line that says where, what, and why not."""


@dataclass(frozen=True, slots=True)
class Scores:
    conversations: list[list[float | None]]  # N of K scores each, none of them NaN
    cluster_ids: list[str] | None  # N, where the input had them
    personality_ids: list[str] | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    """A conversation as it was written; `cells` are numbers, None, or what no score can be made of. line: "" within a list."""

    line: str
    cells: Sequence[object]
    ids: Sequence[object] = (None, None)  # as IDS names them


def read(text: str, scale: tuple[float, float]) -> Scores:
    """The conversations in `text`.

    Raises:
        Unreadable: nothing there, ragged conversations, an id here but not there, or a score that is no number or
            outside the scale.

    >>> read("2, 3, None\\n1, , 4", (1, 5)).conversations
    [[2.0, 3.0, None], [1.0, None, 4.0]]
    >>> read('{"profile_id": "cook", "scores": [2, null]}', (1, 5))
    Scores(conversations=[[2.0, None]], cluster_ids=['cook'], personality_ids=None)
    >>> read("2 3\\n4 4/5", (1, 5))
    Traceback (most recent call last):
    reading.Unreadable: conversation 2 (line 2), turn 2: '4/5' is not a number
    """
    if len(text) > LIMIT:
        raise Unreadable(TOO_LONG.format(len(text)))
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    rows = list(_json_rows(text) if text.lstrip()[:1] in ("[", "{") else _text_rows(text))
    if not rows or not any(row.cells for row in rows):
        raise Unreadable("there are no scores yet: paste some, one conversation a line")
    conversations = []
    given = [any(row.ids[kind] is not None for row in rows) for kind in range(len(IDS))]
    for number, row in enumerate(rows, 1):
        place, turns = f"conversation {number}{row.line and f' ({row.line})'}", len(rows[0].cells)
        if len(row.cells) != turns:
            raise Unreadable(f"{place} has {_scores(len(row.cells))}, conversation 1 has {_scores(turns)}")
        for name, one, needed in zip(IDS, row.ids, given, strict=True):
            if needed and one in (None, ""):
                raise Unreadable(f"{place} has no {name}, others have one")
            if isinstance(one, bool) or not isinstance(one, str | int | None):
                raise Unreadable(f"{place}: {name} {_shown(one)} is not a text")
        conversations.append([_score(cell, scale, f"{place}, turn {turn}") for turn, cell in enumerate(row.cells, 1)])
    return Scores(conversations, *([str(row.ids[kind]) for row in rows] if given[kind] else None for kind in range(len(IDS))))


def _score(cell: object, scale: tuple[float, float], place: str) -> float | None:
    if cell is None:
        return None
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise Unreadable(f"{place}: {_shown(cell)} is not a number")
    if not scale[0] <= cell <= scale[1]:
        raise Unreadable(f"{place}: {cell:g} is outside the scale {scale[0]:g} to {scale[1]:g}")
    return float(cell)


def _json_rows(text: str) -> Iterator[_Row]:
    text = _WORD.sub(lambda found: "null" if found[0].isalpha() else found[0], text)
    whole = _decoded(text, 1)
    if isinstance(whole, list) and any(isinstance(member, list | dict) for member in whole):
        yield from (_row(member, f"conversation {number}", "") for number, member in enumerate(whole, 1))
    elif whole is not _SEVERAL:
        yield _row(whole, "line 1", "line 1")
    else:
        for number, written in enumerate(text.split("\n"), 1):
            if written.strip():
                value, line = _decoded(written.strip().removesuffix(","), number), f"line {number}"
                if value is _SEVERAL:
                    raise Unreadable(f"{line} holds more than one conversation")
                yield _row(value, line, line)


def _decoded(text: str, line: int) -> object:
    """The one value that `text` is, which begins on this line."""
    try:
        return _JSON.decode(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return _SEVERAL
        where = f"line {line + error.lineno - 1}"
        if not text[error.pos :].strip():
            raise Unreadable(f"{where}: the JSON ends too early, a bracket is not closed") from None
        near = text.split("\n")[error.lineno - 1].strip()
        raise Unreadable(f"{where}: this is not JSON: {_shown(near)}") from None
    except RecursionError:
        raise Unreadable(f"line {line}: brackets within brackets without end") from None


def _row(value: object, place: str, line: str) -> _Row:
    ids: Sequence[object] = (None, None)
    if isinstance(value, dict):
        if "scores" not in value:
            raise Unreadable(f"{place} has no 'scores': {_shown(value)}")
        ids = [value.get(name) for name in IDS]
        value = value["scores"]
    if not isinstance(value, list):
        raise Unreadable(f"{place}: {_shown(value)} is not a list of scores")
    return _Row(line, value, ids)


def _text_rows(text: str) -> Iterator[_Row]:
    separator = next((mark for mark in "\t;," if mark in text), None)
    written = [
        (line, [cell.strip(' \t"') for cell in row.split(separator)])
        for line, row in enumerate(text.split("\n"), 1)
        if row.strip() or (separator and separator in row)
    ]
    names = [name.lower() for name in written[0][1]] if len(written) > 1 else []
    if not all(name[:1].isalpha() or not name for name in names) or all(name in _MISSING for name in names):
        names = []  # the first line is a conversation, too
    for line, cells in written[1:] if names else written:
        if names and len(cells) != len(names):
            raise Unreadable(f"line {line} has {len(cells)} columns, the first line names {len(names)}")
        ids = [cells[names.index(name)] if name in names else None for name in IDS]
        scores = [cell for place, cell in enumerate(cells) if not names or names[place] not in NOT_SCORES]
        yield _Row(f"line {line}", [_cell(cell) for cell in scores], ids)


def _cell(text: str) -> float | str | None:
    return None if text.lower() in _MISSING else float(text) if _NUMBER.fullmatch(text) else text


def _scores(count: int) -> str:
    return f"{count} score" + "s" * (count != 1)


def _shown(value: object) -> str:
    text = _REPR.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
