"""Files that survive a kill: written under a temporary name, synced, renamed. Under a final name is never half a file.

The temporary names lie in one folder beside the repos (a rename never leaves the file system), which is emptied at start.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class Incoming:
    """Bytes on their way in: counted and hashed while they go to a temporary file, never held in memory."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self.size = 0
        self._file = file
        self._digest = hashlib.sha256()

    def write(self, chunk: bytes) -> None:
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def move_to(self, target: Path) -> None:
        """Give the bytes their name; replaces what is there."""
        self._file.flush()
        os.fsync(self._file.fileno())
        make_folder(target.parent)
        self.path.replace(target)
        sync_folder(target.parent)


@contextmanager
def incoming(temporary: Path, mode: int = 0o644) -> Iterator[Incoming]:
    """A temporary file that is gone afterwards, unless it was moved."""
    path = temporary / uuid.uuid4().hex
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            yield Incoming(path, file)
    finally:
        path.unlink(missing_ok=True)


def write_file(target: Path, data: bytes, temporary: Path, mode: int = 0o644) -> None:
    """Put `data` at `target`, whole or not at all."""
    with incoming(temporary, mode) as arriving:
        arriving.write(data)
        arriving.move_to(target)


def make_folder(path: Path) -> None:
    """A folder that is itself on the disk before something durable is put into it."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Bring a folder's entries to the disk: without it a rename can be lost with the power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
