"""Finished trees → the rows that a model is trained on, in files beside them."""

from __future__ import annotations

from aloe_hub import rows
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.types import Tree


def write_training_rows(run: RunFolder) -> dict[str, int]:
    """`pairs.jsonl` and `sft.jsonl` beside a finished `trees.jsonl`; returns how many rows each has."""
    counts = {}
    for name, derive in (("pairs", rows.pairs), ("sft", rows.sft)):
        path = run.file(f"{name}.jsonl")
        if path.exists():
            counts[name] = sum(1 for _ in path.open("rb"))
            continue
        trees = read_rows(run.file("trees.jsonl"), Tree.from_row)
        counts[name] = write_rows(path, (row for tree in trees for row in derive(tree)))
    return counts
