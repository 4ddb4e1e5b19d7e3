"""The audit of a run: its judges on its forks, its simulated users by their conversations; kept in `audit.json`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aloe_hub import __version__
from aloe_hub.audit import amplified, detection, simulator
from aloe_hub.audit import judge as judges
from aloe_hub.audit.asking import Judge, answers
from aloe_hub.audit.features import differences
from aloe_hub.audit.forks import Fork, sampled
from aloe_hub.audit.human import Human, items_of, of_forks, of_transcripts
from aloe_hub.audit.likeness import ENOUGH, halves, lacking
from aloe_hub.audit.measured import plain
from aloe_hub.audit.talks import Talk, people, talks_of
from aloe_hub.chat import judged_by
from aloe_hub.chat.policies import nearness
from aloe_hub.chat.semantic.reading import similarity_by
from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import AloeError, DataError, UsageError
from aloe_hub.files.jsonl import atomic_file
from aloe_hub.files.run_folder import RunFolder, holds_chats, how_to_get_trees, policy_file
from aloe_hub.files.settings import at_least
from aloe_hub.model_string import ModelString
from aloe_hub.results.audited import FILE
from aloe_hub.results.read import read_settings
from aloe_hub.results.rows import holds_rows, rows_of
from aloe_hub.rubrics import DEFAULT, PEOPLE, Rubric, rubric
from aloe_hub.types import Row, Tree, Verdict

log = logging.getLogger("aloe_hub")


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """judges: model strings; empty: the judge of the run's trees. human, people: files; `people` perhaps a run folder.
    marker: words that replies may have, or not, to no end."""

    judges: Sequence[str] = ()
    repeat: int = 3
    forks: int = 200
    seed: int = 0
    human: Path | None = None
    people: Path | None = None
    marker: str | None = None

    def __post_init__(self) -> None:
        at_least("--repeat", self.repeat, 1)
        at_least("--forks", self.forks, 10)
        at_least("--seed", self.seed, 0)
        if len(set(self.judges)) < len(self.judges):
            raise UsageError(f"--judge: {', '.join(self.judges)}: one is given twice")


def audit(
    run: RunFolder,
    settings: AuditSettings,
    *,
    traffic: Traffic,
    on_progress: Callable[[str, int, int], None] = lambda what, done, total: None,
) -> dict[str, Any]:
    """Ask, measure, and write `audit.json`; returns what stands in it. Answers that were given before are not asked for again.

    Raises:
        DataError: the run holds nothing to audit, a judge cannot be read, `human` names nothing of the run.
        RunStopped: the budget allows no further call, or every call fails.
    """
    talks = talks_of(run.path)
    human = Human.read(settings.human) if settings.human else None
    real = people(settings.people) if settings.people else []
    has_trees = holds_rows(run.file("trees.jsonl"))
    if not run.path.is_dir():
        raise DataError(f"{run.path}: no such folder; give a run folder with trees or a benchmark")
    if not has_trees and (settings.judges or not talks):
        beside = f"; or set users beside these people: aloe audit RUN --people {run.path}" if holds_chats(run.path) else ""
        raise DataError(f"{run.path}: no trees there to audit a judge on; {how_to_get_trees(run.path)}{beside}")
    embed, left_out = _embedder()
    found: dict[str, Any] = {
        "made_with": {"aloe_hub": __version__},
        "settings": {"forks": settings.forks, "repeat": settings.repeat, "seed": settings.seed},
        "left_out": left_out,
        "judges": {},
        "between_judges": {},
    }
    forks: list[Fork] = []
    asked: dict[str, list[Row]] = {}
    if has_trees:
        forks = sampled(run.file("trees.jsonl"), settings.forks, settings.seed, human.forks if human else ())
    names = _judges(run, settings) if forks else []
    benchmark = of_transcripts(run.path) if human else {}
    unknown = human and human.unknown(run.path, dict.fromkeys(items_of(forks)), benchmark)
    if forks:
        asked = {name: _asked(run, name, forks, settings, traffic, on_progress) for name in names}
        table = None if embed is None else differences(forks, similarity_by(embed))
        for name, rows in asked.items():
            verdicts = verdicts_of_trees(run.path) if _gave_verdicts(run, name) else _verdicts(rows)
            found["judges"][name] = judges.findings(rows, verdicts, table, settings.seed, _rubric(run).scale)
        first, *others = asked
        found["between_judges"] = {name: judges.between(asked[first], asked[name]) for name in others}
    if human:
        found["people"] = _against(human, run, asked, benchmark)
    if satisfaction := detection.of_run(run, settings.seed):
        found["satisfaction"] = satisfaction
    if talks:
        told = read_settings(run.path)
        user = told.model("evaluate", "user") if any(talk.revealed for talk in talks) else told.model("trees", "user")
        scripted = user is not None and ModelString.recorded(user).is_scripted
        if training := amplified.findings(run, marker=settings.marker, scripted=scripted):
            found["training"] = training
        whose = user or ("people whose chats were imported" if run.file("import.json").exists() else None)
        found["simulator"] = {"user": whose} | simulator.findings(
            talks, scripted=scripted, embed=embed, real=real, seed=settings.seed
        )
    found["notes"] = [note for note in (unknown, *_without_value(settings, found, talks, real)) if note]
    written: dict[str, Any] = plain(found)
    with atomic_file(run.file(FILE)) as file:
        file.write(json.dumps(written, indent=1, ensure_ascii=False).encode() + b"\n")
    return written


def _gave_verdicts(run: RunFolder, model: str) -> bool:
    """Whether the run's trees hold this judge's verdicts; one that scored replies is asked for verdicts as any other."""
    return model == own_judge(run) and run.settings().get("trees", {}).get("rank_by") != "scores"


def _judges(run: RunFolder, settings: AuditSettings) -> list[str]:
    own = own_judge(run)
    if not settings.judges and own is None:
        raise UsageError(
            f"--judge: {run.path} does not say who judged its trees; name a judge to audit, such as --judge semantic"
        )
    return list(settings.judges) or [own or ""]


def own_judge(run: RunFolder) -> str | None:
    """The judge whose verdicts the run's trees hold."""
    return read_settings(run.path).model("trees", "judge")


def _asked(
    run: RunFolder,
    model: str,
    forks: Sequence[Fork],
    settings: AuditSettings,
    traffic: Traffic,
    on_progress: Callable[[str, int, int], None],
) -> list[Row]:
    """A judge's answers, each with its verdicts."""
    own = _gave_verdicts(run, model)
    # The judge of the trees is the one that judged them, perhaps of an earlier version.
    name, version = judged_by(model, run.settings().get("trees") if own else None)
    judge = Judge(model, traffic.open(name), _rubric(run), version, settings.repeat, settings.seed, verdicts=not own)
    path = run.file(f"audit/{policy_file(model)}")
    rows = answers(path, judge, forks, traffic=traffic, on_progress=lambda done, total: on_progress(model, done, total))
    if not own:
        return rows
    known = {fork.fork_id: _choices(fork.exchange.verdicts) for fork in forks}
    return [row | {"choices": list(known[row["fork"]])} for row in rows]


def _rubric(run: RunFolder) -> Rubric:
    """What a judge is asked to score by: as in the run's benchmark; people who rated their own chats had no such questions."""
    name = str(run.settings().get("evaluate", {}).get("rubric", DEFAULT))
    return rubric(DEFAULT if name == PEOPLE else name)


def _choices(verdicts: Sequence[Verdict], one: int = 0, other: int = 1) -> tuple[int | None, int | None]:
    """Of the two orders, 0 for reply `one` and 1 for the `other`; of two that were judged in one order, none."""
    if len(verdicts) != 2:
        return None, None
    by_order = {verdict.order: None if verdict.choice is None else int(verdict.choice == other) for verdict in verdicts}
    return by_order[f"{one}{other}"], by_order[f"{other}{one}"]


def _verdicts(rows: Sequence[Row]) -> judges.Judged:
    return [((row["choices"][0], row["choices"][1]), row["profile_id"]) for row in rows]


def verdicts_of_trees(run: Path) -> judges.Judged:
    """All that the trees hold: they cost nothing more."""
    return [
        (_choices(said, one, other), tree.persona.profile_id)
        for tree in rows_of(run / "trees.jsonl", Tree.from_row)
        for exchange in tree.exchanges
        for one, other, said in exchange.compared()
        if len(said) == 2
    ]


def _against(
    human: Human, run: RunFolder, asked: Mapping[str, list[Row]], benchmark: Mapping[str, float | None]
) -> dict[str, Any]:
    """People's scores beside each judge's, and beside those of the run's benchmark, or the ratings that were imported."""
    scores: dict[str, Mapping[str, float | None]] = {name: of_forks(rows) for name, rows in asked.items()}
    if benchmark:
        told = read_settings(run.path)
        judge = f"{told.model('evaluate', 'judge') or 'the judge'} (benchmark)"
        scores["the imported ratings" if told.is_recorded else judge] = benchmark
    return {name: found for name, ones in scores.items() if (found := human.against(ones)) is not None}


def _without_value(
    settings: AuditSettings, found: Mapping[str, Any], talks: Sequence[Talk], real: Sequence[Talk]
) -> Iterator[str]:
    """Why what was asked for has no value."""
    if settings.human:
        measured = found["people"]
        yield from (
            f"--human {settings.human}: beside {name} fewer than two scores, and agreement needs two"
            for name in found["judges"]
            if name not in measured
        )
    if settings.people:
        beside, half = {"the run has": talks, "the people's side has": real}, halves(real, settings.seed)
        for what, sides in (
            ("users beside people", beside),
            ("people among themselves", {"one half has": half[0], "one has": half[1]}),
        ):
            short = [f"{who} {lack}" for who, side in sides.items() if (lack := lacking(side))]
            if short:
                yield f"--people {settings.people}: no value for {what}: {' and '.join(short)}; each side takes {ENOUGH}"
    if settings.marker and "training" not in found:
        yield f"--marker {settings.marker}: the benchmark has no adapter beside its base, so nothing tells what training changed"


def _embedder() -> tuple[simulator.Embed | None, list[str]]:
    try:
        return nearness.embedder(), []
    except AloeError as error:
        log.warning("left out: features of verdicts, and what the simulator's texts resemble: %s", error)
        return None, [str(error)]
