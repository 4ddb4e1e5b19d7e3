"""What the command round does, by the stages and the training that other commands run; each goes on where it was stopped."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from aloe_hub.cli import calls
from aloe_hub.cli.progress import Show, bars
from aloe_hub.errors import AloeError, DataError, UsageError

if TYPE_CHECKING:
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.results.counts import RunReport
    from aloe_hub.results.trees import TreeStats
    from aloe_hub.stages.benchmark import BenchmarkSettings
    from aloe_hub.stages.trees import TreeSettings
    from aloe_hub.training.settings import TrainSettings

log = logging.getLogger("aloe_hub")

Method = Literal["dpo", "rank"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What every round is made with; the seed, the adapter it starts from and its policy follow from its number."""

    base: str
    method: Method
    trees: TreeSettings
    benchmark: BenchmarkSettings
    training: Mapping[str, Any]
    recipe: Mapping[str, Any]
    accept_failures: bool
    concurrency: int
    asking: calls.Asking

    def trees_of(self, number: int, policy: str) -> TreeSettings:
        """In the first round there is nothing yet to show to the judge."""
        models, shown = self.trees.models | {"policy": policy}, self.trees.demonstrations if number > 1 else 0
        return replace(self.trees, models=models, seed=self.trees.seed + number, demonstrations=shown)

    def training_of(self, adapter: str | None) -> TrainSettings:
        from aloe_hub.training.settings import train_settings

        return train_settings(self.method, self.recipe, {**self.training, "base": self.base, "adapter": adapter})


def all_rounds(plan: Plan, adapter: str | None, folders: list[RunFolder]) -> tuple[list[str], list[TreeStats], RunReport, bool]:
    """As many rounds as there are folders beside the first, the benchmark's; fewer where one does not rise.

    Returns the policies, that of the start first; what became of the forks of each round; the benchmark; whether the last rose.
    """
    from aloe_hub.stages.rounds import policy_of, rises

    benchmark, *left = folders
    policies, forks, rose = [policy_of(plan.base, adapter)], [], True
    with _named("before the first round"):
        report = _benchmarked(plan, benchmark, policies)
    for place, folder in enumerate(left, 1):
        with _named(f"round {place}"):
            if place > 1 and plan.trees.demonstrations:
                _demonstrated(plan, left[place - 2], folder, policies[-1])
            forks.append(_grown(plan, folder, place, policies[-1]))
            adapter = str(_trained(plan, folder, place, adapter))
            policies.append(policy_of(plan.base, adapter))
            report = _benchmarked(plan, benchmark, policies)
            averages = {one.policy: one.scores.avg for one in report.policies}
            rose = rises([averages[policy] for policy in policies])
        if not rose:
            break
    return policies, forks, report, rose


@contextmanager
def _named(where: str) -> Iterator[None]:
    """An error says in which round it happened."""
    try:
        yield
    except UsageError:
        raise
    except AloeError as error:
        raise AloeError(f"{where}: {error}") from error


def _labelled(bar: Show, label: str) -> Show:
    return lambda what, done, total: bar(f"{label}: {what}", done, total)


def _grown(plan: Plan, folder: RunFolder, number: int, policy: str) -> TreeStats:
    """The trees of a round, and its training rows."""
    from aloe_hub.results.trees import TreeTally
    from aloe_hub.results.unread import UnreadVerdicts
    from aloe_hub.stages.training_rows import write_training_rows
    from aloe_hub.stages.trees import grow_all
    from aloe_hub.types import Tree

    label = f"round {number}"
    with calls.traffic(folder.file("calls.jsonl"), plan.asking, concurrency=plan.concurrency) as traffic, bars() as bar:
        grown = grow_all(
            folder,
            plan.trees_of(number, policy),
            traffic=traffic,
            accept_failures=plan.accept_failures,
            on_progress=partial(_labelled(bar, label), "trees"),
        )
    if not grown.finished:
        raise DataError(f"{grown.failed} of {grown.wanted} trees failed; --accept-failures goes on without them. {grown.reason}")
    if grown.failed == grown.wanted:
        raise DataError(f"all {grown.wanted} trees failed: {grown.reason}")
    tally, unread = TreeTally(), UnreadVerdicts()

    def seen(tree: Tree) -> None:
        tally.add(tree)
        unread.add(tree)

    rows = write_training_rows(folder, seen)
    unread.check()
    found = tally.stats(grown.failed)
    if not rows["pairs"]:
        raise DataError(
            f"all replies tie in each of the {found.exchanges} forks, so there is nothing to train on; more --replies, a higher "
            "--temperature, --diverse or another --judge may tell them apart (in another --run folder)"
        )
    return found


def _demonstrated(plan: Plan, before: RunFolder, folder: RunFolder, policy: str) -> None:
    """What the judge of this round is shown of the one before, by the policy that was trained there."""
    from aloe_hub.files.jsonl import read_rows
    from aloe_hub.stages.demonstrations import FILE, write_demonstrations
    from aloe_hub.training.likelihood import likelihood_of
    from aloe_hub.types import Tree

    if folder.file(FILE).exists():
        return
    wanted = plan.trees.demonstrations
    found = write_demonstrations(folder, read_rows(before.file("trees.jsonl"), Tree.from_row), likelihood_of(policy), wanted)
    if found < wanted:
        log.warning(
            "%s: policy and judge agree on forks of %d trees of the round before; %d were wanted", folder.path, found, wanted
        )


def _trained(plan: Plan, folder: RunFolder, number: int, adapter: str | None) -> Path:
    from aloe_hub.training.train import train

    with bars() as bar:
        return train(folder, plan.training_of(adapter), resume=True, on_progress=_labelled(bar, f"round {number}")).folder


def _benchmarked(plan: Plan, folder: RunFolder, policies: list[str]) -> RunReport:
    """The report of the dev personas, once the last of the policies has talked with them."""
    from aloe_hub.results.read import read_runs
    from aloe_hub.results.unread import check_scores
    from aloe_hub.stages.benchmark import evaluate_all

    label = f"round {len(policies) - 1}" if len(policies) > 1 else "start"
    with calls.traffic(folder.file("calls.jsonl"), plan.asking, concurrency=plan.concurrency) as traffic, bars() as bar:
        shown = lambda policy, done, total: bar(f"{label}: dev personas", done, total)  # noqa: E731
        failed = evaluate_all(
            folder, policies[-1:], plan.benchmark, traffic=traffic, accept_failures=plan.accept_failures, on_progress=shown
        )
    if failed and not plan.accept_failures:
        raise DataError(f"{failed} conversations failed; run again to try them again, or with --accept-failures to go on without")
    check_scores(folder, policies[-1:])
    return read_runs([folder.path]).runs[0]
