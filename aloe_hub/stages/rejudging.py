"""Judging again what a finished run holds, its trees or its conversations, by another judge: nobody says anything anew.

Two judges can then be compared on the very same replies, and replies that took hours to write are written once. All but the
judge is as that run had it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from aloe_hub.chat.base import Chat
from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.journal import Journal, is_finished
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages import roles
from aloe_hub.stages.journalled import journalled
from aloe_hub.stages.roles import Call
from aloe_hub.stages.trees import Grown, TreeSettings, claim, wanted_trees
from aloe_hub.types import Message, Persona, Row, Tree

T = TypeVar("T")
JUDGES = ("judge", "rubric", "structured", "sampling", "rank_by", "pairs")  # what may be another than in that run


def settings_of(other: Path, stage: str, kind: type[T], given: Mapping[str, Any]) -> T:
    """The settings of `stage` in the run `other`, with the judge of `given`, by option.

    Raises:
        UsageError: something else is given by hand too.
        DataError: that run has not come to this stage.
    """
    if wrong := [name for name, value in given.items() if value is not None and name not in JUDGES]:
        option = wrong[0].partition("_with")[0].replace("_", "-")  # --continue is `continue_with` in the settings
        raise UsageError(f"--rejudge {other}: --{option} is as that run had it; leave it out")
    recorded = RunFolder(other).settings().get(stage)
    if not isinstance(recorded, dict):
        raise DataError(f"{other / 'run.toml'}: no table [{stage}]; --rejudge takes a run folder that has been through it")
    known = {name: value for name, value in recorded.items() if name in {one.name for one in fields(kind)}}  # type: ignore[arg-type]
    known.pop("demonstrations", None)  # they were that judge's
    judged = {name: value for name, value in given.items() if value is not None}
    if "models" in known and "judge" in judged:
        known["models"] = known["models"] | {"judge": judged.pop("judge")}
    return kind(**(known | judged | {"rejudge": str(other)}))


def rejudge_trees(
    run: RunFolder,
    settings: TreeSettings,
    *,
    traffic: Traffic,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Grown:
    """Write the trees of the run `settings.rejudge` with the verdicts of another judge; goes on where it was stopped.

    Raises:
        SettingsDiffer, RunStopped: as `grow_all`.
        DataError: that run has no finished trees, or not those of this run's personas.
    """
    held = Path(settings.rejudge or "") / "trees.jsonl"
    if not held.exists():
        raise DataError(f"{held}: no such file; --rejudge judges what a run has finished")
    wanted = wanted_trees(run, settings)
    trees = {tree.tree_id: tree for tree in read_rows(held, Tree.from_row) if tree.tree_id in wanted}
    if not trees:
        raise DataError(f"{settings.rejudge}: none of its trees is of a persona of {run.path}; take its personas.jsonl")
    judge = roles.tuned(traffic.open(settings.models["judge"]), "judge", settings.sampling)
    claim(run, settings)
    final = run.file("trees.jsonl")
    if not is_finished(final):
        with Journal(final, key="tree_id", check=Tree.from_row) as journal:
            todo = {tree_id: wanted[tree_id] for tree_id in trees if tree_id not in journal}
            done = len(trees) - len(todo)
            journalled(
                todo,
                partial(_judged_again, trees, judge, settings.rank_by == "scores"),
                keep=journal.append,
                fail=_unexpected,
                traffic=traffic,
                calls=settings.turns * settings.forking.verdicts,
                on_progress=lambda ended: on_progress(done + ended, len(trees)),
            )
            journal.finish(list(trees))
    on_progress(len(trees), len(trees))
    return Grown(len(trees), 0, finished=True)


async def _judged_again(trees: Mapping[str, Tree], judge: Chat, by_scores: bool, tree_id: str, persona: Persona) -> Row:
    spoken: tuple[Message, ...] = ()
    asked = []
    for turn, exchange in enumerate(trees[tree_id].exchanges):
        asked.append(roles.ranked(judge, persona, spoken, exchange, Call(tree_id, turn), by_scores=by_scores))
        spoken = (*spoken, *exchange.messages)
    return replace(trees[tree_id], exchanges=tuple(await asyncio.gather(*asked))).to_row()


def _unexpected(tree_id: str, persona: Persona, reason: str) -> None:
    raise DataError(f"tree {tree_id}: the judge failed ({reason}); run again to go on")
