"""Scores as a person pastes or loads them → conversations of scores. A pure function; standard library only.

Three forms are read. JSON: a list of conversations, each a list of scores or an object with `scores` and, if it has one,
`profile_id`. JSON Lines: one such conversation a line, as aloe writes them to `scores/POLICY.jsonl`. Text: one conversation
a line, its scores separated by tabs, semicolons, commas or spaces; a first line of words alone names the columns, and one
of them may be `profile_id`. null, None, nan and, between separators, nothing are a missing score. Everything else that is
no number on the scale is an error with its place and value: never a guess.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from reprlib import Repr

LIMIT = 2_000_000  # characters: 10,000 conversations of 10 turns, as aloe writes them
TOO_LONG = f"{{:,}} characters are too many for this page, which reads {LIMIT:,}; use evaluate.load"
CLUSTER = "profile_id"
NOT_SCORES = ("conversation_id", "persona_id")  # they stand beside the scores in aloe's files

_MISSING = ("", "null", "none", "nan")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
# What Python prints for a missing score is not JSON. Strings are matched only so that no word inside them is.
_WORD = re.compile(r'\\.|"(?:[^"\\\n]|\\.)*"|\b(?:None|NaN|nan)\b')
_REPR = Repr()  # of a deep list or a long text, only the beginning
_REPR.maxstring = _REPR.maxother = 60


class Unreadable(ValueError):
    """One line that says where, what, and why not."""


@dataclass(frozen=True, slots=True)
class Scores:
    conversations: list[list[float | None]]  # N of K scores each, none of them NaN
    cluster_ids: list[str] | None  # N, where the input had them


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: Sequence[object]
    cluster: object = None


def read(text: str, scale: tuple[float, float]) -> Scores:
    """The conversations in `text`.

    Raises:
        Unreadable: nothing there, ragged conversations, a cluster id here but not there, or a score that is no number or
            outside the scale.

    >>> read("2, 3, None\\n1, , 4", (1, 5)).conversations
    [[2.0, 3.0, None], [1.0, None, 4.0]]
    >>> read('{"profile_id": "cook", "scores": [2, null]}', (1, 5))
    Scores(conversations=[[2.0, None]], cluster_ids=['cook'])
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
    for number, row in enumerate(rows, 1):
        if len(row.cells) != len(rows[0].cells):
            raise Unreadable(f"{_place(number, row)} has {_count(row.cells)}, conversation 1 has {_count(rows[0].cells)}")
        conversations.append([_score(cell, scale, number, row, turn) for turn, cell in enumerate(row.cells, 1)])
    return Scores(conversations, _clusters(rows))


def _score(cell: object, scale: tuple[float, float], number: int, row: _Row, turn: int) -> float | None:
    if cell is None or (isinstance(cell, str) and cell.lower() in _MISSING):
        return None
    place = f"{_place(number, row)}, turn {turn}"
    if isinstance(cell, bool) or not isinstance(cell, int | float | str) or not _NUMBER.fullmatch(str(cell)):
        raise Unreadable(f"{place}: {_shown(cell)} is not a number")
    score = float(str(cell))  # of its digits: an int too large for a float is inf, and outside the scale
    if not scale[0] <= score <= scale[1]:
        raise Unreadable(f"{place}: {_clipped(str(cell))} is outside the scale {scale[0]:g} to {scale[1]:g}")
    return score


def _clusters(rows: Sequence[_Row]) -> list[str] | None:
    if all(row.cluster is None for row in rows):
        return None
    for number, row in enumerate(rows, 1):
        if row.cluster in (None, ""):
            raise Unreadable(f"{_place(number, row)} has no {CLUSTER}, others have one")
        if isinstance(row.cluster, bool) or not isinstance(row.cluster, str | int):
            raise Unreadable(f"{_place(number, row)}: {CLUSTER} {_shown(row.cluster)} is not a text")
    return [str(row.cluster) for row in rows]


def _json_rows(text: str) -> Iterator[_Row]:
    text = _WORD.sub(lambda found: "null" if found[0].isalpha() else found[0], text)
    try:
        whole = _decoded(text, 1)
    except _ManyValues:
        for line, written in enumerate(text.split("\n"), 1):
            if written.strip():
                try:
                    yield _row(_decoded(written.strip().removesuffix(","), line), line)
                except _ManyValues:
                    raise Unreadable(f"line {line} holds more than one conversation: {_shown(written)}") from None
        return
    first = 1 + text[: len(text) - len(text.lstrip())].count("\n")
    if isinstance(whole, list) and any(isinstance(member, list | dict) for member in whole):
        yield from (_row(member, line) for line, member in _members(text))
    else:
        yield _row(whole, first)


class _ManyValues(Exception):
    """JSON, and more after it: perhaps JSON Lines."""


def _decoded(text: str, line: int) -> object:
    """The JSON value that `text` is; it begins on this line."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            raise _ManyValues from None
        if error.pos >= len(text.rstrip()):
            raise Unreadable(f"line {line - 1 + error.lineno}: the JSON ends too early, a bracket is not closed") from None
        near = text.split("\n")[error.lineno - 1][max(0, error.colno - 16) : error.colno + 14].strip()
        raise Unreadable(f"line {line - 1 + error.lineno}: this is not JSON: {_shown(near)}") from None
    except RecursionError:
        raise Unreadable(f"line {line}: brackets within brackets without end") from None
    except ValueError:  # Python refuses integers of thousands of digits
        raise Unreadable(f"line {line}: a number of thousands of digits") from None


def _members(text: str) -> Iterator[tuple[int, object]]:
    """The members of the valid JSON list that `text` is, each with the line where it begins."""
    decode, gap = json.JSONDecoder().raw_decode, re.compile(r"[\s,]*")
    position, line = 0, 1
    opened = text.index("[") + 1
    while True:
        found = gap.match(text, max(position, opened))
        assert found
        start = found.end()
        line += text.count("\n", position, start)
        if text[start] == "]":
            return
        member, position = decode(text, start)
        yield line, member
        line += text.count("\n", start, position)


def _row(value: object, line: int) -> _Row:
    cluster = None
    if isinstance(value, dict):
        if "scores" not in value:
            raise Unreadable(f"line {line} has no 'scores': {_shown(value)}")
        value, cluster = value["scores"], value.get(CLUSTER)
    if not isinstance(value, list):
        raise Unreadable(f"line {line}: {_shown(value)} is not a list of scores")
    # Text in JSON is never a score: "4" would be one by guessing.
    return _Row(line, [_Quoted(cell) if isinstance(cell, str) else cell for cell in value], cluster)


@dataclass(frozen=True, slots=True)
class _Quoted:
    text: str

    def __repr__(self) -> str:
        return json.dumps(self.text, ensure_ascii=False)


def _text_rows(text: str) -> Iterator[_Row]:
    separator = next((mark for mark in "\t;," if mark in text), None)
    rows = [
        _Row(line, _cells(written, separator, line))
        for line, written in enumerate(text.split("\n"), 1)
        if written.strip() or (separator and separator in written)
    ]
    names = [str(cell) for cell in rows[0].cells] if len(rows) > 1 else []
    if not names or not all(name[:1].isalpha() or not name for name in names) or all(name.lower() in _MISSING for name in names):
        yield from rows
        return
    names = [name.lower() for name in names]
    scores = [place for place, name in enumerate(names) if name not in (CLUSTER, *NOT_SCORES)]
    for row in rows[1:]:
        if len(row.cells) != len(names):
            raise Unreadable(f"line {row.line} has {len(row.cells)} columns, the first line names {len(names)}")
        cluster = row.cells[names.index(CLUSTER)] if CLUSTER in names else None
        yield _Row(row.line, [row.cells[place] for place in scores], cluster)


def _cells(written: str, separator: str | None, line: int) -> list[str]:
    if separator is None:
        return written.split()
    try:
        (cells,) = csv.reader([written], delimiter=separator, skipinitialspace=separator != "\t")
    except csv.Error as error:
        raise Unreadable(f"line {line}: {error}") from None
    return [cell.strip() for cell in cells]


def _place(number: int, row: _Row) -> str:
    return f"conversation {number} (line {row.line})"


def _count(cells: Sequence[object]) -> str:
    return f"{len(cells)} score" + "s" * (len(cells) != 1)


def _shown(value: object) -> str:
    return _clipped(_REPR.repr(value))


def _clipped(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"
