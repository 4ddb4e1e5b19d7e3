"""The command audit: is the judge to be trusted, is the simulated user like a person?"""

from __future__ import annotations

import json as json_of
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aloe_hub.cli import calls, options
from aloe_hub.cli.progress import bars, err, out, working
from aloe_hub.errors import UsageError

if TYPE_CHECKING:
    from aloe_hub.audit.agreement import Agreement


@calls.asks_models
def audit(
    folder: Annotated[Path | None, typer.Argument(metavar="RUN", help="A run folder with trees.", show_default=False)] = None,
    scores: Annotated[
        Path | None,
        typer.Option(
            help="Instead of a run: a table of scores by people and by a judge, with human, judge and, if known, item and rater.",
            show_default=False,
        ),
    ] = None,
    judge: Annotated[
        list[str] | None,
        typer.Option(
            help="A judge to audit; may be repeated, and the first is compared with the others.",
            show_default="the judge of the trees",
        ),
    ] = None,
    human: Annotated[
        Path | None,
        typer.Option(
            help="People's scores of replies of the run: a table with item, human and, if known, rater.", show_default=False
        ),
    ] = None,
    people: Annotated[
        Path | None,
        typer.Option(
            help="What people wrote, to compare the simulated users with: a run folder with chats, or JSON lines of chats.",
            show_default=False,
        ),
    ] = None,
    marker: Annotated[
        str | None,
        typer.Option(
            help="Words without meaning that may go with quality: does training make them more frequent?", show_default=False
        ),
    ] = None,
    repeat: Annotated[int, typer.Option(help="How often the judge scores the same reply.")] = 3,
    forks: Annotated[int, typer.Option(help="How many forks of the trees the judge is asked about.")] = 200,
    seed: options.Seed = None,
    concurrency: options.Concurrency = 32,
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    *,
    asking: calls.Asking,
) -> None:
    """Is this judge to be trusted, is this simulated user like a person? Biases with intervals, written to RUN/audit.json."""
    if (folder is None) == (scores is None):
        raise UsageError("aloe audit takes a run folder, or --scores FILE: give one of the two")
    if scores is not None:
        if judge or human or people or marker:
            raise UsageError("--scores: is a table of both sides' scores; --judge, --human, --people and --marker go with a run")
        _of_scores(scores, json)
        return
    assert folder is not None
    from aloe_hub.audit.whole import AuditSettings
    from aloe_hub.audit.whole import audit as audit_run
    from aloe_hub.files.run_folder import RunFolder

    settings = AuditSettings(tuple(judge or ()), repeat, forks, seed or 0, human, people, marker)
    with calls.traffic(folder / "calls.jsonl", asking, concurrency=concurrency) as traffic, bars() as bar:
        found = audit_run(RunFolder(folder), settings, traffic=traffic, on_progress=bar)
    if json:
        typer.echo(json_of.dumps(found))
    else:
        _print_run(found)
        out.print(f"audit: {folder / 'audit.json'}", soft_wrap=True)


def _print_run(found: dict[str, Any]) -> None:
    from itertools import groupby

    from rich.table import Table

    from aloe_hub.results.audited import lines

    for of, some in groupby(lines(found), key=lambda line: line.of):
        table = Table("measure", "value [95% interval]", "", box=None, pad_edge=False)
        for line in some:
            table.add_row(line.name, line.value, line.meaning)
        out.print(of, soft_wrap=True)
        out.print(table)
    for reason in found["left_out"]:
        err.print(f"left out, since something is not installed: {reason}", soft_wrap=True)
    for note in found["notes"]:
        err.print(note, soft_wrap=True)


def _of_scores(scores: Path, json: bool) -> None:
    from aloe_hub.audit.agreement import agreement
    from aloe_hub.audit.scores_file import read_scores

    read = read_scores(scores)
    with working("measuring the agreement"):
        found = agreement(read.human, read.judge, items=read.items, raters=read.raters)
    if read.missing:
        err.print(f"{scores}: {read.missing} line(s) without one of the two scores left out", soft_wrap=True)
    if json:
        typer.echo(json_of.dumps(found.to_dict()))
    else:
        _print(found)


NAMES = {
    "rmse": "RMSE",
    "pearson": "Pearson r",
    "spearman": "Spearman ρ",
    "kendall": "Kendall τ",
    "kappa": "quadratic κ",
    "alpha": "Krippendorff α",
}


def _print(found: Agreement) -> None:
    from rich.table import Table

    from aloe_hub.results.formatting import with_interval

    over, how_many = found.over
    title = f"{found.n} pairs of scores of {found.items} items"
    table = Table("measure", f"value [95% interval over {how_many} {over}]", title=title)
    for name, label in NAMES.items():
        one = found.measures[name]
        table.add_row(label, "not on one discrete scale" if one is None else with_interval(one.value, one.interval, 3))
    out.print(table)
