"""A run folder: plain files that a person can read, and `run.toml`, which says how they were made.

Each stage writes down its settings before it starts. A later command with other settings is refused, with the difference named:
two halves of a file made under two settings are a run that nobody can repeat.
"""

from __future__ import annotations

import platform
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w

from aloe_hub import __version__
from aloe_hub.errors import DataError, SettingsDiffer
from aloe_hub.files.jsonl import atomic_file, read_rows
from aloe_hub.rubrics import DEFAULT as RUBRIC
from aloe_hub.types import Persona, digest, persona_and_split

Settings = Mapping[str, Any]
LONGEST_NAME = 220  # bytes of a policy's file name; file systems take 255, with what stands before and after it


class RunFolder:
    """The folder given with `--run`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def file(self, name: str) -> Path:
        return self.path / name

    def settings(self) -> dict[str, Any]:
        """What `run.toml` says; empty for a folder that is not a run yet."""
        path = self.file("run.toml")
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except NotADirectoryError:
            raise DataError(f"{self.path}: not a folder") from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise DataError(f"{path}: cannot be read ({error})") from None

    def claim(self, stage: str, settings: object) -> None:
        """Write down what `stage` is about to be made with.

        Raises:
            SettingsDiffer: the folder holds work of this stage that was made with other settings.
        """
        now = plain(settings)
        run = self.settings()
        if stage in run:
            if not isinstance(run[stage], dict):
                raise DataError(f"{self.file('run.toml')}: {stage} is {run[stage]!r}, expected a table [{stage}]")
            difference = next(iter(differences(run[stage], now)), None)
            if difference is None:
                return
            name, before, after = difference
            raise SettingsDiffer(
                f"{self.file('run.toml')}: {stage}.{name} is {before!r} there and {after!r} now; "
                "give the same settings, or another --run folder"
            )
        today = datetime.now(UTC).date().isoformat()
        run.setdefault("made_with", {"date": today, "aloe_hub": __version__, "python": platform.python_version()})
        run[stage] = now
        # The shards of one run claim it at the same time, with the same settings: whoever is last writes the same bytes again.
        with atomic_file(self.file("run.toml"), shared=True) as file:
            file.write(tomli_w.dumps(run).encode())

    def personas(self, split: str) -> list[Persona]:
        """The personas of one split, in pool order.

        Raises:
            DataError: there is no pool here, or its split is empty.
        """
        path = self.file("personas.jsonl")
        if not path.exists():
            raise DataError(f"{path}: no such file; make the pool first: aloe personas --run {self.path}")
        found: list[Persona] = []
        first_line: dict[Persona, int] = {}
        for number, (persona, name) in enumerate(read_rows(path, persona_and_split), 1):
            if first_line.setdefault(persona, number) != number:
                raise DataError(f"{path}, line {number}: the same persona as line {first_line[persona]}")
            if name == split:
                found.append(persona)
        if not found:
            raise DataError(f"{path}: no persona in split {split!r}; was the pool made with --test-profiles 0?")
        return found


def holds_chats(run: Path) -> bool:
    """Whether chats were imported there that became no trees: rated ones, or such without forks and ratings."""
    chats = (run / "conversations.jsonl", *(run / "transcripts").glob("*.jsonl"))
    return (run / "import.json").exists() and any(path.is_file() for path in chats)


def how_to_get_trees(run: Path) -> str:
    """What to do where a run has no trees: recorded chats fork where somebody was dissatisfied, all others are grown."""
    if holds_chats(run):
        return f"its chats have no forks; make some of what people said: aloe feedback --run {run}"
    return f"grow the trees first: aloe trees --run {run}"


def plain(settings: object) -> dict[str, Any]:
    """Settings as TOML can hold them: no None, no tuples; a switch that is off is left out, as where there was none yet."""
    table = asdict(settings) if is_dataclass(settings) and not isinstance(settings, type) else dict(settings)  # type: ignore[call-overload]
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in table.items()
        if value is not None and value is not False
    }


ONLY_WHERE_BOTH = ("world", "template_date")
# What a run has that does not say it: for long there was no choice.
USUAL = {"rubric": RUBRIC, "replies": 2, "continue_with": "coin", "rank_by": "tournament", "pairs": "best", "demonstrations": 0}


def differences(before: Settings, after: Settings) -> Iterator[tuple[str, Any, Any]]:
    """(name, before, after) of each setting that is not the same; where it is absent, what is `USUAL`, or None.

    `world` counts only where both have it: it was once written into every run, also where no role was scripted; `template_date`
    likewise, since a run has it or not by its first policies.
    """
    for name in (*before, *(name for name in after if name not in before)):
        was, now = (table.get(name, USUAL.get(name)) for table in (before, after))
        if was != now and not (name in ONLY_WHERE_BOTH and None in (was, now)):
            yield name, was, now


def policy_file(policy: str) -> str:
    """A file name for a model string: `scripted:plain` → `scripted_plain.jsonl`. A very long one is cut, and told by a digest.

    >>> policy_file("local:org/model@main")
    'local_org_model_main.jsonl'
    """
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", policy).strip("._")
    return (name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 17]}_{digest(policy)}") + ".jsonl"
