"""Where an adapter is made: RUN/adapters/NAME, and while it is made RUN/adapters/NAME.partial beside it.

A folder under its final name is complete. The unfinished one holds `settings.json`, which says what is being made, and the
checkpoints of TRL. A checkpoint is many files; one that a kill has torn would be resumed from as if it were whole. So each gets
a mark when everything else of it is written, and one without a mark is taken for torn.
"""

from __future__ import annotations

import fcntl
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aloe_hub.errors import AloeError, DataError, SettingsDiffer, UsageError
from aloe_hub.files.jsonl import disk_errors, loads
from aloe_hub.training.record import TRAINING, TrainingRecord, write_json

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_MARK = "whole.json"
_SETTINGS = "settings.json"


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    final: Path

    @classmethod
    def of(cls, run: Path, name: str) -> Self:
        if not _NAME.fullmatch(name) or name.endswith(".partial"):
            raise UsageError(f"--name {name!r}: must be of letters, digits, '.', '_' and '-', such as dpo-2")
        return cls(run / "adapters" / name)

    @property
    def partial(self) -> Path:
        return self.final.with_name(self.final.name + ".partial")

    def check(self, record: TrainingRecord, *, resume: bool) -> bool:
        """Whether the adapter is finished. One without a whole checkpoint counts as not begun: nothing is lost with it.

        Raises:
            SettingsDiffer: what lies here, finished or not, was made with other settings.
            AloeError: an unfinished one lies here, and was not asked to go on.
        """
        finished = self.final.exists()
        if not finished and self.last_checkpoint() is None:
            return False
        path = self.final / TRAINING if finished else self.partial / _SETTINGS
        try:
            difference = next(TrainingRecord.read(path, finished=finished).differences(record), None)
        except DataError as error:
            raise DataError(f"{error}; delete {path.parent}, or give another --name") from None
        if difference is not None:
            name, was, now = difference
            raise SettingsDiffer(
                f"{path}: {name} is {was!r} there and {now!r} now; give the same settings, or another --name"
                + ("" if finished else f", or delete {self.partial}")
            )
        if not finished and not resume:
            raise AloeError(f"{self.partial}: a training that was stopped; give --resume to go on, or another --name")
        return finished

    @contextmanager
    def claimed(self, record: TrainingRecord) -> Iterator[None]:
        """Write down what is about to be made, and let no other process make it; what a kill has torn goes."""
        with disk_errors(self.partial):
            self.partial.mkdir(parents=True, exist_ok=True)
            lock = (self.partial / "lock").open("wb")
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise AloeError(f"{self.partial}: another process is training it; wait for it, or stop it") from None
            whole = self.last_checkpoint()
            for path in self._checkpoints():
                if whole is None or _step(path) > _step(whole):
                    shutil.rmtree(path)
            record.write(self.partial / _SETTINGS)
            yield

    def last_checkpoint(self) -> Path | None:
        """The last whole one."""
        return next((path for path in self._checkpoints() if (path / _MARK).exists()), None)

    def finish(self, made: Path, record: TrainingRecord) -> None:
        """Give the folder `made` its final name, with the record in it; the checkpoints go."""
        record.write(made / TRAINING)
        with disk_errors(self.final):
            made.rename(self.final)
        self.sweep()

    def sweep(self) -> None:
        """Drop what a kill between the last two steps has left beside a finished adapter."""
        with suppress(OSError):
            shutil.rmtree(self.partial)

    def _checkpoints(self) -> list[Path]:
        """Newest first."""
        return sorted((path for path in self.partial.glob("checkpoint-*") if _CHECKPOINT.fullmatch(path.name)), key=_step)[::-1]


def mark_whole(checkpoint: Path, kept: Mapping[str, Any]) -> None:
    """Say that everything of a checkpoint is written; `kept` is what a resumed training wants to know beside it."""
    write_json(checkpoint / _MARK, kept)


def kept_in(checkpoint: Path) -> dict[str, Any]:
    return loads((checkpoint / _MARK).read_bytes(), str(checkpoint / _MARK))


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.partition("-")[2])
