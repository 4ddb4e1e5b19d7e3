"""The folders of iterated rounds: sample from the policy, judge, train, benchmark, and again from what was trained.

    RUN/rounds             the benchmark of every policy, on dev personas: profiles taken out of the run's training personas
    RUN/rounds/1, 2, …     trees, rows and adapter of one round, of the other training personas

Each is a run folder that every command reads. The run's held-out personas are in none of them: what was chosen by a benchmark is
not measured by it any more. Another round may be added to those that are there; all else is as they were begun.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.jsonl import write_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.files.settings import at_least
from aloe_hub.types import Persona, digest


def open_rounds(run: RunFolder, rounds: int, dev_profiles: int, seed: int, settings: Mapping[str, Any]) -> list[RunFolder]:
    """The folder of the benchmark, then those of the rounds, each with its personas.

    settings: what else all rounds have in common.

    Raises:
        UsageError: no round, or no dev profile.
        DataError: there are too few profiles to train on and to measure on.
        SettingsDiffer: rounds with other settings lie there.
    """
    at_least("--rounds", rounds, 1)
    at_least("--dev-profiles", dev_profiles, 1)
    personas = run.personas("train")
    drawn = sorted({persona.profile_id for persona in personas}, key=lambda profile: digest(seed, "dev", profile))
    if len(drawn) <= dev_profiles:
        raise UsageError(f"--dev-profiles {dev_profiles}: {run.path} has {len(drawn)} profiles to train on; set fewer aside")
    aside = set(drawn[:dev_profiles])
    benchmark = RunFolder(run.path / "rounds")
    benchmark.path.mkdir(exist_ok=True)
    of_pool = digest(*(persona.persona_id for persona in personas))
    benchmark.claim("round", {**settings, "dev_profiles": dev_profiles, "seed": seed, "personas": of_pool})
    _write(benchmark, "test", [persona for persona in personas if persona.profile_id in aside])
    folders = [benchmark]
    for number in range(1, rounds + 1):
        folders.append(RunFolder(benchmark.path / str(number)))
        folders[-1].path.mkdir(exist_ok=True)
        _write(folders[-1], "train", [persona for persona in personas if persona.profile_id not in aside])
    return folders


def _write(folder: RunFolder, split: str, personas: Sequence[Persona]) -> None:
    if not folder.file("personas.jsonl").exists():
        write_rows(folder.file("personas.jsonl"), [persona.to_row() | {"split": split} for persona in personas])


def policy_of(base: str, adapter: str | Path | None) -> str:
    """The model string of a base, perhaps with an adapter."""
    return f"local:{base}" + (f"+{adapter}" if adapter is not None else "")


def rises(averages: Sequence[float]) -> bool:
    """Whether the last policy's AVG is above all before it.

    Raises:
        DataError: it has none, for no score could be read.
    """
    *before, last = averages
    if math.isnan(last):
        raise DataError("no score on the dev personas could be read, so nobody can say whether it rises; try another --judge")
    return last > max(before)
