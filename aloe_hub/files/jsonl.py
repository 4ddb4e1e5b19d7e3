"""Reading and writing files of one JSON object a line: every error names the file and the line.

Writing is atomic: a file under its final name is complete, what is being written is `*.partial`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import IO, TypeVar

from aloe_hub.errors import AloeError, DataError
from aloe_hub.types import Row

T = TypeVar("T")


def dumps(row: Row) -> str:
    """The one way a row becomes a line: same row, same bytes."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def encoded(row: Row, where: str) -> bytes:
    """A row's line as bytes.

    Raises:
        DataError: text that is not valid Unicode, such as half of an emoji (a lone surrogate), which a model's JSON may hold.
    """
    try:
        return dumps(row).encode() + b"\n"
    except UnicodeEncodeError as error:
        raise DataError(f"{where}: text that is not valid Unicode: {error.object[error.start : error.end]!r}") from None


def loads(line: str | bytes, where: str) -> Row:
    """A line's object; `where` (file and line) stands in the error.

    Raises:
        DataError: not JSON, or JSON that is not an object.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON ({error}): {_shown(line)}") from None
    if not isinstance(row, dict):
        raise DataError(f"{where}: expected a JSON object, found {_shown(line)}")
    return row


def read_rows(path: Path, build: Callable[[Row], T]) -> Iterator[T]:
    """`build(row)` for each line of a complete file, one at a time.

    Raises:
        DataError: the file is missing or empty, a line is not JSON, or `build` finds a row without what it needs.
    """
    try:
        lines = path.open("rb")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None
    found = False
    with lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            found = True
            yield build_row(line, f"{path}, line {number}", build)
    if not found:
        raise DataError(f"{path}: the file is empty")


def build_row(line: str | bytes, where: str, build: Callable[[Row], T]) -> T:
    """One line as a value, with errors for people."""
    row = loads(line, where)
    try:
        return build(row)
    except KeyError as error:
        raise DataError(f"{where}: the row has no {error.args[0]!r}") from None
    except (TypeError, ValueError) as error:
        raise DataError(f"{where}: {error}") from None


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write all rows or nothing; returns how many."""
    count = 0
    with atomic_file(path) as file:
        for row in rows:
            file.write(encoded(row, str(path)))
            count += 1
    return count


@contextmanager
def atomic_file(path: Path, *, shared: bool = False) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when it is whole and on the disk.

    shared: others may be writing the same file now, here or on another machine. Each has a partial file of its own, which it
    leaves behind when it is killed, and the last one that is whole stays.
    """
    mine = f".{token_hex(4)}" if shared else ""
    partial = path.with_name(f"{path.name}{mine}.new.partial")  # not the journal of the same file, which is `NAME.partial`
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise


def partial_of(path: Path) -> Path:
    """The journal of `path`: its name while it grows line by line."""
    return path.with_name(path.name + ".partial")


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """A full disk, or a folder that may not be written, is one line; what is already written stays."""
    try:
        yield
    except OSError as error:
        what = error.strerror or str(error)
        raise AloeError(f"{path}: cannot be written ({what}); mend that and run the same command again") from error


def _shown(line: str | bytes) -> str:
    text = line.decode("utf-8", "replace") if isinstance(line, bytes) else line
    text = text.strip()
    return repr(text if len(text) <= 60 else text[:60] + "…")
