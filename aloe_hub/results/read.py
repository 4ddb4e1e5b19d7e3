"""Run folders → `Report`: finished files only, one row at a time. Of a million trees the counts and one tree remain.

The true name of a policy stands in its transcripts; a scores file is read only where its transcripts are not there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from aloe_hub import scoring
from aloe_hub.errors import AloeError, DataError
from aloe_hub.fields import number, numbers, one_of
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.parsing import steers
from aloe_hub.results.counts import (
    BINS,
    STAGES,
    Paired,
    PolicyReport,
    PoolStats,
    Refused,
    Report,
    RunReport,
    TextStats,
)
from aloe_hub.results.pairwise import read_win_rates
from aloe_hub.results.trees import TreeTally
from aloe_hub.rubrics import DEFAULT, Rubric, as_shown, rubric, shown
from aloe_hub.scoring import compare
from aloe_hub.types import PoolText, Row, Transcript, Tree, persona_and_split

T = TypeVar("T")
BASELINE = "scripted:plain"  # what the other policies are compared to, where it was benchmarked
SAMPLES = 3  # conversations of each policy, and refused texts of each kind, that are kept to be read


def read_runs(paths: Sequence[Path]) -> Report:
    """The finished files of these run folders.

    Raises:
        DataError: a row that is not JSON or lacks something; names the file and the line.
        AloeError: a folder that is not a run folder, or holds nothing to report.
    """
    if not paths:
        raise AloeError("no run folder given; name at least one, made by aloe personas, trees or evaluate")
    return Report(tuple(_run(Path(path)) for path in paths))


def _run(path: Path) -> RunReport:
    if not path.is_dir():
        raise AloeError(f"{path}: no such folder; give a run folder, made by aloe personas, trees or evaluate")
    report = read_settings(path)
    scored = _scored(path, report.rubric)
    tally = TreeTally()
    for tree in _rows(path / "trees.jsonl", Tree.from_row):
        tally.add(tree)
    trees = tally.stats(count_failed(path)) if tally.first else None
    pool = read_pool(path, report.settings.get("personas", {}))
    if not scored and trees is None and pool is None:
        raise AloeError(
            f"{path}: nothing finished to report: no pool, trees, transcripts or scores; "
            f"make a run first, or resume it: aloe personas --run {path}"
        )
    policies = sorted((one.report() for one in scored), key=_best_first)
    names = [policy.policy for policy in policies]
    comparisons = sorted(_comparisons(scored), key=lambda paired: names.index(paired.policy))
    report = replace(report, policies=tuple(policies), comparisons=tuple(comparisons), win_rates=tuple(read_win_rates(path)))
    return replace(report, pool=pool, trees=trees, tree=tally.first)


def read_settings(path: Path) -> RunReport:
    """The report of a run of which nothing but the settings is known."""
    settings = RunFolder(path).settings()
    tables = {stage: table for stage in STAGES if isinstance(table := settings.get(stage), Mapping)}
    rubric(str(tables.get("evaluate", {}).get("rubric", DEFAULT)), f"{path / 'run.toml'}: evaluate.rubric")
    return RunReport(path.resolve().name, tables)


# --- the benchmark


class _Scored:
    """One policy's file while it is read, and what is kept of it."""

    def __init__(self, path: Path, by: Rubric) -> None:
        self.path = path
        self.policy = path.stem
        self.rubric = by
        self.scores: dict[str, list[float | None]] = {}  # by persona_id
        self.clusters: dict[str, str] = {}
        self.criteria: dict[str, list[list[float | None]]] = {criterion.name: [] for criterion in by.criteria}
        self.samples = _Samples()
        self.steering = 0

    def read(self) -> _Scored:
        of_transcripts = self.path.parent.name == "transcripts"
        for _ in read_rows(self.path, self._add_transcript if of_transcripts else self._add_scores):
            pass
        return self

    def report(self) -> PolicyReport:
        clusters = list(self.clusters.values())
        scores = scoring.score(list(self.scores.values()), cluster_ids=clusters, scale=self.rubric.shown_scale)
        criteria = {
            criterion.name: scoring.score(self.criteria[criterion.name], cluster_ids=clusters, scale=shown(criterion.scale))
            for criterion in self.rubric.criteria
            if any(value is not None for row in self.criteria[criterion.name] for value in row)
        }
        profiles = len(set(self.clusters.values()))
        # One that was tried again and finished since then leaves no such file.
        failed = self.path.parents[1] / "transcripts" / f"failed-{self.path.name}"
        lost = sum(1 for _ in _rows(failed, dict))
        samples, steering = self.samples.chosen, self.steering
        return PolicyReport(self.policy, len(self.scores), profiles, scores, samples, steering, lost, self.rubric, criteria)

    def _add_transcript(self, row: Row) -> None:
        transcript = Transcript.from_row(row)
        if not self.scores:
            self.policy = str(transcript.policy)
        if transcript.policy != self.policy:
            raise ValueError(f"policy is {transcript.policy!r}, and {self.policy!r} in the lines before")
        self._check_rubric(transcript.rubric)
        self._add(transcript.persona.persona_id, transcript.persona.profile_id, transcript.scores, transcript.criteria)
        self.samples.offer(transcript)
        self.steering += sum(steers(turn.reply) for turn in transcript.turns)

    def _add_scores(self, row: Row) -> None:
        criteria = {name: numbers(values, name) for name, values in dict(row.get("criteria", {})).items()}
        self._check_rubric(str(row.get("rubric", DEFAULT)))
        self._add(str(row["persona_id"]), str(row["profile_id"]), numbers(row["scores"], "score"), criteria)

    def _check_rubric(self, of_row: str) -> None:
        if of_row != self.rubric.name:
            raise ValueError(
                f"scored by rubric {of_row!r}, and run.toml says {self.rubric.name!r}: scores of different rubrics are never put "
                "in one table; give each rubric a run folder of its own"
            )

    def _add(
        self, persona: str, profile: str, scores: Sequence[float | None], criteria: Mapping[str, Sequence[float | None]]
    ) -> None:
        scores = as_shown(scores, self.rubric.scale, "score")
        if not scores:
            raise ValueError("the conversation has no turns")
        if persona in self.scores:
            raise ValueError(f"persona {persona} has a conversation in a line before")
        turns = len(next(iter(self.scores.values()), scores))
        if len(scores) != turns:
            raise ValueError(f"the conversation has {len(scores)} turns, the ones before have {turns}")
        self.scores[persona], self.clusters[persona] = scores, profile
        for criterion in self.rubric.criteria:
            values = criteria.get(criterion.name, [None] * turns)
            self.criteria[criterion.name].append(as_shown(values, criterion.scale, criterion.name))


class _Samples:
    """A few transcripts, as different as they come: another profile and another personality each time, if possible.

    The choice looks at the personas alone, so that policies with the same personas show the same ones.
    """

    def __init__(self) -> None:
        self._apart: list[Transcript] = []
        self._others: list[Transcript] = []
        self._seen: set[str] = set()

    def offer(self, transcript: Transcript) -> None:
        ids = {transcript.persona.profile_id, transcript.persona.personality_id}
        if len(self._apart) < SAMPLES and self._seen.isdisjoint(ids):
            self._apart.append(transcript)
            self._seen |= ids
        elif len(self._others) < SAMPLES:
            self._others.append(transcript)

    @property
    def chosen(self) -> tuple[Transcript, ...]:
        return tuple((self._apart + self._others)[:SAMPLES])


def _scored(run: Path, by: Rubric) -> list[_Scored]:
    """Every benchmarked policy, by name."""
    files: dict[str, Path] = {}
    for folder in ("scores", "transcripts"):  # transcripts last: they hold the scores too, and the policy's true name
        paths = sorted(path for path in (run / folder).glob("*.jsonl") if _holds_rows(path))
        files |= {path.stem: path for path in paths if not path.name.startswith("failed-")}
    found: dict[str, _Scored] = {}
    for _, path in sorted(files.items()):
        scored = _Scored(path, by).read()
        if scored.policy in found:
            other = found[scored.policy].path
            raise DataError(f"{path}: policy {scored.policy!r} stands in {other} too; remove one of the two")
        found[scored.policy] = scored
    return [found[policy] for policy in sorted(found)]


def _comparisons(scored: Sequence[_Scored]) -> Iterator[Paired]:
    """Every policy with the baseline, paired by persona; one that shares no persona with it is left out."""
    if not scored:
        return
    baseline = next((one for one in scored if one.policy == BASELINE), scored[0])
    for one in scored:
        both = [persona for persona in baseline.scores if persona in one.scores]
        if one is baseline or not both:
            continue
        mine, theirs = ([policy.scores[persona] for persona in both] for policy in (one, baseline))
        try:
            result = compare(
                mine, theirs, cluster_ids=[baseline.clusters[persona] for persona in both], scale=one.rubric.shown_scale
            )
        except ValueError as error:
            raise DataError(f"{one.path}: cannot be compared with {baseline.path}: {error}") from None
        yield Paired(one.policy, baseline.policy, len(both), result)


def _best_first(policy: PolicyReport) -> tuple[float, str]:
    average = policy.scores.avg
    return (math.inf if math.isnan(average) else -average, policy.policy)


def count_failed(run: Path) -> int:
    """How many trees failed, and are not among the trees."""
    return sum(1 for _ in _rows(run / "failed.jsonl", dict))


# --- the pool


def read_pool(run: Path, settings: Mapping[str, Any]) -> PoolStats | None:
    """The counts of a pool; None where nothing of it is there. `settings` is the table of run.toml that made it."""
    refused = {"profile": _Histogram(), "personality": _Histogram()}
    dropped: Counter[str] = Counter()
    for kind, one in _rows(run / "rejected.jsonl", _refused):
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
    personas: dict[str, int] = dict(Counter(split for _, split in _rows(run / "personas.jsonl", persona_and_split)))
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
    for text in _rows(path, PoolText.from_row):
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


# --- rows


def _holds_rows(path: Path) -> bool:
    """A stage that had nothing to write down (nothing was refused) leaves an empty file: that is no error here."""
    return path.is_file() and path.stat().st_size > 0


def _rows(path: Path, build: Callable[[Row], T]) -> Iterator[T]:
    return read_rows(path, build) if _holds_rows(path) else iter(())
