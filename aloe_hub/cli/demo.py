"""`aloe demo`: the whole loop in one folder, by the same commands that a user would type."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aloe_hub.cli import benchmark, data, options
from aloe_hub.cli.options import out

RECIPE = "demo"


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: aloe demo --run runs/demo")(demo)


def demo(
    run: Annotated[Path, typer.Option("--run", help="The run folder.")] = Path("runs/demo"), seed: options.Seed = None
) -> None:
    """All of it, offline, on this machine: personas, trees, training rows, benchmark, report."""
    out.rule("personas: a pool grown from seeds, filtered by meaning")
    data.personas(run, recipe=RECIPE, seed=seed)
    out.rule("trees: conversations with a fork in every turn; training rows")
    data.trees(run, recipe=RECIPE, seed=seed)
    out.rule("evaluate: five scripted policies talk with the held-out personas")
    benchmark.evaluate(run, recipe=RECIPE, seed=seed)
    out.rule("report")
    benchmark.report([run])
    out.print(f"\nEverything lies in {run}. The same, step by step:", soft_wrap=True)
    for command in ("personas", "trees", "evaluate"):
        out.print(f"  aloe {command} --run {run} --recipe {RECIPE}", soft_wrap=True)
    out.print(f"  aloe report {run}", soft_wrap=True)
