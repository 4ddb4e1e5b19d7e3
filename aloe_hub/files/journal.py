"""Long work, one line at a time: append-only JSONL that survives kill -9 and goes on where it was.

While the work runs, rows are appended to `NAME.partial` in whatever order they are done. A process that is killed in the
middle of a line leaves a torn last line: it is dropped and said so, and its row is made again. Any other line that is not a whole
row is refused with its number: whoever looks at it may remove it. When all is there, `finish` writes the rows in their proper
order and renames: a file under its final name is complete, and the same bytes whatever the interruptions were.
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from aloe_hub.errors import AloeError, DataError
from aloe_hub.files.jsonl import atomic_file, build_row, disk_errors, encoded, loads, partial_of
from aloe_hub.types import Row

log = logging.getLogger("aloe_hub")


def is_finished(final: Path) -> bool:
    """Whether the file has its final name; the journal that a kill may have left beside it is then dropped."""
    finished = final.exists()
    if finished:
        partial_of(final).unlink(missing_ok=True)
    return finished


class Journal:
    """The unfinished form of the file `final`; a row is known by its value under `key`.

    check: raises KeyError, TypeError or ValueError for a row without its content.

    A context manager: it holds a lock, so that two processes never write the same journal.

    >>> import tempfile
    >>> final = Path(tempfile.mkdtemp()) / "trees.jsonl"
    >>> with Journal(final, key="id") as journal:
    ...     journal.append({"id": "b"})
    ...     journal.append({"id": "a"})
    ...     journal.finish(["a", "b"])
    >>> final.read_text()
    '{"id":"a"}\\n{"id":"b"}\\n'
    """

    def __init__(self, final: Path, key: str, check: Callable[[Row], object] = lambda row: None) -> None:
        self.final = final
        self.partial = partial_of(final)
        self.key = key
        self._check = check
        # Where each row lies: memory stays flat however long the rows are.
        self._offsets: dict[str | int, int] = {}
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        with disk_errors(self.partial):
            self.final.parent.mkdir(parents=True, exist_ok=True)
            file = self.partial.open("ab+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.close()
            raise AloeError(f"{self.partial}: another process is writing this run; wait for it, or stop it") from None
        self._file = file
        try:
            self._index()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()

    def __contains__(self, key: str | int) -> bool:
        return key in self._offsets

    def __len__(self) -> int:
        return len(self._offsets)

    def rows(self) -> Iterator[Row]:
        """The whole rows, in the order in which they were done."""
        yield from self._rows(list(self._offsets))

    def append(self, row: Row) -> None:
        """Add one row; it is safe from kill -9 when this returns."""
        file, line = self._open, encoded(row, str(self.partial))
        with disk_errors(self.partial):
            offset = file.seek(0, 2)
            file.write(line)
            file.flush()
        self._offsets[row[self.key]] = offset

    def clear(self) -> None:
        """Forget all rows; the work goes on from nothing."""
        with disk_errors(self.partial):
            self._open.truncate(0)
        self._offsets.clear()

    def finish(self, order: Sequence[str | int]) -> None:
        """Write the rows of `order` under the final name, atomically, and drop the journal."""
        with atomic_file(self.final) as final:
            for row in self._rows(order):
                final.write(encoded(row, str(self.final)))
        self.partial.unlink(missing_ok=True)

    def discard(self) -> None:
        """Drop the journal: nothing in it is wanted."""
        self.partial.unlink()

    def _close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # on a full disk closing flushes again, and would hide the error that was said
                self._file.close()
            self._file = None

    def _key_of(self, row: Row) -> str | int:
        self._check(row)
        key = row[self.key]
        if not isinstance(key, str | int):
            raise ValueError(f"{self.key!r} is {key!r}: expected a text or a number")
        return key

    @property
    def _open(self) -> IO[bytes]:
        assert self._file is not None, "a Journal is used inside `with`"
        return self._file

    def _rows(self, keys: Sequence[str | int]) -> Iterator[Row]:
        file = self._open
        for key in keys:
            file.seek(self._offsets[key])
            yield loads(file.readline(), str(self.partial))

    def _index(self) -> None:
        file = self._open
        if not self.partial.is_file():  # a device or a pipe holds nothing to go on from
            return
        file.seek(0)
        offset = 0
        for number, line in enumerate(iter(file.readline, b""), 1):
            if not line.endswith(b"\n"):
                log.warning("%s: dropped a torn last line (%d bytes); its row is made again", self.partial, len(line))
                with disk_errors(self.partial):
                    file.truncate(offset)
                return
            if line.strip():
                try:
                    self._offsets.setdefault(build_row(line, f"{self.partial}, line {number}", self._key_of), offset)
                except DataError as error:
                    raise DataError(f"{error}; remove that line: its row is made again") from None
            offset += len(line)
