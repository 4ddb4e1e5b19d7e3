"""Scores of 1,000,000 conversations of 10 turns beside `np.nanmean` of the same array: `python bench/scoring.py`.

`score` also checks every score, counts what is missing and fits the curve; `nanmean` is the floor that NumPy sets. Then the same
with the intervals of 1,000 profiles crossed with 1,000 personalities, 1,000 resamples, once.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed

from aloe_hub.scoring import score

if TYPE_CHECKING:
    from collections.abc import Callable

RUNS = 7


def best(run: Callable[[], object], runs: int = RUNS) -> float:
    """Seconds of the fastest run: what the machine does when nothing else disturbs it."""
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def main() -> None:
    rng = np.random.default_rng(0)
    scores = rng.integers(1, 6, (1_000_000, 10)).astype(float)
    scores[rng.random(scores.shape) < 0.01] = np.nan
    assert np.allclose(score(scores, n_resamples=0).al, np.nanmean(scores, axis=0))
    nanmean = best(lambda: np.nanmean(scores, axis=0))
    ours = best(lambda: score(scores, n_resamples=0))
    shape = " x ".join(f"{size:,}" for size in scores.shape)
    print(f"{shape} scores: score {ours * 1e3:.1f} ms, nanmean {nanmean * 1e3:.1f} ms, ratio {ours / nanmean:.2f}")
    of_profile, of_personality = (ids.tolist() for ids in np.divmod(np.arange(len(scores)), 1000))
    crossed = best(lambda: score(scores, cluster_ids=of_profile, personality_ids=of_personality), runs=1)
    print(f"with crossed intervals: {crossed:.2f} s")


if __name__ == "__main__":
    main()
