"""What a user does with what was published, in a process of its own: load it, and find the run again.

    python -m aloe_hub.hub.read_back RUN ORG

`aloe demo` runs this against its local Hub; it works against any Hub that HF_ENDPOINT names.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from aloe_hub.errors import AloeError
from aloe_hub.files.jsonl import read_rows


def read_back(run: Path, org: str) -> list[str]:
    """One line for each thing that was loaded and found equal to the run's own files.

    Raises:
        AloeError: something on the Hub is not what the run holds.
    """
    import evaluate
    from datasets import load_dataset
    from evaluate.utils.logging import disable_progress_bar

    from aloe_hub.scoring import score

    disable_progress_bar()  # of the metric's script
    said = []
    for config in ("pairs", "sft", "trees", "distill", *(["ranked"] if (run / "ranked.jsonl").exists() else [])):
        loaded = load_dataset(f"{org}/aloe-prefs", config, split="train")
        own = list(read_rows(run / f"{config}.jsonl", dict))
        _same(f"{org}/aloe-prefs, {config}", loaded.to_list(), own)
        said.append(f'load_dataset("{org}/aloe-prefs", "{config}", split="train"): {len(own)} rows')
    held_out = load_dataset(f"{org}/aloe-personas", split="test")
    own = [row for row in read_rows(run / "personas.jsonl", dict) if row.pop("split") == "test"]
    _same(f"{org}/aloe-personas", held_out.to_list(), own)
    said.append(f'load_dataset("{org}/aloe-personas", split="test"): {len(own)} rows')
    metric = evaluate.load(f"{org}/aloe")
    for path in sorted((run / "scores").glob("*.jsonl")):
        rows = list(read_rows(path, dict))
        clusters, personalities = ([row[name] for row in rows] for name in ("profile_id", "personality_id"))
        scores = [row["scores"] for row in rows]
        found = metric.compute(predictions=scores, cluster_ids=clusters, personality_ids=personalities, n_resamples=100)
        expected = score(scores, cluster_ids=clusters, personality_ids=personalities, n_resamples=100)
        _same(f"{org}/aloe on {path.name}", str(found), str(expected.to_dict()))
        said.append(f'evaluate.load("{org}/aloe") on {path.name}: AVG {found["avg"]:.2f}, as computed here')
    return said


def _same(what: str, found: Any, expected: Any) -> None:  # noqa: ANN401 - rows or numbers
    if found != expected:
        raise AloeError(f"{what}: what was loaded is not what the run holds")


if __name__ == "__main__":
    try:
        print("\n".join(read_back(Path(sys.argv[1]), sys.argv[2])))
    except AloeError as error:
        sys.exit(f"aloe: error: {error}")
