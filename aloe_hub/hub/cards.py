"""A run → its dataset card. The templates lie in dataset_cards/, front matter first.

A card that stands on the Hub is loaded and merged: what a person wrote by hand survives. Ours is the text between two markers,
and in the front matter the keys that the template has; everything else is the person's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import yaml
from datasets import Features, List, Value
from datasets.info import DatasetInfo
from datasets.splits import SplitDict, SplitInfo
from jinja2 import Environment, StrictUndefined

from aloe_hub.errors import DataError
from aloe_hub.report import read_runs
from aloe_hub.report.data import RunReport, is_scripted
from aloe_hub.run_folder import RunFolder
from aloe_hub.shipped import shipped

if TYPE_CHECKING:
    from aloe_hub.hub.schema import Config
    from aloe_hub.hub.shards import Split

BEGIN, END = "<!-- aloe-hub: this part is written anew by every publish -->", "<!-- aloe-hub: end -->"
SIZES = (
    (10**3, "n<1K"),
    (10**4, "1K<n<10K"),
    (10**5, "10K<n<100K"),
    (10**6, "100K<n<1M"),
    (10**7, "1M<n<10M"),
    (10**8, "10M<n<100M"),
    (10**9, "100M<n<1B"),
)
_OURS = re.compile(f"{re.escape(BEGIN)}(?:(?!{re.escape(BEGIN)}|{re.escape(END)}).)*{re.escape(END)}", re.DOTALL)
# As the Hub reads it: blank lines may stand before.
_FRONT = re.compile(r"\A\s*^---[ \t]*\n(?P<front>.*?)^---[ \t]*$\n?(?P<text>.*)\Z", re.DOTALL | re.MULTILINE)
_ENVIRONMENT = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)


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
    template = _ENVIRONMENT.from_string((shipped("dataset_cards") / f"aloe-{kind}.md").read_text(encoding="utf-8"))
    settings = report.settings.get("personas" if kind == "personas" else "trees", {})
    text = template.render(
        repo=repo,
        licence=licence,
        settings=_Settings(settings),
        generator=_public(str(settings.get("model", "–"))),
        imported=imported if kind == "personas" else settings.get("source") == "imported",
        imported_pool=imported,
        scripted=is_scripted(report.model("personas", "model")) if kind == "personas" else report.is_test_bed("trees"),
        models=sorted((role, _public(model)) for role, model in dict(settings.get("models", {})).items()),
        counts=_persona_counts(report, splits) if kind == "personas" else _tree_counts(report, splits),
        configs=configs,
        split=splits[0].name,
        columns=_columns(configs),
    )
    front, body = parts(text, "the template")
    front |= {
        "size_categories": [_size(max(split.rows for split in splits))],
        "configs": [_config(config, splits, default=config is configs[0]) for config in configs],
        "dataset_info": [_info(config, splits) for config in configs],
    }
    return new_card(front, body)


def merged(before: str | None, card: str, *, keep_licence: bool) -> str:
    """`card` put into the card that stands on the Hub (None: there is none). Merging the same card again changes nothing.

    Raises:
        DataError: the card on the Hub has front matter that is not YAML.
    """
    if before is None:
        return card
    theirs, text = parts(before, "the card on the Hub")
    ours, body = parts(card, "the new card")
    front = theirs | ours
    for key in ("tags", "language", "task_categories"):
        if key in front:
            front[key] = sorted({*_listed(theirs.get(key)), *_listed(ours.get(key))})
    for key in ("configs", "dataset_info"):
        if key in front:
            front[key] = [*ours.get(key, []), *_of_others(theirs.get(key), ours.get(key, []))]
    if keep_licence and "license" in theirs:
        front["license"] = theirs["license"]
    # A marker without its fellow is a person's text; only a whole pair, with no other marker inside, is ours.
    found = _OURS.search(text)
    if found:
        return joined(front, text[: found.start()] + body.strip() + text[found.end() :])
    return joined(front, f"{text.rstrip()}\n\n{body.strip()}\n" if text.strip() else body)


def new_card(front: dict[str, Any], body: str) -> str:
    """A card that is all ours, its text between the markers; tags sorted, as merging leaves them."""
    return joined(front | {"tags": sorted(front["tags"])}, f"\n{BEGIN}\n{body.strip()}\n{END}\n")


def parts(card: str, what: str) -> tuple[dict[str, Any], str]:
    """(front matter, text) of a card.

    Raises:
        DataError: the front matter is not YAML, or no mapping.
    """
    card = re.sub(r"\r+\n", "\n", card)
    found = _FRONT.match(card)
    if not found:
        return {}, card
    try:
        front = yaml.safe_load(found["front"]) or {}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        first = found[0].count("\n", 0, found.start("front")) + 1
        line = f", line {where.line + first}" if where else ""
        raise DataError(f"README.md of {what}{line}: front matter that is not YAML; mend it there and publish again") from None
    if not isinstance(front, dict):
        raise DataError(f"README.md of {what}: front matter that is no mapping; mend it there and publish again")
    return front, found["text"]


def joined(front: dict[str, Any], text: str) -> str:
    head = yaml.safe_dump(front, sort_keys=False, allow_unicode=True, width=1000)
    return f"---\n{head}---\n{'' if text.startswith(chr(10)) else chr(10)}{text}"


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
        "failed": trees.failed,
    }


def _of_others(theirs: object, ours: list[Any]) -> list[Any]:
    """The configs of a card that a publish knows nothing of. None of them is the default: of two, `datasets` loads neither."""
    known = {one.get("config_name") for one in ours} | {"default"}
    found = [one for one in (theirs if isinstance(theirs, list) else [theirs]) if isinstance(one, dict)]
    return [
        {key: value for key, value in one.items() if key != "default"} for one in found if one.get("config_name") not in known
    ]


def _public(model: str) -> str:
    """A model string without the address, or a key in it, of the server that ran it."""
    _, mark, name = model.rpartition("#")
    return name if mark else "a model behind an endpoint" if "://" in name else name


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


def _listed(value: object) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else [] if value is None else [str(value)]
