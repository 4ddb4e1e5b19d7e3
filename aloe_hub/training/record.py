"""`training.json`: what a model was trained with and what came of it. `aloe train` writes it; publishing and the studies read it.

While the training runs, the same record without its outcome stands in `settings.json` of the unfinished folder. Nothing here
loads torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import atomic_file, build_row
from aloe_hub.files.run_folder import differences
from aloe_hub.source import Source
from aloe_hub.types import Row

TRAINING = "training.json"
Method = Literal["sft", "dpo", "rank", "sdft", "grpo"]
METHODS: tuple[Method, ...] = get_args(Method)
_TABLES = ("data", "settings", "options")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """How a model was trained. Options bear the names of TRL, transformers and PEFT.

    adapter: where it started from, if not from the base alone, and the SHA-256 of those weights.
    data: a dataset and its revision, or a run and the SHA-256 of its rows; how many rows and trees; in SDFT `nothing_inferred`,
        how many rows were left out for that; of ranked replies `undecided`, forks in which no reply is better than another.
    lora: the shape of the adapter; None where all weights were trained.
    versions, device, report: the outcome, empty as long as there is none. `report` holds steps, seconds, peak_memory_bytes,
        log, final, ranking_accuracy, tokens and max_length (in SDFT and GRPO max_prompt_length).
    """

    method: Method
    base: Source
    data: Mapping[str, Any]
    settings: Mapping[str, Any]
    options: Mapping[str, Any]
    adapter: Source | None = None
    adapter_sha256: str | None = None
    lora: Mapping[str, Any] | None = None
    versions: Mapping[str, Any] = field(default_factory=dict)
    device: str = ""
    report: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, *, finished: bool = True) -> Self:
        """The record in a file.

        Raises:
            DataError: it cannot be read, or holds something else.
        """
        try:
            content = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror})") from None
        return build_row(content, str(path), lambda row: cls.from_row(row, finished=finished))

    @classmethod
    def from_row(cls, row: Row, *, finished: bool = True) -> Self:
        """Raises: KeyError: a value is missing. ValueError: one is of another kind."""
        if row["method"] not in METHODS:
            raise ValueError(f"method is {row['method']!r}, and not {', '.join(METHODS[:-1])} or {METHODS[-1]}")
        adapter = None if row["adapter"] is None else _table(row, "adapter")
        outcome: dict[str, Any] = {name: _table(row, name) for name in ("versions", "report")} if finished else {}
        return cls(
            method=row["method"],
            base=_source(_table(row, "base")),
            adapter=None if adapter is None else _source(adapter),
            adapter_sha256=None if adapter is None else adapter.get("sha256"),
            lora=None if row["lora"] is None else _table(row, "lora"),
            device=str(row["device"]) if finished else "",
            **{name: _table(row, name) for name in _TABLES},
            **outcome,
        )

    def made_with(self) -> Row:
        """All but the outcome: what decides the weights."""
        base = {"model": self.base.name, "revision": self.base.revision}
        adapter = self.adapter and {"model": self.adapter.name, "revision": self.adapter.revision, "sha256": self.adapter_sha256}
        row: Row = {"method": self.method, "base": base, "adapter": adapter}
        return row | {name: getattr(self, name) for name in (*_TABLES, "lora")}

    def to_row(self) -> Row:
        outcome = {"versions": self.versions, "device": self.device, "report": self.report} if self.report else {}
        return self.made_with() | outcome

    def write(self, path: Path) -> None:
        """Raises: DataError: the disk does not take it."""
        write_json(path, self.to_row())

    def differences(self, other: TrainingRecord) -> Iterator[tuple[str, object, object]]:
        """(name, here, there) of everything that differs in what the two were made with."""
        return differences(_flat(self.made_with()), _flat(other.made_with()))


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """A file of one JSON object, whole or not at all."""
    with atomic_file(path) as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n")


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, so that a difference has a name; what is None counts as not there.

    >>> _flat({"base": {"model": "m"}, "adapter": None, "settings": {"seed": 0}})
    {'base.model': 'm', 'settings.seed': 0}
    """
    found: dict[str, Any] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        elif value is not None:
            found[f"{prefix}{name}"] = value
    return found


def _table(row: Row, name: str) -> Mapping[str, Any]:
    if not isinstance(row[name], dict):
        raise ValueError(f"{name} is {row[name]!r}, and not a table")
    table: Mapping[str, Any] = row[name]
    return table


def _source(table: Mapping[str, Any]) -> Source:
    return Source(str(table["model"]), table.get("revision"))
