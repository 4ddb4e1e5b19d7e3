"""Which measure exposes which strategy: the scripted ones on 100 held-out personas, by each version of the world's judge.

    python bench/strategies.py

Prints a table a judge. R slope: that of `aloe_hub.scoring.adaptation`, pooled.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from statistics import pstdev
from tempfile import TemporaryDirectory

from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder, policy_file
from aloe_hub.results.formatting import number
from aloe_hub.scoring import adaptation, score
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
    scores, revealed = ([row[name] for row in rows] for name in ("scores", "revealed"))
    curve, on_revealed = score(scores, n_resamples=0), adaptation(scores, revealed, n_resamples=0)
    levels = (curve.al[0], curve.al[-1], curve.avg, pstdev(one for row in scores for one in row))
    slopes = ((curve.ir, 3), (curve.n_ir, 3), (curve.r2, 2), (on_revealed.slope, 2))
    return [*(number(level, 2) for level in levels), *(number(value, digits, sign=digits == 3) for value, digits in slopes)]


if __name__ == "__main__":
    main()
