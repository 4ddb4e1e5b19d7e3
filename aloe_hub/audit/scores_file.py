"""A table of scores by people, with or without a judge's: CSV, TSV or JSON Lines with `human`, `judge`, `item` and `rater`."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import loads
from aloe_hub.types import Row

SCORES = ("human", "judge")
IDS = ("item", "rater")
HUMAN = "wanted: a header (or JSON keys) with item and human, and, if known, rater"
FORM = "wanted: a header (or JSON keys) with human and judge, and, if known, item and rater"


@dataclass(frozen=True, slots=True)
class ScoresFile:
    """Pairs of scores, in the order of the file; `missing`: lines without one of the two, which are left out."""

    human: list[float]
    judge: list[float]
    items: list[str] | None
    raters: list[str] | None
    missing: int


def read_scores(path: Path) -> ScoresFile:
    """
    Raises:
        DataError: no such file, a column that is not there, a score that is not a number, an id on some lines only.
    """
    scores, ids, missing = _read(path, SCORES, FORM)
    return ScoresFile(scores["human"], scores["judge"], ids["item"], ids["rater"], missing)


def read_human(path: Path) -> tuple[list[str], list[float], list[str] | None]:
    """Items, people's scores of them, and, if known, who gave each.

    Raises:
        DataError: as `read_scores`; and where there are no items.
    """
    scores, ids, _ = _read(path, ("human",), HUMAN)
    if ids["item"] is None:
        raise DataError(f"{path}: no column 'item'; {HUMAN}")
    return ids["item"], scores["human"], ids["rater"]


def _read(path: Path, names: Sequence[str], form: str) -> tuple[dict[str, list[float]], dict[str, list[str] | None], int]:
    """The scores of these names, the ids, and how many lines lack a score."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "not UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise DataError(f"{path}: cannot be read ({reason})") from None
    scores: dict[str, list[float]] = {name: [] for name in names}
    ids: dict[str, list[str | None]] = {name: [] for name in IDS}
    missing = 0
    for where, row in _rows(text, path, names, form):
        found = {name: _score(row, name, where, form) for name in names}
        if any(value is None for value in found.values()):
            missing += 1
            continue
        for name, value in found.items():
            scores[name].append(value or 0.0)
        for name in IDS:
            one = row.get(name)
            if (one is None) != (ids[name][:1] == [None]) and ids[name]:
                raise DataError(f"{where}: some lines have {name!r}, others do not; give it to all or to none")
            ids[name].append(None if one is None else str(one))
    if len(scores["human"]) < 2:
        what = "both scores" if len(names) > 1 else "a score"
        raise DataError(f"{path}: {len(scores['human'])} line(s) with {what}; agreement needs at least two")
    return scores, {name: [one for one in ids[name] if one is not None] or None for name in IDS}, missing


def _rows(text: str, path: Path, names: Sequence[str], form: str) -> Iterator[tuple[str, Row]]:
    """Each row with the place it stands at."""
    if text.lstrip()[:1] in ("{", "["):
        for number, line in enumerate(text.splitlines(), 1):
            if line.strip():
                yield f"{path}, line {number}", loads(line, f"{path}, line {number}")
        return
    lines = csv.reader(text.splitlines(), delimiter="\t" if "\t" in text.partition("\n")[0] else ",")
    header = [name.strip() for name in next(lines, [])]
    for name in names:
        if header.count(name) != 1:
            raise DataError(f"{path}, line 1: {header.count(name)} columns named {name!r} among {header}; {form}")
    for cells in lines:
        if any(cell.strip() for cell in cells):
            where = f"{path}, line {lines.line_num}"
            if len(cells) != len(header):
                raise DataError(f"{where}: {len(cells)} cells, the header has {len(header)}")
            yield where, {name: cell.strip() or None for name, cell in zip(header, cells, strict=True)}


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
        raise DataError(f"{where}: {name} {value!r} is not a number") from None
    if math.isinf(score):
        raise DataError(f"{where}: {name} {value!r} is not a finite number")
    return None if math.isnan(score) else score
