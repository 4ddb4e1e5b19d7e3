"""Which measure exposes which strategy: the scripted ones on 100 held-out personas, by each version of the world's judge.

    python bench/strategies.py

Prints a table a judge. R slope: least squares of a score on R(k) within conversations, pooled.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np

from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder, policy_file
from aloe_hub.results.formatting import number
from aloe_hub.scoring import score
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.stages.pairing import Pairing
from aloe_hub.stages.pool import write_pool
from aloe_hub.types import PoolText
from aloe_hub.world.speaking import personality_text, profile_text

NAMES = ("tailored", "plain", "memoryless", "facts", "style", "leak", "stranger", "parrot", "dump", "constant")
POLICIES = [f"scripted:{name}" for name in NAMES]


def main() -> None:
    for judge in ("scripted:judge-1", "scripted"):
        print(f"\njudge {judge}\n\n| policy | AL(1) | AL(10) | AVG | sd | IR | N-IR | R² | R slope |")
        print(f"|{'---|' * 9}")
        with TemporaryDirectory() as folder:
            run = a_run(Path(folder))
            evaluate_all(run, POLICIES, BenchmarkSettings(judge=judge))
            for policy in POLICIES:
                print(f"| `{policy}` | {' | '.join(figures(run, policy))} |", flush=True)


def a_run(folder: Path) -> RunFolder:
    """20 profiles crossed with 5 personalities, none of them seen by any model."""
    run, random = RunFolder(folder / "run"), Random(11)
    profiles = [PoolText(profile_text(random), "generated") for _ in range(21)]
    personalities = [PoolText(personality_text(random), "generated") for _ in range(6)]
    write_pool(run, profiles, personalities, Pairing(pairings=1))
    return run


def figures(run: RunFolder, policy: str) -> list[str]:
    rows = list(read_rows(run.file(f"scores/{policy_file(policy)}"), dict))
    scores, revealed = (np.array([row[name] for row in rows]) for name in ("scores", "revealed"))
    curve = score(scores, n_resamples=0)
    levels = (curve.al[0], curve.al[-1], curve.avg, float(scores.std()))
    slopes = ((curve.ir, 3), (curve.n_ir, 3), (curve.r2, 2), (slope(scores, revealed), 2))
    return [*(number(level, 2) for level in levels), *(number(value, digits, sign=digits == 3) for value, digits in slopes)]


def slope(scores: np.ndarray, revealed: np.ndarray) -> float:
    x, y = (values - values.mean(axis=1, keepdims=True) for values in (revealed, scores))
    return float((x * y).sum() / (x * x).sum())


if __name__ == "__main__":
    main()
