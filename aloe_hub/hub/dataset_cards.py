"""A run → its dataset card. The templates lie in dataset_cards/, front matter first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from datasets import Features, List, Value
from datasets.info import DatasetInfo
from datasets.splits import SplitDict, SplitInfo

from aloe_hub.files.run_folder import RunFolder
from aloe_hub.hub import cards
from aloe_hub.report import read_runs
from aloe_hub.results.counts import RunReport, is_scripted

if TYPE_CHECKING:
    from aloe_hub.hub.schema import Config
    from aloe_hub.hub.shards import Split

SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
)


def dataset_card(
    run: RunFolder,
    kind: str,
    repo: str,
    configs: Sequence[Config],
    splits: Sequence[Split],
    licence: str,
    *,
    imported: bool = False,
) -> str:
    """The card of `aloe-personas` or `aloe-prefs`, filled from the run. The same run gives the same card."""
    (report,) = read_runs([run.path]).runs
    settings = report.settings.get("personas" if kind == "personas" else "trees", {})
    front, body = cards.filled(
        "dataset_cards",
        f"aloe-{kind}.md",
        repo=repo,
        licence=licence,
        settings=_Settings(settings),
        generator=cards.public(str(settings.get("model", "–"))),
        imported=imported if kind == "personas" else settings.get("source") == "imported",
        imported_pool=imported,
        scripted=is_scripted(report.model("personas", "model")) if kind == "personas" else report.is_test_bed("trees"),
        models=sorted((role, cards.public(model)) for role, model in dict(settings.get("models", {})).items()),
        counts=_persona_counts(report, splits) if kind == "personas" else _tree_counts(report, splits),
        configs=configs,
        split=splits[0].name,
        columns=_columns(configs),
    )
    front |= {
        "size_categories": [_size(max(split.rows for split in splits))],
        "configs": [_config(config, splits, default=config is configs[0]) for config in configs],
        "dataset_info": [_info(config, splits) for config in configs],
    }
    return cards.new_card(front, body)


class _Settings(dict[str, Any]):
    """Settings of a run that may lack some: an imported pool has no embedder."""

    def __missing__(self, key: str) -> str:
        return "–"


def _persona_counts(report: RunReport, splits: Sequence[Split]) -> dict[str, Any]:
    pool = report.pool
    assert pool is not None
    assert pool.profiles is not None
    assert pool.personalities is not None
    return {
        "profiles": pool.profiles.kept,
        "personalities": pool.personalities.kept,
        "refused_profiles": pool.profiles.refused,
        "refused_personalities": pool.personalities.refused,
        "train": pool.personas.get("train", 0),
        "test": pool.personas.get("test", 0),
    }


def _tree_counts(report: RunReport, splits: Sequence[Split]) -> dict[str, Any]:
    trees = report.trees
    assert trees is not None
    return {
        "trees": trees.trees,
        "exchanges": trees.exchanges,
        "pairs": next(split.rows for split in splits if split.config == "pairs"),
        "tie_rate": _share(trees.tie_rate),
        "agreement": _share(trees.order_agreement),
        "first_shown": _share(trees.first_shown_rate),
        "tailored": _share(trees.tailored_preferred),
        "steering": trees.steering,
        "failed": trees.failed,
    }


def _share(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"


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


def _columns(configs: Sequence[Config]) -> str:
    lines = ["| config | column | type |", "|---|---|---|"]
    lines += [f"| `{config.name}` | `{name}` | {_type(kind)} |" for config in configs for name, kind in config.features.items()]
    return "\n".join(lines)


def _type(kind: object) -> str:
    if isinstance(kind, Value):
        return str(kind.dtype)
    if isinstance(kind, List):
        return f"list of {_type(kind.feature)}"
    if isinstance(kind, (dict, Features)):
        return "{" + ", ".join(f"{name}: {_type(inner)}" for name, inner in kind.items()) + "}"
    return type(kind).__name__


def _size(rows: int) -> str:
    return next((name for limit, name in SIZES if rows < limit), "1B<n<10B")
