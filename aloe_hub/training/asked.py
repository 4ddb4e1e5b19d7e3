"""The prompts of GRPO: every spoken path of a run's trees, or of a dataset's, with the persona that the judge is told."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder, how_to_get_trees
from aloe_hub.hub_dataset import dataset_named, open_dataset
from aloe_hub.rows import asked
from aloe_hub.training.base import Base
from aloe_hub.training.data import Measured, measure_prompts
from aloe_hub.types import Row, Tree


def asked_rows(run: RunFolder, data: str | None, limit: int | None, *, openings: bool) -> tuple[list[Row], Row]:
    """As `load_rows`. openings: of the first turn of each tree alone, which a conversation begins with.

    Raises:
        DataError, AloeError: as `trees_of`; and there are no trees.
    """
    trees, origin = trees_of(run, data, "a judge must know who the user is")
    rows = [row for tree in islice(trees, limit) for row in asked(tree) if not (openings and row["turn"])]
    if not rows:
        raise DataError(f"{data or run.file('trees.jsonl')}: no trees to take prompts from")
    return rows, origin


def trees_of(run: RunFolder, data: str | None, why: str) -> tuple[Iterable[Tree], Row]:
    """The trees of `data` on the Hub, else of the run folder, and where they came from. why: they are needed.

    Raises:
        DataError: no such file or dataset, no trees in it, or, while they are read, one that cannot be.
        AloeError: the Hub cannot be reached or refuses.
    """
    if data is not None:
        name = dataset_named(data)
        found, choice, revision = open_dataset(name, ("trees",), "go online, or train from --run DIR")
        if not {"tree_id", "profile", "personality", "turns"} <= set(found.column_names):
            raise DataError(
                f"--data {data}: config {choice!r} holds no trees, it has {', '.join(found.column_names)}; {why}; leave the "
                f"config out, --data {name.repo}, and ours is taken"
            )
        origin: Row = {"dataset": name.repo, "revision": revision, "config": choice, "split": name.split or "train"}
        return _trees(found, data), origin
    path = run.file("trees.jsonl")
    if not path.exists():
        raise DataError(f"{path}: no such file; {how_to_get_trees(run.path)}; or give --data org/name")
    with path.open("rb") as file:
        origin = {"run": run.path.name, "sha256": hashlib.file_digest(file, "sha256").hexdigest()}
    return read_rows(path, Tree.from_row) if path.stat().st_size else (), origin


def _trees(rows: Iterable[Row], data: str) -> Iterator[Tree]:
    for number, row in enumerate(rows):
        try:
            yield Tree.from_row(row)
        except (KeyError, ValueError) as error:
            raise DataError(f"--data {data}, row {number}: {error}") from None


def measure_asked(
    rows: Sequence[Row], base: Base, reply: int, *, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Measured:
    """Tokenise the prompts as TRL will. `longest` is the longest of them. reply: the most tokens that one may have.

    Raises:
        DataError: a prompt that leaves no room for a reply, that the template refuses, or whose text would be read as a control
            token.
        UsageError: a reply for which the base itself has no room.
    """
    if base.positions is not None and reply >= base.positions:
        raise UsageError(f"max_completion_length {reply}: {base.source} takes {base.positions} tokens for prompt and reply")
    room = None if base.positions is None else base.positions - reply
    measured, too_long = measure_prompts(rows, base, lambda row: [row], room, on_progress)
    if too_long is not None:
        name, length = too_long
        raise DataError(
            f"{name}: its prompt has {length} tokens, with a reply of {reply} more than the {base.positions} that {base.source} "
            "takes; lower --set max_completion_length, grow shorter trees, or take another base"
        )
    return measured
