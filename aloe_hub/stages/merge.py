"""Shards of a run, wherever they lie → one run, as if it had never been cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aloe_hub.errors import AloeError, DataError, SettingsDiffer
from aloe_hub.files.journal import Journal
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder, differences
from aloe_hub.stages.training_rows import DERIVED
from aloe_hub.stages.trees import Shard, tree_id_of
from aloe_hub.types import Row, Tree


def merge(sources: Sequence[RunFolder], run: RunFolder) -> int:
    """Put the shards that lie in `sources` into `run` as one `trees.jsonl`, in persona order; returns the number of trees.

    The same bytes as a run that was never cut into shards. A shard that is missing or unfinished is named.

    Raises:
        SettingsDiffer: the shards were grown with other settings or from another pool.
        AloeError: not all shards are there.
    """
    first = sources[0]
    settings = _settings(first)
    for other in sources[1:]:
        difference = next(iter(differences(settings, _settings(other))), None)
        if difference:
            name, one, two = difference
            raise SettingsDiffer(f"trees.{name} is {one!r} in {first.path} and {two!r} in {other.path}; they are not one run")
    shards = _shards(sources)
    personas = first.personas(settings["split"])[: settings.get("limit")]
    order = [tree_id_of(settings["seed"], persona) for persona in personas]
    run.claim("trees", settings)
    if run.path.resolve() != first.path.resolve():
        if pool := first.settings().get("personas"):
            run.claim("personas", pool)
        for name in ("profiles", "personalities", "rejected", "personas"):
            if first.file(f"{name}.jsonl").exists():
                write_rows(run.file(f"{name}.jsonl"), read_rows(first.file(f"{name}.jsonl"), dict))
    failed: list[Row] = []
    with Journal(run.file("trees.jsonl"), key="tree_id", check=Tree.from_row) as trees:
        for path in shards:
            # A shard is empty when there are more shards than personas, or when all of its trees failed.
            for row in read_rows(path, _whole) if path.stat().st_size else ():
                if row["tree_id"] not in trees:
                    trees.append(row)
            failures = path.with_name(path.name.replace("trees", "failed", 1))
            failed.extend(read_rows(failures, dict) if failures.exists() else ())
        lost = {row["tree_id"]: row for row in failed}
        missing = [tree_id for tree_id in order if tree_id not in trees and tree_id not in lost]
        if missing:
            raise AloeError(f"{first.path}: {len(missing)} trees are in no shard; were the shards grown from the same pool?")
        for name in ("failed", *DERIVED):  # of an earlier merge, before failed trees were tried again
            run.file(f"{name}.jsonl").unlink(missing_ok=True)
        if lost:
            write_rows(run.file("failed.jsonl"), [lost[tree_id] for tree_id in order if tree_id in lost])
        trees.finish([tree_id for tree_id in order if tree_id in trees])
    return len(order) - len(lost)


def _whole(row: Row) -> Row:
    """Raises: KeyError, ValueError: not a whole tree."""
    Tree.from_row(row)
    return row


def _settings(run: RunFolder) -> Row:
    settings = run.settings().get("trees")
    if settings is None:
        raise DataError(f"{run.path}: no trees were grown here; run: aloe trees --run {run.path} --shard i/n")
    return dict(settings)


def _shards(sources: Sequence[RunFolder]) -> list[Path]:
    found: dict[Shard, Path] = {}
    for source in sources:
        for path in sorted(source.path.glob("trees-*-of-*.jsonl")):
            found.setdefault(Shard.parse(path.stem.removeprefix("trees-").replace("-of-", "/")), path)
    places = ", ".join(str(source.path) for source in sources)
    counts = {shard.count for shard in found}
    if not found:
        raise AloeError(f"{places}: no finished shard here; run: aloe trees --shard i/n")
    if len(counts) > 1:
        raise AloeError(f"{places}: shards of {sorted(counts)} parts lie together; merge one set of them")
    count = counts.pop()
    missing = [f"{index}/{count}" for index in range(1, count + 1) if Shard(index, count) not in found]
    if missing:
        raise AloeError(f"{places}: shard {', '.join(missing)} is missing or unfinished; run: aloe trees --shard {missing[0]}")
    return [found[Shard(index, count)] for index in range(1, count + 1)]
