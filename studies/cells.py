"""Cells of a study: commands that each leave something behind, run once each, several at a time, in the order of their needs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cell:
    """A command; it has been run when `makes` is there. `needs`: names of the cells that must have been run before."""

    name: str
    command: tuple[str, ...]
    makes: Path
    needs: tuple[str, ...] = ()


def aloe(*arguments: object) -> tuple[str, ...]:
    """The command line `aloe …` of this environment."""
    return (sys.executable, "-m", "aloe_hub.cli.app", *map(str, arguments))


def run(cells: Sequence[Cell], jobs: int, logs: Path) -> None:
    """Run the cells that have not been run; each writes its output to `logs`. A failed one ends the study after its peers.

    A cell is a command that goes on where it was: a study stopped at any moment, even by kill -9, is finished by the same call.
    """
    logs.mkdir(parents=True, exist_ok=True)
    waiting = [cell for cell in cells if not cell.makes.exists()]
    ready = {cell.name for cell in cells} - {cell.name for cell in waiting}
    failed = False
    with ThreadPoolExecutor(jobs) as pool:
        at_work: dict[Future[int], Cell] = {}
        while waiting or at_work:
            free = [cell for cell in waiting if ready.issuperset(cell.needs)] if not failed else []
            for cell in free[: jobs - len(at_work)]:
                print(f"{cell.name} …", flush=True)
                at_work[pool.submit(_run, cell, logs)] = cell
                waiting.remove(cell)
            if not at_work:
                break
            for future in wait(at_work, return_when=FIRST_COMPLETED).done:
                cell = at_work.pop(future)
                if future.result() or not cell.makes.exists():
                    failed = True
                    print(f"{cell.name}: failed; see {logs / cell.name}.log", file=sys.stderr, flush=True)
                else:
                    ready.add(cell.name)
                    print(f"{cell.name}: done, {len(waiting) + len(at_work)} to go", flush=True)
    if failed:
        raise SystemExit(1)


def _run(cell: Cell, logs: Path) -> int:
    # One thread each: the models are tiny, and the cells share the cores.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with (logs / f"{cell.name}.log").open("ab") as log:
        return subprocess.run(cell.command, env=environment, stdout=log, stderr=log, check=False).returncode
