"""A run → its dataset card. The templates lie in dataset_cards/, front matter first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from datasets import Features, List, Value
from datasets.info import DatasetInfo
from datasets.splits import SplitDict, SplitInfo

from aloe_hub.files.run_folder import RunFolder
from aloe_hub.hub import cards
from aloe_hub.results.audited import read_audit
from aloe_hub.results.counts import is_scripted
from aloe_hub.results.read import count_failed, read_pool, read_settings
from aloe_hub.results.trees import TreeTally

if TYPE_CHECKING:
    from aloe_hub.hub.parquet import Split
    from aloe_hub.hub.schema import Config

SIZES = ("1K", "10K", "100K", "1M", "10M", "100M", "1B", "10B")  # as the Hub names them


def dataset_card(
    run: RunFolder,
    repo: str,
    configs: Sequence[Config],
    splits: Sequence[Split],
    trees: TreeTally | None,
    licence: str,
    *,
    languages: Sequence[str] = ("en",),
    imported: bool = False,
) -> str:
    """The card of `aloe-prefs`, or of `aloe-personas` where there are no `trees`. The same run gives the same card."""
    kind = "prefs" if trees else "personas"
    report = read_settings(run.path)
    settings = report.settings.get("trees" if trees else "personas", {})
    front, body = cards.filled(
        "dataset_cards",
        f"aloe-{kind}.md",
        repo=repo,
        licence=licence,
        languages=languages,
        settings=_Settings(settings),
        generator=cards.public(str(settings.get("model", "–"))),
        imported=settings.get("source") == "imported" if trees else imported,
        imported_pool=imported,
        origin=_origin(settings),
        scripted=report.is_test_bed("trees") if trees else is_scripted(report.model("personas", "model")),
        models=sorted((role, cards.public(model)) for role, model in dict(settings.get("models", {})).items()),
        pool=None if trees else read_pool(run.path, settings),
        trees=trees and trees.stats(count_failed(run.path)),
        audit=cards.audit_of(read_audit(run.path)),
        pairs=splits[0].rows,
        **{name: sum(split.rows for split in splits if split.config == name) for name in ("sft", "distill", "ranked")},
        configs=configs,
        split=splits[0].name,
        type_of=_type,
    )
    front |= {
        "size_categories": [_size(max(split.rows for split in splits))],
        "configs": [_config(config, splits, default=config is configs[0]) for config in configs],
        "dataset_info": [_info(config, splits) for config in configs],
    }
    return cards.new_card(front, body)


def _origin(settings: Mapping[str, Any]) -> str | None:
    """Where imported texts or chats come from, in words; None where they are the ALOE authors', or were not imported."""
    if dataset := settings.get("dataset"):
        return f"the dataset [{dataset}](https://huggingface.co/datasets/{dataset})"
    return "files of others" if "sha256" in settings else None


class _Settings(dict[str, Any]):
    """Settings of a run that may lack some: an imported pool has no embedder."""

    def __missing__(self, key: str) -> str:
        return "–"


def _config(config: Config, splits: Sequence[Split], *, default: bool) -> dict[str, Any]:
    found = [split for split in splits if split.config == config.name]
    data_files = [{"split": split.name, "path": f"{config.name}/{split.name}-*"} for split in found]
    return {"config_name": config.name, **({"default": True} if default else {}), "data_files": data_files}


def _info(config: Config, splits: Sequence[Split]) -> dict[str, Any]:
    """What `load_dataset` checks its download against."""
    found = [split for split in splits if split.config == config.name]
    sizes = SplitDict()
    for split in found:
        sizes.add(SplitInfo(split.name, num_bytes=split.num_bytes, num_examples=split.rows))
    info = DatasetInfo(
        features=config.features,
        splits=sizes,
        download_size=sum(split.download_size for split in found),
        dataset_size=sum(split.num_bytes for split in found),
    )
    return {"config_name": config.name, **info._to_yaml_dict()}


def _type(kind: object) -> str:
    if isinstance(kind, Value):
        return str(kind.dtype)
    if isinstance(kind, List):
        return f"list of {_type(kind.feature)}"
    if isinstance(kind, (dict, Features)):
        return "{" + ", ".join(f"{name}: {_type(inner)}" for name, inner in kind.items()) + "}"
    return type(kind).__name__


def _size(rows: int) -> str:
    """
    >>> _size(999), _size(1000), _size(2_000_000_000)
    ('n<1K', '1K<n<10K', '1B<n<10B')
    """
    place = max(len(str(rows)) - 3, 0)
    return f"{SIZES[place - 1]}<n<{SIZES[place]}" if place else f"n<{SIZES[0]}"
