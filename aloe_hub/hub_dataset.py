"""A dataset on the Hub at one commit, as every command names it: `org/name[:config[:split]][@revision]`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aloe_hub.errors import DataError, UsageError
from aloe_hub.hub_errors import hub_errors


@dataclass(frozen=True, slots=True)
class DatasetName:
    """What was asked for; "" where it was left open. option: where the user named it."""

    repo: str
    config: str = ""
    split: str = ""
    revision: str = ""
    option: str = "--data"

    @property
    def shown(self) -> str:
        place = ":".join(part for part in (self.repo, self.config, self.split) if part)
        name = f"{place}@{self.revision}" if self.revision else place
        return f"{self.option} {name}" if self.option else name


def dataset_named(text: str, option: str = "--data") -> DatasetName:
    """Raises: UsageError: it is no name of a dataset.

    >>> dataset_named("org/name:main:test@v1")
    DatasetName(repo='org/name', config='main', split='test', revision='v1', option='--data')
    """
    name, _, revision = text.partition("@")
    repo, *place = name.split(":")
    if len(place) > 2 or not all(place):
        raise UsageError(
            f"{option} {text!r}: expected org/name, org/name:config or org/name:config:split, and perhaps @revision".strip()
        )
    config, split = (*place, "", "")[:2]
    return DatasetName(repo, config, split, revision, option)


def open_dataset(name: DatasetName, configs: Sequence[str], offline: str) -> tuple[Any, str, str]:
    """(the dataset, its config, its commit): the commit is found first, for what `main` is today it may not be tomorrow.

    configs: the first of them that is there is taken, unless the name has one. offline: what helps without the Hub.

    Raises:
        DataError: there is no such dataset, config or split.
        AloeError: the Hub cannot be reached or refuses.
    """
    from datasets import load_dataset
    from huggingface_hub import HfApi

    of_repo = f"{name.repo}@{name.revision}" if name.revision else name.repo
    split, tried = name.split or "train", list[str]()
    with hub_errors(of_repo, "dataset", option=name.option, offline=offline):
        revision = str(HfApi(library_name="aloe-hub").dataset_info(name.repo, revision=name.revision or None).sha)
        for choice in (name.config,) if name.config else configs:
            try:
                return load_dataset(name.repo, choice, revision=revision, split=split), choice, revision
            except (ValueError, FileNotFoundError) as error:  # what `datasets` says of a config or a split that is not there
                tried.append(" ".join(str(error).split())[:200])
    raise DataError(f"{name.shown}: no config {name.config or configs[0]!r} with a split {split!r} in it ({tried[0]})")
