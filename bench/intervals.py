"""How often a 95% interval holds the truth, and how often a test sees what is not there: `python bench/intervals.py`.

Simulated scores of P profiles crossed with Q personalities, one conversation of ten turns each. Every profile and every
personality has an effect of its own on the level, and a tenth of it on the slope; a turn adds noise, and a judge rounds to half
points between 1 and 5. All is symmetric about 3, so the true AVG is 3 and the true IR is 0, rounded and cut as they are. Two
policies differ by effects of the same sizes, and by nothing on average. Beside both ids stands what profiles alone give.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed

from aloe_hub.scoring import compare, score

Floats = NDArray[np.float64]

TURNS = 10
LAYOUTS = ((20, 5), (10, 10))
OF_PROFILES = 0.3  # standard deviations, in points
OF_PERSONALITIES = (0.0, 0.1, 0.3, 0.5)
OF_A_TURN = 0.5
LOST = 0.01  # share of the scores that are missing
TRUTH = 3.0
FEWER = 4  # of so many replicates one is measured by profiles alone, too: resampling takes ten times as long


def simulated(rng: np.random.Generator, profiles: int, personalities: int, of_personalities: float) -> Floats:
    """Scores of two policies, (2, profiles x personalities, turns)."""

    def effects() -> Floats:
        """Of persons on a level, and of others on a slope: (profiles, personalities, turns)."""
        rows = OF_PROFILES * rng.standard_normal((2, profiles, 1))
        columns = of_personalities * rng.standard_normal((2, 1, personalities))
        level, slope = (rows + columns)[..., None]
        out: Floats = level + slope * (np.arange(TURNS) - (TURNS - 1) / 2) / 10
        return out

    shared, apart = effects(), effects()
    noise = OF_A_TURN * rng.standard_normal((2, profiles, personalities, TURNS))
    levels = np.stack([shared + apart / 2, shared - apart / 2]) + noise
    judged: Floats = (TRUTH + np.round(2 * levels) / 2).clip(1, 5).reshape(2, -1, TURNS)
    judged[rng.random(judged.shape) < LOST] = np.nan
    return judged


def counted(
    seed: int, replicates: int, profiles: int, personalities: int, of_personalities: float, empty: float = 0.0
) -> Iterator[tuple[str, float]]:
    """By name, shares of the replicates, and the mean half-width of the interval of AVG. empty: share of cells without scores."""
    rng = np.random.default_rng(seed)
    found: dict[str, float] = defaultdict(float)
    for replicate in range(replicates):
        a, b = simulated(rng, profiles, personalities, of_personalities)
        (kept,) = np.nonzero(rng.random(profiles * personalities) >= empty)
        a, b = a[kept], b[kept]
        of_profile, of_personality = (ids.tolist() for ids in np.divmod(kept, personalities))
        ways: dict[str, dict[str, Any]] = {
            "two-way": {"cluster_ids": of_profile, "personality_ids": of_personality, "n_resamples": 1},  # t draws nothing
            "profiles": {"cluster_ids": of_profile},
        }
        for way, settings in ways.items():
            if way == "profiles" and replicate % FEWER:
                continue
            one, two = score(a, **settings), compare(a, b, **settings)
            found[f"{way} AVG"] += _holds(one.avg_ci, TRUTH)
            found[f"{way} IR"] += _holds(one.ir_ci, 0)
            found[f"{way} difference"] += _holds(two.difference_ci, 0)
            found[f"{way} alarms"] += two.p <= 0.05
            found[f"{way} half-width"] += (one.avg_ci[1] - one.avg_ci[0]) / 2
    for name, total in found.items():
        yield name, total / (replicates if name.startswith("two-way") else -(-replicates // FEWER))


def _holds(interval: tuple[float, float], truth: float) -> bool:
    return interval[0] <= truth <= interval[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replicates", type=int, default=4000)
    parser.add_argument("--empty", type=float, default=0.0, help="share of the cells that have no conversation")
    given = parser.parse_args()
    columns = [f"{way} {what}" for what in ("AVG", "IR", "difference", "alarms", "half-width") for way in ("two-way", "profiles")]
    print(f"| profiles x personalities | sd of personalities | {' | '.join(columns)} |")
    print("|---|---|" + "---|" * len(columns))
    for profiles, personalities in LAYOUTS:
        for place, of_personalities in enumerate(OF_PERSONALITIES):
            seed = 1000 * profiles + place
            found = dict(counted(seed, given.replicates, profiles, personalities, of_personalities, given.empty))
            cells = " | ".join(f"{found[name]:.2f}" if "half" in name else f"{found[name]:.1%}" for name in columns)
            print(f"| {profiles} x {personalities} | {of_personalities:g} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
