"""Scores as a person pastes or loads them → conversations of scores. A pure function; standard library only.

Three forms are read. JSON: a list of conversations, each a list of scores or an object with `scores` and, if it has them,
`profile_id` and `personality_id`; or a list of records, which are a table. JSON Lines: one of these a line, as aloe writes
them to `scores/POLICY.jsonl`. Text: a table, its columns separated by tabs, semicolons, commas or spaces, in quotes where a
field holds one of these; a first line of names says what the columns are (columns.py), without it every number is a score.
null, None, nan and, between separators, nothing are a missing score. Anything else must be a number on the scale, or it is an
error with its place and value: never a guess.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from columns import IDS, MISSING, Columns, Row, Unreadable, check_count, counts_up, is_known, numbers_turns, rows_of, shown

LIMIT = 2_000_000  # characters: 10,000 conversations of 10 turns, as aloe writes them
TOO_LONG = f"{{:,}} characters are too many for this page, which reads {LIMIT:,}; use evaluate.load"

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
# What Python prints for a missing score is not JSON. Strings are matched only so that no word inside them is.
_WORD = re.compile(r'\\.|"(?:[^"\\\n]|\\.)*"|\b(?:None|NaN|nan)\b')
_QUOTED = re.compile(r'"[^"]*"')
_JSON = json.JSONDecoder(parse_int=lambda digits: int(digits) if len(digits) < 20 else float(digits))  # 5,000 digits are inf
COUNTED = "The first line was read as numbers of turns: if it is a conversation, put a line of names (t1, t2, …) above it."
COUNTING = "The first line counts up: if it numbers the turns, delete it."
_SEVERAL = object()  # in place of a value where there are more
_Read = tuple[list[Row], str, str]  # with the form and the doubt of `Scores`


@dataclass(frozen=True, slots=True)
class Scores:
    conversations: list[list[float | None]]  # N of K scores each, none of them NaN
    cluster_ids: list[str] | None  # N, where the input had them
    personality_ids: list[str] | None = None
    form: str = field(default="", compare=False)  # as what the text was understood, in words
    doubt: str = field(default="", compare=False)  # a sentence, where the text may be meant otherwise


def read(text: str, scale: tuple[float, float]) -> Scores:
    """The conversations in `text`.

    Raises:
        Unreadable: there is nothing to read; conversations differ in length; some have an id and others do not; a score is not
            a number, or not on the scale.

    >>> read("2, 3, None\\n1, , 4", (1, 5)).conversations
    [[2.0, 3.0, None], [1.0, None, 4.0]]
    >>> read("conversation,turn,score\\na,1,2\\na,2,\\nb,2,5\\nb,1,3", (1, 5)).conversations
    [[2.0, None], [3.0, 5.0]]
    >>> read("2 3\\n4 4/5", (1, 5))
    Traceback (most recent call last):
    columns.Unreadable: conversation 2 (line 2), turn 2: '4/5' is not a number
    """
    if len(text) > LIMIT:
        raise Unreadable(TOO_LONG.format(len(text)))
    text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    rows, form, doubt = _read_json(text) if text.lstrip()[:1] in ("[", "{") else _read_text(text)
    if not rows or not any(row.cells for row in rows):
        raise Unreadable("there are no scores yet: paste some, one conversation a line")
    conversations = []
    given = [any(row.ids[kind] is not None for row in rows) for kind in range(len(IDS))]
    for number, row in enumerate(rows, 1):
        place, turns = f"conversation {number}{row.line and f' ({row.line})'}", len(rows[0].cells)
        if len(row.cells) != turns:
            raise Unreadable(f"{place} has {_scores(len(row.cells))}, conversation 1 has {_scores(turns)}")
        check_count(turns)
        for name, one, needed in zip(IDS, row.ids, given, strict=True):
            if needed and one in (None, ""):
                raise Unreadable(f"{place} has no {name}, others have one")
            if isinstance(one, bool) or not isinstance(one, str | int | None):
                raise Unreadable(f"{place}: {name} {shown(one)} is not a text")
        scores = []
        for turn, cell in enumerate(row.cells, 1):
            line = row.lines[turn - 1] if row.lines else row.line
            scores.append(_score(cell, scale, f"conversation {number}{line and f' ({line})'}, turn {turn}"))
        conversations.append(scores)
    profiles, personalities = ([str(row.ids[kind]) for row in rows] if given[kind] else None for kind in range(len(IDS)))
    return Scores(conversations, profiles, personalities, form, doubt)


def _score(cell: object, scale: tuple[float, float], place: str) -> float | None:
    if cell is None:
        return None
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise Unreadable(f"{place}: {shown(cell)} is not a number")
    if not scale[0] <= cell <= scale[1]:
        raise Unreadable(f"{place}: {cell:g} is outside the scale {scale[0]:g} to {scale[1]:g}")
    return float(cell)


def _read_json(text: str) -> _Read:
    text = _WORD.sub(lambda found: "null" if found[0].isalpha() else found[0], text)
    values = list(_json_values(text))
    if (first := values[0][0] if values else None) is not None and isinstance(first, dict) and _is_record(first):
        columns = Columns.of(list(first))
        return rows_of(columns, _records(values, columns.names)), f"JSON, {columns.form}", ""
    return [_row(*value) for value in values], "JSON, a list of scores for each conversation", ""


def _json_values(text: str) -> Iterator[tuple[object, str, str]]:
    """Each conversation or record, its place, and its line where it has one."""
    whole = _decoded(text, 1)
    if isinstance(whole, list) and any(isinstance(member, list | dict) for member in whole):
        yield from ((member, f"conversation {number}", "") for number, member in enumerate(whole, 1))
    elif whole is not _SEVERAL:
        yield whole, "line 1", "line 1"
    else:
        for number, written in enumerate(text.split("\n"), 1):
            if written.strip():
                value, line = _decoded(written.strip().removesuffix(","), number), f"line {number}"
                if value is _SEVERAL:
                    raise Unreadable(f"{line} holds more than one conversation")
                yield value, line, line


def _is_record(value: dict[str, object]) -> bool:
    """Whether it is a line of a table, and not a conversation with `scores`."""
    return "scores" not in value and sum(map(is_known, value)) > 1


def _records(values: Sequence[tuple[object, str, str]], names: Sequence[str]) -> Iterator[tuple[str, list[object]]]:
    for number, (value, _, line) in enumerate(values, 1):
        place = line or f"record {number}"
        if not isinstance(value, dict) or value.keys() != set(names):
            raise Unreadable(f"{place} has not the names of the first one: {shown(value)}")
        yield place, [value[name] for name in names]


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
        raise Unreadable(f"{where}: this is not JSON: {shown(near)}") from None
    except RecursionError:
        raise Unreadable(f"line {line}: brackets within brackets without end") from None


def _row(value: object, place: str, line: str) -> Row:
    ids: Sequence[object] = (None, None)
    if isinstance(value, dict):
        if "scores" not in value:
            raise Unreadable(f"{place} has no 'scores': {shown(value)}")
        ids = [value.get(name) for name in IDS]
        value = value["scores"]
    if not isinstance(value, list):
        raise Unreadable(f"{place}: {shown(value)} is not a list of scores")
    return Row(line, value, ids)


def _read_text(text: str) -> _Read:
    (_, names), *others = lines = list(_lines(text)) or [("", [])]
    has_words = all(name[:1].isalpha() or not name for name in names) and not all(name.lower() in MISSING for name in names)
    numbered = len(lines) > 1 and numbers_turns(names)
    is_header = len(names) > 2 if numbered else len(lines) > 1 and (has_words or any(map(is_known, names)))
    said = "" if not numbered else COUNTED if is_header else COUNTING
    if not is_header:
        rows = [Row(line, [_cell(cell) for cell in cells]) for line, cells in lines]
        form = "a conversation a line, without a line of names: every number is a score"
        return rows, form, f"{said} {counts_up(rows)}".strip()
    if uneven := next(((line, cells) for line, cells in others if len(cells) != len(names)), None):
        raise Unreadable(f"{uneven[0]} has {len(uneven[1])} columns, the first line names {len(names)}")
    columns = Columns.of(names)
    scores = {*columns.turns, columns.score}
    table = ((line, [_cell(cell) if at in scores else cell for at, cell in enumerate(cells)]) for line, cells in others)
    rows = rows_of(columns, table)
    return rows, columns.form, said and f"{said} {counts_up(rows)}".strip()


def _lines(text: str) -> Iterator[tuple[str, list[str]]]:
    """Where each line that is not empty begins, and its fields."""
    bare = _QUOTED.sub("", text)
    separator = next((mark for mark in "\t;," if mark in bare), " ")
    written = text.split("\n") if separator != " " else [" ".join(line.split()) for line in text.split("\n")]
    reader, begins = csv.reader((line + "\n" for line in written), delimiter=separator, skipinitialspace=True), 1
    try:
        for fields in reader:
            if len(fields) > 1 or any(field.strip() for field in fields):
                yield f"line {begins}", [field.strip() for field in fields]
            begins = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(f"line {begins}: this is no table ({error})") from None


def _cell(text: str) -> float | str | None:
    return None if text.lower() in MISSING else float(text) if _NUMBER.fullmatch(text) else text


def _scores(count: int) -> str:
    return f"{count} score" + "s" * (count != 1)
