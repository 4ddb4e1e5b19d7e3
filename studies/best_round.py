"""Run `aloe round`, then put the adapter that was best on its dev personas where a study looks for a trained model.

    python studies/best_round.py MADE --run RUN --base M --adapter A ...

What follows MADE are the options of `aloe round`. Where no round is better than the start, the start is the best.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cells

from aloe_hub.cli.app import main as aloe
from aloe_hub.model_string import ModelString
from aloe_hub.results.read import read_runs


def main(made: Path, options: list[str]) -> int:
    if status := aloe(["round", *options]):
        return status
    (dev,) = read_runs([Path(options[options.index("--run") + 1]) / "rounds"]).runs
    best = max(dev.policies, key=lambda one: one.scores.avg)
    adapter = ModelString.recorded(best.policy).adapter
    assert adapter is not None  # the study's start has one
    return subprocess.run(cells.copy(adapter.folder or Path(adapter.name), made), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
