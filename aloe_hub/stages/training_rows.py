"""Finished trees → the rows that a model is trained on, in files beside them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack

from aloe_hub.files.jsonl import atomic_file, encoded, read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.row_kinds import row_kinds
from aloe_hub.text import control_markers
from aloe_hub.types import Tree

DERIVED = ("pairs", "sft", "distill", "ranked")


def write_training_rows(run: RunFolder, seen: Callable[[Tree], None] | None = None) -> dict[str, int]:
    """`pairs.jsonl`, `sft.jsonl`, `distill.jsonl` beside a finished `trees.jsonl`, in one pass; returns how many rows each has.

    And `ranked.jsonl`, as `row_kinds` says. A file that is there stays as it is. `seen` is called with each tree.
    """
    kinds = row_kinds(run.settings().get("trees", {}))
    counts = dict.fromkeys(kinds, 0)
    with ExitStack() as files:
        missing = {}
        for name in kinds:
            path = run.file(f"{name}.jsonl")
            if path.exists():
                counts[name] = sum(1 for _ in path.open("rb"))
            else:
                missing[name] = (files.enter_context(atomic_file(path)), str(path))
        for tree in read_rows(run.file("trees.jsonl"), Tree.from_row) if missing or seen else ():
            if seen:
                seen(tree)
            for name, (file, path_of) in missing.items():
                for row in kinds[name](tree):
                    file.write(encoded(row, path_of))
                    counts[name] += 1
    return counts


def control_tokens_in(tree: Tree) -> tuple[str, ...]:
    """The control tokens of common chat templates that are said in a tree."""
    said = [text for exchange in tree.exchanges for text in (exchange.user, *(reply.text for reply in exchange.replies))]
    return control_markers("\n".join(said))
