"""Where chats come from: a file, a folder of files, or a dataset on the Hub; and what exactly that is, to know it again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from aloe_hub.errors import DataError, UsageError
from aloe_hub.hub_dataset import dataset_named, open_dataset
from aloe_hub.stages.chats.records import SUFFIXES, records, suffix_of
from aloe_hub.types import Row

OFFLINE = "go online, or import a file"
Records = Iterator[tuple[str, object]]  # (where, a record or a `DataError`)


@dataclass(frozen=True, slots=True)
class Source:
    """parts: a name for each file of it, and how to read that; each is read once. identity: for run.toml."""

    identity: Row
    parts: tuple[tuple[str, Path | None], ...]
    rows: object = None  # of a dataset on the Hub

    def records(self, path: Path | None) -> Records:
        if path is not None:
            return records(path)
        return ((f"row {number}", row) for number, row in enumerate(self.rows, 1))  # type: ignore[arg-type, var-annotated]


def open_source(name: str, config: str | None = None, split: str | None = None) -> Source:
    """A path, or the name of a dataset where no such path is.

    Raises:
        UsageError: neither; or a config or a split of what is no dataset.
        DataError: a folder without files to read, or no such dataset.
    """
    path = Path(name)
    if path.exists():
        if config or split:
            raise UsageError(f"{'--config' if config else '--split'}: is for datasets on the Hub, and {name} is here")
        return _of_path(path)
    if name.startswith((".", "/", "~")) or name.count("/") != 1 or suffix_of(path) in SUFFIXES:
        raise DataError(f"{name}: no such file or folder; or name a dataset on the Hub: org/name")
    wanted = dataset_named(name, option="")
    wanted = replace(wanted, config=config or wanted.config, split=split or wanted.split)
    rows, chosen, revision = open_dataset(wanted, ("default",), OFFLINE)
    identity = {"dataset": wanted.repo, "config": chosen, "split": wanted.split or "train", "revision": revision}
    return Source(identity, ((wanted.shown, None),), rows)


def _of_path(path: Path) -> Source:
    files = [path]
    if path.is_dir():
        # What is hidden are copies and notes of programs: .ipynb_checkpoints, and ._NAME from a Mac.
        shown = (one for one in path.rglob("*") if not any(part.startswith(".") for part in one.relative_to(path).parts))
        files = sorted(one for one in shown if one.is_file() and suffix_of(one) in SUFFIXES)
        if not files:
            raise DataError(f"{path}: no files to read in it; known endings: {', '.join(SUFFIXES)}, each also with .gz")
    digest = hashlib.sha256()
    for one in files:
        try:
            with one.open("rb") as file:
                digest.update(f"{one.relative_to(path)} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
        except OSError as error:
            raise DataError(f"{one}: cannot be read ({error.strerror or error})") from None
    return Source({"sha256": digest.hexdigest()}, tuple((str(one), one) for one in files))
