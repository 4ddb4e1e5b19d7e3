"""A trained model, its base and its benchmark → its card. The templates lie in model_cards/, front matter first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from jinja2 import UndefinedError

from aloe_hub.errors import DataError
from aloe_hub.hub import cards
from aloe_hub.hub.base import Base
from aloe_hub.hub.eval_results import Benchmarked
from aloe_hub.hub.trained import Trained
from aloe_hub.results.formatting import percent
from aloe_hub.training.record import TrainingRecord
from aloe_hub.types import Row

Form = Literal["adapter", "merge", "finetune"]  # as the Hub names the relation to the base
# Of the front matter: a later publish of something else takes them away where it has none.
OWNED = ("base_model", "base_model_relation", "datasets", "library_name", "pipeline_tag")


def adapter_card(
    trained: Trained, base: Base, repo: str, form: Form, licence: Mapping[str, str], benchmark: Benchmarked | None
) -> str:
    """The card of an adapter, merged or not, or of a model that was trained whole. The same content gives the same card.

    Raises:
        DataError: `training.json` has something else where a number belongs.
    """
    training = trained.training
    log = training.report.get("log", []) if training else []
    try:
        front, body = cards.filled(
            "model_cards",
            "adapter.md",
            repo=repo,
            form=form,
            base=base,
            base_link=_base_link(base),
            dataset=_dataset(training),
            licence=licence,
            training=training,
            logged=lambda key: [row[key] for row in log if row.get(key) is not None],
            benchmark=benchmark,
            audit=cards.audit_of(benchmark.run.audit if benchmark else None),
            **_CELLS,
        )
    except (TypeError, ValueError, AttributeError, KeyError, UndefinedError) as error:
        raise DataError(f"{trained.folder}/training.json: not as aloe train writes it ({error}); train again") from None
    return cards.new_card(front, body)


def pocket_card(pocket: Row, repo: str) -> str:
    """The card of the pocket model, from its `pocket.json`."""
    front, body = cards.filled("model_cards", "pocket.md", repo=repo, pocket=pocket, **_CELLS)
    return cards.new_card(front, body)


def duration(seconds: float) -> str:
    """
    >>> duration(42.3), duration(754), duration(7440)
    ('42 s', '12 min 34 s', '2 h 4 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def _dataset(training: TrainingRecord | None) -> str | None:
    """The dataset on the Hub that it was trained on, if it was one."""
    name = training.data.get("dataset") if training else None
    return name if isinstance(name, str) and cards.without_folders(name) == name and "/" in name else None


def _base_link(base: Base) -> str:
    if base.repo is not None:
        return f"`{base.repo}`{_at(base.revision)}"
    if base.is_pocket:
        return "the pocket model of aloe-hub"
    if base.source is None:
        return "a base that is not known"
    return f"`{cards.without_folders(base.source.name)}`, a model that is not on the Hub"


# --- cells


def _at(revision: object) -> str:
    return f" at `{revision}`" if revision else ""


def _pairs(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{_cell(name)} {_number(value)}" for name, value in table.items() if value is not None)


def _number(value: object) -> str:
    """A value as a cell: five digits of a fraction are enough to read."""
    return f"{value:.5g}" if isinstance(value, float) else _cell(value)


def _cell(value: object) -> str:
    """Text in one cell of a table, and without where folders lie."""
    if isinstance(value, list | tuple):
        return ", ".join(map(_cell, value))
    text = " ".join(str(value).split())
    return cards.without_folders(text).replace("|", "\\|")


# What a template makes cells with.
_CELLS: dict[str, Callable[..., str]] = {
    "at": _at, "cell": _cell, "duration": duration, "pairs": _pairs, "percent": percent, "value": _number,
}  # fmt: skip
