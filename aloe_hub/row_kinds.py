"""Which kinds of rows a run has: what lies beside its trees, and what is published of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from aloe_hub import rows
from aloe_hub.types import Row, Tree

RowsOf = Callable[[Tree], Iterator[Row]]


def row_kinds(trees: Mapping[str, Any]) -> dict[str, RowsOf]:
    """The kinds of rows of a run, by name; `trees` is that table of its `run.toml`. `ranked` only where replies have ranks."""
    every = trees.get("pairs") == "all"
    kinds: dict[str, RowsOf] = {"pairs": partial(rows.pairs, every=every), "sft": rows.sft, "distill": rows.distill}
    return kinds | {"ranked": rows.ranked} if has_ranks(trees) else kinds


def has_ranks(trees: Mapping[str, Any]) -> bool:
    """Whether the turns of these trees say the ranks of their replies."""
    return trees.get("replies", 2) > 2 or trees.get("rank_by") == "scores"
