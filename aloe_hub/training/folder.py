"""Where an adapter is made: RUN/adapters/NAME, and while it is made RUN/adapters/NAME.partial beside it.

A folder under its final name is complete. The unfinished one holds `settings.json`, which says what is being made, and the
checkpoints of TRL. A checkpoint is many files; one that a kill has torn would be resumed from as if it were whole. So each gets
a mark when everything else of it is written, and one without a mark is taken for torn.
"""

from __future__ import annotations

import fcntl
import json
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aloe_hub.errors import AloeError, DataError, SettingsDiffer, UsageError
from aloe_hub.files.jsonl import atomic_file, disk_errors
from aloe_hub.files.run_folder import differences

REPORT = "training.json"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_CHECKPOINT = re.compile(r"checkpoint-(\d+)")
_MARK = "whole.json"
_SETTINGS = "settings.json"
_OUTCOME = ("versions", "device", "report")  # what a finished training says beside what it was made with


@dataclass(frozen=True, slots=True)
class AdapterFolder:
    final: Path

    @classmethod
    def of(cls, run: Path, name: str) -> Self:
        """The folder of the adapter `name` in a run."""
        if not _NAME.fullmatch(name) or name.endswith(".partial"):
            raise UsageError(f"--name {name!r}: must be of letters, digits, '.', '_' and '-', such as dpo-2")
        return cls(run / "adapters" / name)

    @property
    def partial(self) -> Path:
        return self.final.with_name(self.final.name + ".partial")

    def check(self, made_with: Mapping[str, Any], *, resume: bool) -> bool:
        """Whether the adapter is finished. A beginning without a whole checkpoint is none: nothing is lost with it.

        Raises:
            SettingsDiffer: what lies here, finished or not, was made with other settings.
            AloeError: an unfinished one lies here, and was not asked to go on.
        """
        finished = self.final.exists()
        if not finished and self.last_checkpoint() is None:
            return False
        path = self.final / REPORT if finished else self.partial / _SETTINGS
        before = {name: value for name, value in read_json(path).items() if name not in _OUTCOME}
        difference = next(differences(flat(before), flat(made_with)), None)
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
    def claimed(self, made_with: Mapping[str, Any]) -> Iterator[None]:
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
            write_json(self.partial / _SETTINGS, made_with)
            yield

    def last_checkpoint(self) -> Path | None:
        """The last whole one."""
        return next((path for path in self._checkpoints() if (path / _MARK).exists()), None)

    def finish(self, made: Path, report: Mapping[str, Any]) -> None:
        """Give the folder `made` its final name, with the report in it; the checkpoints go."""
        write_json(made / REPORT, report)
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
    return read_json(checkpoint / _MARK)


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, so that a difference has a name.

    >>> flat({"base": {"model": "m"}, "adapter": None, "settings": {"seed": 0}})
    {'base.model': 'm', 'settings.seed': 0}
    """
    found: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        elif value is not None:
            found[f"{prefix}{name}"] = value
    return found


def read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error}); delete {path.parent}, or give another --name") from None
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a JSON object; delete {path.parent}, or give another --name")
    return value


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    with atomic_file(path) as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n")


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.partition("-")[2])
