"""A table of scores by people, with or without a judge's, with `human`, `judge`, `item` and `rater`.

CSV (with commas, semicolons or tabs), JSON Lines or a JSON array, in UTF-8 or UTF-16, compressed or not.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import loads
from aloe_hub.stages.chats.records import records
from aloe_hub.stages.import_files import unpacked
from aloe_hub.types import Row

SCORES = ("human", "judge")
IDS = ("item", "rater")
LARGEST = 1e100  # its square is a number, too
HUMAN = "wanted: a header (or JSON keys) with item and human, and, if known, rater"
FORM = "wanted: a header (or JSON keys) with human and judge, and, if known, item and rater"


@dataclass(frozen=True, slots=True)
class ScoresFile:
    """Scores in the order of the file; `missing`: lines without one that was asked for, which are left out."""

    human: list[float]
    judge: list[float]  # none where people's alone were asked for
    items: list[str] | None
    raters: list[str] | None
    missing: int
    lines: list[str] = field(compare=False)  # where each stands


def read_scores(path: Path, names: Sequence[str] = SCORES) -> ScoresFile:
    """
    Raises:
        DataError: no such file, a column that is not there, a score that is not a number, an id on some lines only.
    """
    form = FORM if "judge" in names else HUMAN
    with unpacked(path) as (stream, encoding):
        text = stream.read().decode(encoding)
    scores: dict[str, list[float]] = {name: [] for name in SCORES}
    ids: dict[str, list[str | None]] = {name: [] for name in IDS}
    lines: list[str] = []
    missing = 0
    for line, row in _rows(text, path, names, form):
        where = f"{path}, {line}"
        found = {name: _score(row, name, where, form) for name in names}
        if any(value is None for value in found.values()):
            missing += 1
            continue
        for name, value in found.items():
            scores[name].append(value or 0.0)
        for name in IDS:
            one = row.get(name)
            if isinstance(one, list | dict | bool):
                raise DataError(f"{where}: {name} {one!r} is neither text nor a number")
            if (one is None) != (ids[name][:1] == [None]) and ids[name]:
                raise DataError(f"{where}: some lines have {name!r}, others do not; give it to all or to none")
            ids[name].append(None if one is None else str(one))
        lines.append(line)
    if len(lines) < 2:
        what = "both scores" if len(names) > 1 else "a score"
        raise DataError(f"{path}: {len(lines)} line(s) with {what}, {missing} without; agreement needs at least two")
    items, raters = ([one for one in ids[name] if one is not None] or None for name in IDS)
    return ScoresFile(scores["human"], scores["judge"], items, raters, missing, lines)


def _rows(text: str, path: Path, names: Sequence[str], form: str) -> Iterator[tuple[str, Row]]:
    """Each row with the line it stands on."""
    if text.lstrip()[:1] == "[":
        yield from _entries(path, form)
        return
    if text.lstrip()[:1] == "{":
        # Not str.splitlines: JSON may hold the other characters that it takes for line ends.
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield f"line {number}", loads(line, f"{path}, line {number}")
        return
    lines = csv.reader(io.StringIO(text, newline=None), delimiter=_delimiter(text))
    header = next(([name.strip().lower() for name in cells] for cells in lines if any(cells)), [])
    for name in names:
        if header.count(name) != 1:
            raise DataError(
                f"{path}, line {max(1, lines.line_num)}: {header.count(name)} columns named {name!r} among {header}; {form}"
            )
    for cells in lines:
        if any(cell.strip() for cell in cells):
            if len(cells) != len(header):
                raise DataError(f"{path}, line {lines.line_num}: {len(cells)} cells, the header has {len(header)}")
            yield f"line {lines.line_num}", {name: cell.strip() or None for name, cell in zip(header, cells, strict=True)}


def _delimiter(text: str) -> str:
    """The one of the header: names of columns hold none of the three."""
    header = text.lstrip().partition("\n")[0]
    return max(",", ";", "\t", key=header.count)


def _entries(path: Path, form: str) -> Iterator[tuple[str, Row]]:
    """The objects of a JSON array."""
    for where, one in records(path):
        if not isinstance(one, dict):
            found = str(one) if isinstance(one, DataError) else f"found {json.dumps(one, ensure_ascii=False)[:60]}"
            raise DataError(f"{path}, {where}: expected an object in the list, {found}; {form}")
        yield where, one


def _score(row: Row, name: str, where: str, form: str) -> float | None:
    """A number; None where it is missing."""
    if name not in row:
        raise DataError(f"{where}: has no {name!r}; {form}")
    value = row[name]
    if value is None or (isinstance(value, str) and value.lower() in ("", "null", "none", "nan", "na")):
        return None
    try:
        score = float("bool" if isinstance(value, bool) else value)
    except (TypeError, ValueError):
        point = "; write it with a decimal point" if isinstance(value, str) and "," in value else ""
        raise DataError(f"{where}: {name} {value!r} is not a number{point}") from None
    if math.isinf(score) or abs(score) > LARGEST:
        raise DataError(f"{where}: {name} {value!r} is not a finite number{'' if math.isinf(score) else ' that can be squared'}")
    return None if math.isnan(score) else score
