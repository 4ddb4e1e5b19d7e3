"""A run → a dataset: its rows as Parquet, and its card."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aloe_hub.errors import UsageError
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.hub import cards, dataset_cards, schema
from aloe_hub.hub.push import Published, Upload, push, scratch
from aloe_hub.hub.shards import Split, write_splits

Kind = Literal["personas", "prefs"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a publish would send."""

    splits: tuple[Split, ...]
    files: dict[str, Path | bytes]
    card: str


def publish_dataset(
    run: RunFolder, kind: Kind, repo: str, *, private: bool = False, licence: str | None = None, tag: str | None = None
) -> Published:
    """Publish the pool (`personas`) or the trees and their rows (`prefs`) of a finished run as a dataset.

    Raises:
        DataError: the run is not finished.
        UsageError: imported texts without `--license`.
        AloeError: the Hub cannot be reached or refuses; nothing is there half-way.
    """
    with prepared(run, kind, repo, licence) as plan:
        names = {split.config for split in plan.splits}
        upload = Upload(
            repo,
            "dataset",
            plan.files,
            lambda before: cards.merged(before, plan.card, keep_licence=licence is None),
            lambda path: path.endswith(".parquet") and path.partition("/")[0] in names,
            f"Publish {kind} with aloe-hub",
            private,
        )
        return push(upload, tag)


@contextmanager
def prepared(run: RunFolder, kind: Kind, repo: str, licence: str | None) -> Iterator[Plan]:
    """The files and the card that a publish would send, for as long as the context lasts."""
    imported = schema.has_imported_texts(run)
    if (licence is None and imported) or (licence is not None and not licence.strip()):
        raise UsageError(
            "--license: name the licence, or `other`; imported texts need one said, since the ALOE authors gave none"
        )
    configs = schema.personas(run) if kind == "personas" else schema.prefs(run)
    with scratch(run.path, kind) as folder:
        splits = tuple(split for config in configs for split in write_splits(config, folder))
        files: dict[str, Path | bytes] = {str(path.relative_to(folder)): path for split in splits for path in split.files}
        card = dataset_cards.dataset_card(run, kind, repo, configs, splits, licence or "apache-2.0", imported=imported)
        yield Plan(splits, files, card)
