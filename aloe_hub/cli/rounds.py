"""The command round: sample from the policy, judge, train, benchmark on dev personas; again, as long as it rises."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aloe_hub.cli import calls, options
from aloe_hub.cli.progress import out, working
from aloe_hub.cli.round_steps import Plan, all_rounds
from aloe_hub.errors import UsageError

if TYPE_CHECKING:
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.results.counts import RunReport
    from aloe_hub.results.trees import TreeStats


@calls.asks_models
def rounds(
    run: options.Run,
    base: Annotated[str, typer.Option(help="The model that is trained, as aloe train takes it.", show_default=False)],
    adapter: Annotated[str | None, typer.Option(help="Where the first round starts.", show_default="the base alone")] = None,
    rounds_: Annotated[int, typer.Option("--rounds", help="How many at most; more may be asked for later.")] = 3,
    method: Annotated[
        Literal["dpo", "rank"] | None, typer.Option(help="How each is trained.", show_default="rank, of two replies dpo")
    ] = None,
    replies: Annotated[int, typer.Option(help="Replies that are sampled from the policy at each fork.")] = 4,
    continue_: Annotated[
        Literal["coin", "best"] | None, typer.Option("--continue", help="As in aloe trees.", show_default="coin")
    ] = None,
    diverse: Annotated[bool, typer.Option("--diverse", help="As in aloe trees.")] = False,
    rank_by: Annotated[
        Literal["tournament", "scores"] | None, typer.Option(help="As in aloe trees.", show_default="tournament")
    ] = None,
    demonstrations: Annotated[
        int | None,
        typer.Option(help="Verdicts of the round before that the judge is shown, where the policy agrees.", show_default="0"),
    ] = None,
    dev_profiles: Annotated[int, typer.Option(help="Training profiles set aside to benchmark on, with all their personas.")] = 10,
    recipe: options.Recipe = None,
    model: Annotated[
        str | None, typer.Option(help="Who plays the other roles.", show_default="as the run's trees had it, or scripted")
    ] = None,
    user: options.User = None,
    judge: options.Judge = None,
    turns: options.Turns = None,
    limit: Annotated[int | None, typer.Option(help="Trees a round: the first N personas.", show_default="all")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Of the replies that are sampled for trees.", show_default="0.7")
    ] = None,
    seed: options.Seed = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value: an option of the training, as in aloe train; may be repeated.")
    ] = None,
    accept_failures: Annotated[
        bool, typer.Option("--accept-failures", help="Go on without trees and conversations that failed.")
    ] = False,
    concurrency: options.Concurrency = 32,
    *,
    asking: calls.Asking,
) -> None:
    """Train in rounds: sample replies from the policy, have them ranked, train on that, benchmark, and again from there.

    It ends when a round is no better on dev personas than the best before it. Stopped, it goes on where it was.
    """
    with working("loading PyTorch"):
        from aloe_hub.training.settings import parsed_option
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.files.settings import settings
    from aloe_hub.stages.benchmark import BenchmarkSettings
    from aloe_hub.stages.rounds import open_rounds
    from aloe_hub.stages.trees import TreeSettings

    of_trees, of_benchmark = (options.recipe_table(recipe, stage) for stage in ("trees", "evaluate"))
    given = {"user": user, "judge": judge}
    models = _models(RunFolder(run), of_trees, model, given)
    by_hand = asking.settings(of_trees, models) | {
        "models": models, "turns": turns, "limit": limit, "temperature": temperature, "seed": seed, "replies": replies,
        "continue_with": continue_, "diverse": diverse or None, "rank_by": rank_by, "demonstrations": demonstrations,
    }  # fmt: skip
    of_benchmark = {name: value for name, value in of_benchmark.items() if name not in ("policies", "model", "user", "judge")}
    asked = asking.settings(of_benchmark, ("user", "judge")) | {"user": models["user"], "judge": models["judge"]}
    training = dict(map(parsed_option, set_ or []))
    plan = Plan(
        base,
        method or ("rank" if replies > 2 or rank_by == "scores" else "dpo"),
        settings(TreeSettings, of_trees, by_hand),
        settings(BenchmarkSettings, of_benchmark, asked | {"turns": turns, "seed": seed}),
        training | ({} if seed is None else {"seed": seed}),
        options.recipe_table(recipe, "train"),
        accept_failures,
        concurrency,
        asking,
    )
    trained = plan.training_of(adapter)  # what is refused is refused now
    if (trained.criticised or trained.objectives) and plan.trees.rank_by != "scores":
        what = "loss_type cut" if trained.criticised else "objectives"
        raise UsageError(f"{what}: is read from what a judge says when it scores a reply; add --rank-by scores")
    common = {"base": base, "adapter": adapter, "method": plan.method, "replies": replies}
    common |= {"demonstrations": plan.trees.demonstrations} if plan.trees.demonstrations else {}
    folders = open_rounds(RunFolder(run), rounds_, dev_profiles, plan.trees.seed, common)
    _print_table(run, *all_rounds(plan, adapter, folders))


def _models(run: RunFolder, table: dict[str, Any], model: str | None, given: Mapping[str, str | None]) -> dict[str, str]:
    """Who plays which role: by hand, by the recipe, or as in the run's own trees."""
    from aloe_hub.stages.trees import ROLES, models_by_role

    named = {*table, *(role for role, value in given.items() if value is not None)}
    models = models_by_role(table, model, **given)
    recorded = run.settings().get("trees", {}).get("models", {})
    own = {} if model is not None or "model" in named else {role: recorded[role] for role in ROLES if role in recorded}
    models.pop("policy", None)
    return models | {role: value for role, value in own.items() if role not in named}


def _print_table(run: Path, policies: list[str], forks: list[TreeStats], report: RunReport, rose: bool) -> None:
    from rich.table import Table

    from aloe_hub.results.formatting import percent, with_interval

    by_name = {one.policy: one for one in report.policies}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("round", "decided", "AVG on dev", "against the start", "p"):
        table.add_column(name, justify="left" if name == "round" else "right", no_wrap=True)
    for place, policy in enumerate(policies):
        avg = with_interval(by_name[policy].scores.avg, by_name[policy].scores.avg_ci, 2)
        gain, p = _gain(report, policy, policies[0])
        decided = percent(forks[place - 1].decided) if place else ""
        table.add_row(str(place) if place else "start", decided, avg, gain, p)
    out.print(table)
    best = max(range(len(policies)), key=lambda place: by_name[policies[place]].scores.avg)
    if not rose:
        out.print(f"round {len(policies) - 1} is no better than the best before it, so there was no other")
    out.print(f"the best on dev personas is {f'round {best}' if best else 'the start'}: {policies[best]}", soft_wrap=True)
    out.print("  the AVG of the best of several is too high by chance; the held-out personas of the run say what it is worth:")
    out.print(f"  aloe evaluate --run {run} --policy {policies[best]}", soft_wrap=True)


def _gain(report: RunReport, policy: str, start: str) -> tuple[str, str]:
    """AVG of a policy less that of the start, on the same personas, and p."""
    from aloe_hub.results.formatting import p_value, with_interval

    for paired in report.pairs:
        if {paired.policy, paired.baseline} == {policy, start} and policy != start:
            sign = 1 if paired.policy == policy else -1
            ends = sorted(sign * end for end in paired.result.difference_ci)
            return with_interval(sign * paired.result.difference, ends, 2, sign=True), p_value(paired.result.p)
    return "", ""
