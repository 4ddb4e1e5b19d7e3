"""From which cosine similarity on a sentence of a persona counts as told: `NEAR` of `aloe_hub.stages.revealed`.

    python bench/revealed.py

In the scripted world R(k) is known. 40 conversations of ten turns with personas of the demo's recipe, and with 40 as the world's
grammar draws them, all-MiniLM-L6-v2: how well the share that each threshold finds follows R(k), over all turns, and what it finds
at the end.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from baselines import held_out  # type: ignore[import-not-found]  # beside this file
from strategies import a_run  # type: ignore[import-not-found]

from aloe_hub.embedding import EMBEDDED
from aloe_hub.files.jsonl import read_rows
from aloe_hub.results.counts import PLAIN
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.stages.people import Person
from aloe_hub.stages.revealed import by_embedder
from aloe_hub.types import Transcript

CONVERSATIONS = 40
THRESHOLDS = (0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6)


def main() -> None:
    with TemporaryDirectory() as folder:
        for name, run in (("demo", held_out(Path(folder) / "demo")), ("grammar", a_run(Path(folder)))):
            evaluate_all(run, [PLAIN], BenchmarkSettings(limit=CONVERSATIONS))
            told(name, list(read_rows(run.file("transcripts/scripted_plain.jsonl"), Transcript.from_row)))


def told(name: str, talks: list[Transcript]) -> None:
    exact = np.array([talk.shares["revealed"] for talk in talks])
    print(f"\n| {name}: similarity | r with R(k) | R(10), {exact[:, -1].mean():.2f} in truth |")
    print(f"|{'---|' * 3}")
    for threshold in THRESHOLDS:
        measure = by_embedder(EMBEDDED, threshold)
        found = np.array([_revealed(measure(_person(talk), [(turn.user, turn.reply) for turn in talk.turns])) for talk in talks])
        r = np.corrcoef(exact.ravel(), found.ravel())[0, 1]
        print(f"| {threshold:.2f} | {r:.3f} | {found[:, -1].mean():.2f} |", flush=True)


def _person(talk: Transcript) -> Person:
    return Person((talk.persona,) * len(talk.turns))


def _revealed(shares: list[dict[str, float]]) -> list[float]:
    return [share["revealed"] for share in shares]


if __name__ == "__main__":
    main()
