"""Scores of 1,000,000 conversations of 10 turns beside `np.nanmean` of the same array: `python bench/scoring.py`.

`score` also checks every score, counts what is missing and fits the curve; `nanmean` is the floor that NumPy sets.
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


def best(run: Callable[[], object]) -> float:
    """Seconds of the fastest run: what the machine does when nothing else disturbs it."""
    seconds = []
    for _ in range(RUNS):
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


if __name__ == "__main__":
    main()
