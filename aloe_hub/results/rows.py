"""The rows of a finished file, or none where it is not there; the finished files of a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from aloe_hub.files.jsonl import read_rows
from aloe_hub.types import Row

T = TypeVar("T")


def holds_rows(path: Path) -> bool:
    """Not an error: a stage leaves an empty file where it has nothing to record, `rejected.jsonl` where no text was refused."""
    return path.is_file() and path.stat().st_size > 0


def finished(folder: Path) -> list[Path]:
    """The files of a folder that hold rows, by name, without those of what failed."""
    return [path for path in sorted(folder.glob("*.jsonl")) if not path.name.startswith("failed-") and holds_rows(path)]


def rows_of(path: Path, build: Callable[[Row], T]) -> Iterator[T]:
    return read_rows(path, build) if holds_rows(path) else iter(())
