"""Cells of a study: commands that each leave something behind, run once each, several at a time, in the order of their needs."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
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


def run(cells: Sequence[Cell], jobs: int, logs: Path, threads: int = 1) -> None:
    """Run the cells that have not been run; each writes its output to `logs`. A failed one ends the study after its peers.

    threads: that each cell computes with. Of those that are ready the first in the list comes first. How long a cell took, from
    its last start, is printed and kept in `logs/seconds.jsonl`.

    A cell is a command that goes on where it was: a study stopped at any moment, even by kill -9, is finished by the same call.
    """
    logs.mkdir(parents=True, exist_ok=True)
    waiting = [cell for cell in cells if not cell.makes.exists()]
    ready = {cell.name for cell in cells} - {cell.name for cell in waiting}
    failed = False
    with ThreadPoolExecutor(jobs) as pool:
        at_work: dict[Future[tuple[int, float]], Cell] = {}
        while waiting or at_work:
            free = [cell for cell in waiting if ready.issuperset(cell.needs)] if not failed else []
            for cell in free[: jobs - len(at_work)]:
                print(f"{cell.name} …", flush=True)
                at_work[pool.submit(_run, cell, logs, threads)] = cell
                waiting.remove(cell)
            if not at_work:
                break
            for future in wait(at_work, return_when=FIRST_COMPLETED).done:
                cell = at_work.pop(future)
                status, seconds = future.result()
                if status or not cell.makes.exists():
                    failed = True
                    print(f"{cell.name}: failed; see {logs / cell.name}.log", file=sys.stderr, flush=True)
                else:
                    ready.add(cell.name)
                    with (logs / "seconds.jsonl").open("a") as times:
                        times.write(json.dumps({"cell": cell.name, "seconds": round(seconds, 1)}) + "\n")
                    print(f"{cell.name}: done in {seconds:.0f} s, {len(waiting) + len(at_work)} to go", flush=True)
    if failed:
        raise SystemExit(1)


def copy(source: Path, target: Path) -> tuple[str, ...]:
    """The command for a copy of a file or a folder that is there whole or not at all."""
    code = (
        "import os, shutil, sys; source, target = sys.argv[1:]; os.makedirs(os.path.dirname(target), exist_ok=True); "
        "copy = shutil.copy if os.path.isfile(source) else shutil.copytree; "
        "shutil.rmtree(target + '.partial', ignore_errors=True); copy(source, target + '.partial'); "
        "os.replace(target + '.partial', target)"
    )
    return (sys.executable, "-c", code, str(source), str(target))


def _run(cell: Cell, logs: Path, threads: int) -> tuple[int, float]:
    """(exit status, seconds) of a cell."""
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    started = time.monotonic()
    with (logs / f"{cell.name}.log").open("ab") as log:
        # What a killed study had begun lives on, and holds its log: two of them would get into each other's way.
        fcntl.flock(log, fcntl.LOCK_EX)
        if cell.makes.exists():
            return 0, time.monotonic() - started
        status = subprocess.run(cell.command, env=environment, stdout=log, stderr=log, check=False).returncode
    return status, time.monotonic() - started
