"""A trained model, its base and its benchmark → its card. The templates lie in model_cards/, front matter first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

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
    try:
        recipe, report = (list(_recipe(training, base, form)), list(_report(training))) if training else ([], [])
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise DataError(f"{trained.folder}/training.json: not as aloe train writes it ({error}); train again") from None
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
        recipe=recipe,
        settings=list(_settings(training)) if training else [],
        report=report,
        benchmark=benchmark,
    )
    return cards.new_card(front, body)


def pocket_card(pocket: Row, repo: str) -> str:
    """The card of the pocket model, from its `pocket.json`."""
    front, body = cards.filled(
        "model_cards",
        "pocket.md",
        repo=repo,
        tokens=f"{pocket['tokens']:,}",
        parameters=f"{pocket['parameters']:,}",
        made=list(_made(pocket)),
        probes=[(_cell(name), _number(value)) for name, value in pocket["probes"].items()],
    )
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


# --- how it was made


def _made(pocket: Row) -> Iterator[tuple[str, str]]:
    for name, value in pocket.items():
        if name == "seconds":
            yield "time", duration(value)
        elif name == "versions":
            yield name, _pairs(value)
        elif name != "probes":
            yield _cell(name), f"{value:,}" if name in ("tokens", "parameters") else _number(value)


def _recipe(training: TrainingRecord, base: Base, form: Form) -> Iterator[tuple[str, str]]:
    yield "method", training.method.upper()
    yield "base", _base_link(base)
    if training.adapter:
        yield "started from", f"`{cards.without_folders(training.adapter.name)}`{_at(training.adapter.revision)}"
    data = training.data
    if dataset := _dataset(training):
        yield "data", f"`{dataset}`{_at(data.get('revision'))}"
    else:
        yield "data", f"the run `{Path(str(data.get('run') or data.get('dataset') or 'of no name')).name}`"
    for name, key in (("rows", "rows"), ("trees", "trees"), ("rows held out of it", "eval_rows")):
        if data.get(key):
            yield name, f"{data[key]:,}"
    if form == "finetune":
        yield "adapter", "none: all weights were trained"
    elif training.lora:
        yield "adapter", f"LoRA: {_pairs(training.lora)}"
    yield "versions", _pairs(training.versions)


def _settings(training: TrainingRecord) -> Iterator[tuple[str, str]]:
    """Settings of `aloe train`, and the options of TRL that were set besides."""
    for name, value in {**training.settings, **training.options}.items():
        if value is not None:
            yield _cell(name), _number(value)


def _report(training: TrainingRecord) -> Iterator[tuple[str, str]]:
    report = training.report
    log = report.get("log", [])
    if "steps" in report:
        yield "steps", f"{report['steps']:,}"
    for name, key in (
        ("loss", "loss"),
        ("reward margin", "rewards/margins"),
        ("reward accuracy", "rewards/accuracies"),
        ("token accuracy", "mean_token_accuracy"),
    ):
        values = [row[key] for row in log if row.get(key) is not None]
        if values:
            yield f"{name}, first → last logged", f"{_number(values[0])} → {_number(values[-1])}"
    final = report.get("final", {})
    for name, key in (("loss", "eval_loss"), ("reward accuracy", "eval_rewards/accuracies")):
        if final.get(key) is not None:
            yield f"{name} on the rows held out", _number(final[key])
    if ranking := report.get("ranking_accuracy"):
        of = f"over {ranking['pairs']:,} pairs"
        yield "ranking accuracy of the policy", f"{percent(ranking['policy'])} {of}"
        yield "ranking accuracy of the reference", f"{percent(ranking['reference'])} {of}"
    tokens = report.get("tokens")
    if tokens and tokens["processed"]:
        exploded, processed = tokens["exploded"], tokens["processed"]
        saved = f"{processed:,} processed of {exploded:,}"
        yield "tokens saved", f"{percent(1 - processed / exploded)}: {saved}, {exploded / processed:.1f} times fewer"
    if "seconds" in report:
        yield "time", duration(report["seconds"])
    if report.get("peak_memory_bytes"):
        yield "peak memory", f"{report['peak_memory_bytes'] / 2**30:.2f} GiB"
    yield "device", _cell(training.device)


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
