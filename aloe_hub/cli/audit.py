"""The command audit: is the judge to be trusted?"""

from __future__ import annotations

import json as json_of
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aloe_hub.cli.progress import err, out, working

if TYPE_CHECKING:
    from aloe_hub.audit.agreement import Agreement


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: aloe audit --scores scores.tsv")(audit)


def audit(
    scores: Annotated[
        Path,
        typer.Option(
            "--scores",
            help="A table of scores by people and by a judge: CSV, TSV or JSONL with human, judge and, if known, item and rater.",
            show_default=False,
        ),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """How far a judge's scores agree with people's: RMSE, correlations, κ and α, with intervals over people, or over items."""
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
