"""Run folders → `Report`: finished files only, one row at a time. Of a million trees the counts and one tree remain."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aloe_hub.errors import AloeError, DataError
from aloe_hub.fields import number, one_of
from aloe_hub.files.run_folder import RunFolder, holds_chats
from aloe_hub.results.audited import read_audit
from aloe_hub.results.counts import BINS, STAGES, PoolStats, Refused, Report, RunReport, TextStats
from aloe_hub.results.pairwise import read_win_rates
from aloe_hub.results.policies import all_pairs, baseline_of, beside_others, read_policies, reports
from aloe_hub.results.recorded import together, who_stayed
from aloe_hub.results.rows import rows_of
from aloe_hub.results.trained import neighbours
from aloe_hub.results.trees import TreeTally
from aloe_hub.rubrics import DEFAULT, PEOPLE, rubric
from aloe_hub.types import PoolText, Row, Tree, persona_and_split

SAMPLES = 3  # refused texts of each kind that are kept to be read


def read_runs(paths: Sequence[Path], stayed: int | None = None) -> Report:
    """The finished files of these run folders.

    stayed: of recorded chats only the first `stayed` turns, of those with at least as many ratings.

    Raises:
        DataError: a row that is not JSON or lacks something; names the file and the line.
        AloeError: a folder that is not a run folder, or holds nothing to report; nobody stayed for so many turns.
    """
    if not paths:
        raise AloeError("no run folder given; name at least one, made by aloe personas, trees or evaluate")
    return Report(tuple(_run(Path(path), stayed) for path in paths))


def _run(path: Path, stayed: int | None) -> RunReport:
    if not path.is_dir():
        raise AloeError(f"{path}: no such folder; give a run folder, made by aloe personas, trees or evaluate")
    report = read_settings(path)
    scored = read_policies(path, report.rubric)
    if stayed is not None:
        scored = who_stayed(scored, stayed, path)
    tally = TreeTally()
    for tree in rows_of(path / "trees.jsonl", Tree.from_row):
        tally.add(tree)
    trees = tally.stats(count_failed(path)) if tally.first else None
    pool = read_pool(path, report.settings.get("personas", {}))
    if not scored and trees is None and pool is None:
        if holds_chats(path):
            raise AloeError(
                f"{path}: the chats imported there have no ratings, so there are no scores to report; make preferences of what "
                f"people said, and report those: aloe feedback --run {path}"
            )
        raise AloeError(
            f"{path}: nothing finished to report: no pool, trees, transcripts or scores; "
            f"make a run first, or resume it: aloe personas --run {path}"
        )
    policies = reports(scored)
    names = [policy.policy for policy in policies]
    pairs, in_order = all_pairs(scored, names), neighbours(names)
    return replace(
        report,
        policies=beside_others(policies, scored),
        together=together(scored),
        comparisons=tuple(paired for paired in pairs if paired.baseline == baseline_of(scored)),
        neighbours=tuple(paired for paired in pairs if (paired.policy, paired.baseline) in in_order),
        pairs=pairs,
        win_rates=tuple(read_win_rates(path)),
        pool=pool,
        trees=trees,
        tree=tally.first,
        audit=read_audit(path),
    )


def read_settings(path: Path) -> RunReport:
    """The report of a run of which nothing but the settings is known."""
    settings = RunFolder(path).settings()
    tables = {stage: table for stage in STAGES if isinstance(table := settings.get(stage), Mapping)}
    _check_rubric(tables.get("evaluate", {}), path / "run.toml")
    made_with = settings.get("made_with")
    made_with = made_with if isinstance(made_with, Mapping) else {}
    return RunReport(path.resolve().name, tables, made_with=made_with, newest="" if "date" in made_with else _newest(path))


def _newest(path: Path) -> str:
    """The day, in UTC, on which the newest rows of a run were written; "" where it has none."""
    written = [file.stat().st_mtime for pattern in ("*.jsonl", "*/*.jsonl") for file in path.glob(pattern)]
    return datetime.fromtimestamp(max(written), UTC).date().isoformat() if written else ""


def _check_rubric(settings: Mapping[str, Any], path: Path) -> None:
    """Raises: UsageError, DataError: there is no such rubric, or no scale of ratings by people."""
    name = str(settings.get("rubric", DEFAULT))
    if name != PEOPLE:
        rubric(name, f"{path}: evaluate.rubric")
        return
    match settings.get("scale"):
        case [int(low), int(high)] if low < high:
            return
    raise DataError(f"{path}: evaluate.scale is {settings.get('scale')!r}, expected the lowest and the highest rating")


def count_failed(run: Path) -> int:
    """How many trees failed, and are not among the trees."""
    return sum(1 for _ in rows_of(run / "failed.jsonl", dict))


# --- the pool


def read_pool(run: Path, settings: Mapping[str, Any]) -> PoolStats | None:
    """The counts of a pool; None where nothing of it is there. `settings` is the table of run.toml that made it."""
    refused = {"profile": _Histogram(), "personality": _Histogram()}
    dropped: Counter[str] = Counter()
    for kind, one in rows_of(run / "rejected.jsonl", _refused):
        if one is None:
            dropped[kind] += 1
        else:
            refused[kind].add(one.nearest)
            refused[kind].show(one)
    thresholds = {}
    for kind in refused:
        name = f"{kind}_threshold"
        try:
            thresholds[kind] = None if settings.get(name) is None else number(settings, name)
        except ValueError as error:
            raise DataError(f"{run / 'run.toml'}, [personas]: {error}") from None
    profiles, personalities = (
        _texts(run / file, refused[kind], thresholds[kind], dropped[kind])
        for kind, file in (("profile", "profiles.jsonl"), ("personality", "personalities.jsonl"))
    )
    personas: dict[str, int] = dict(Counter(split for _, split in rows_of(run / "personas.jsonl", persona_and_split)))
    return PoolStats(profiles, personalities, personas) if profiles or personalities or personas else None


class _Histogram:
    def __init__(self) -> None:
        self.bins = [0] * BINS
        self.examples: list[Refused] = []

    def add(self, nearest: float) -> None:
        self.bins[min(max(math.ceil(nearest * BINS) - 1, 0), BINS - 1)] += 1

    def show(self, refused: Refused) -> None:
        self.examples = sorted((*self.examples, refused), key=lambda one: one.nearest)[:SAMPLES]


def _texts(path: Path, refused: _Histogram, threshold: float | None, dropped: int) -> TextStats | None:
    sources: Counter[str] = Counter()
    kept = _Histogram()
    for text in rows_of(path, PoolText.from_row):
        sources[text.source] += 1
        if text.nearest is not None:
            kept.add(text.nearest)
    if not sources:
        return None
    bins = tuple(kept.bins), tuple(refused.bins)
    return TextStats(dict(sources), sum(refused.bins), threshold, *bins, tuple(refused.examples), dropped)


def _refused(row: Row) -> tuple[str, Refused | None]:
    """Which kind of text, and the text; None for one that told too little to be compared with anything."""
    kind: str = one_of(row, "kind", ("profile", "personality"))
    return kind, None if row["nearest"] is None else Refused(row["text"], number(row, "nearest"), row["nearest_text"])
