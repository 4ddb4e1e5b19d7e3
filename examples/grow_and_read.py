"""Grow a few preference trees of the scripted world, and read them back as values.

    python examples/grow_and_read.py [FOLDER]

The commands are those that a user types; with `--model hub:org/model` the same trees come from a language model.
"""

import json
import sys
import tempfile
from pathlib import Path

from aloe_hub.cli.app import main
from aloe_hub.rows import pairs
from aloe_hub.types import Tree

FEW = ["--profiles", "6", "--personalities", "4", "--pairings", "2", "--test-profiles", "2", "--test-personalities", "1"]
LOOSE = ["--profile-threshold", "0.9", "--personality-threshold", "0.9"]


def grow(run: Path) -> list[Tree]:
    """Personas and trees of three turns, by the commands; the trees as values."""
    for command in (["personas", *FEW, *LOOSE], ["trees", "--turns", "3"]):
        if status := main([command[0], "--run", str(run), *command[1:]]):
            sys.exit(status)
    return [Tree.from_row(json.loads(line)) for line in (run / "trees.jsonl").read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        trees = grow(Path(sys.argv[1] if len(sys.argv) > 1 else temporary))
    tree = trees[0]
    print(f"\n{tree.persona.profile}\n{tree.persona.personality}\n")
    for exchange in tree.exchanges:
        print(f"user      {exchange.user}")
        for number, reply in enumerate(exchange.replies):
            marks = ["preferred"] * (number == exchange.preferred) + ["spoken"] * (number == exchange.spoken)
            print(f"{reply.source:9} {reply.text}  [{', '.join(marks)}]")
    rows = [row for tree in trees for row in pairs(tree)]
    print(f"\n{len(trees)} trees, {sum(len(tree.exchanges) for tree in trees)} forks, {len(rows)} pairs for DPO")
