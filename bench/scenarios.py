"""The benchmark's scenarios: users who become others, who talk for 70 turns, who open with a bare greeting.

    python bench/scenarios.py [--run DIR] [--limit N]

The personas of `bench/baselines.py`; the oracle, one that remembers nothing, the plain replies, the pocket model with its shipped
adapter; greedy, the world's judge. DIR is kept, goes on where it was, and has a report with the curves in each folder.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from baselines import TRAINED, benchmark, figures, held_out  # type: ignore[import-not-found]  # beside this file

from aloe_hub.files.run_folder import RunFolder
from aloe_hub.report import read_runs, write_html
from aloe_hub.results.counts import ORACLE, PLAIN, RunReport
from aloe_hub.results.formatting import number, percent
from aloe_hub.results.scenarios import turns_shown

POLICIES = [ORACLE, "scripted:memoryless", PLAIN, TRAINED]
SHIFT: dict[str, object] = {"turns": 16, "shift": 6}  # ten turns to come to know the other
SCENARIOS: dict[str, dict[str, object]] = {
    "shift": SHIFT,
    "shift-half": SHIFT | {"shift_share": 0.5},
    "cold": {"cold": True},
    "long": {"turns": 70},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", type=Path, default=Path("runs/scenarios"))
    parser.add_argument("--limit", type=int, help="personas")
    options = parser.parse_args()
    pool = held_out(options.run / "pool")
    for name, settings in SCENARIOS.items():
        run = RunFolder(options.run / name)
        run.path.mkdir(exist_ok=True)
        shutil.copy(pool.file("personas.jsonl"), run.path)
        lost: dict[str, str] = {}
        for policy in POLICIES:
            if problem := benchmark(run, policy, limit=options.limit, temperature=0.0, **settings):
                lost[policy] = problem
        report = read_runs([run.path])
        write_html(report, run.file("report.html"))
        print(f"\n{name}\n", *TABLES[name](report.runs[0]), sep="\n", flush=True)
        for policy, problem in lost.items():
            print(f"\n{policy}: {problem}", flush=True)


def of_shift(run: RunReport) -> Iterator[str]:
    yield from _head("policy", "AL before", "AL at the shift", "drop", "turns until back", "AL at the end")
    for one in run.policies:
        shift = run.shift_of(one)
        assert shift is not None
        fell = round(shift.drop, 2) > 0
        back = "not by the end" if shift.recovery is None else str(shift.recovery)
        levels = (shift.before, shift.at, shift.drop)
        yield _row(one.policy, *(number(level, 2) for level in levels), back if fell else "–", number(one.scores.al[-1], 2))


def of_cold(run: RunReport) -> Iterator[str]:
    yield from _head("policy", "AL(1)", "AL(10)", "AVG [95%]", "IR [95%]", "slope on R", "gap closed [95%]")
    for one in run.policies:
        yield _row(one.policy, *figures(one))
    yield from ("", "R(k): " + ", ".join(percent(share) for share in run.policies[0].shares["revealed"]))


def of_long(run: RunReport) -> Iterator[str]:
    turns = turns_shown(70)
    yield from _head("by turn", *map(str, turns))
    told = {one.policy: one.shares["told"] for one in run.policies}
    yield _row("told of the profile", *(percent(told[ORACLE][turn - 1]) for turn in turns))
    for one in run.policies:
        yield _row(f"{one.policy} recalled", *(percent(one.shares["recalled"][turn - 1]) for turn in turns))
    for one in run.policies:
        yield _row(f"{one.policy} AL", *(number(one.scores.al[turn - 1], 2) for turn in turns))


def _head(*names: str) -> Iterator[str]:
    yield f"| {' | '.join(names)} |"
    yield f"|{'---|' * len(names)}"


def _row(name: str, *cells: str) -> str:
    return f"| {name} | {' | '.join(cells)} |"


TABLES: dict[str, Callable[[RunReport], Iterator[str]]] = {
    "shift": of_shift,
    "shift-half": of_shift,
    "cold": of_cold,
    "long": of_long,
}


if __name__ == "__main__":
    main()
