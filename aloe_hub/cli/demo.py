"""`aloe demo`: the whole loop in one folder, by the same commands that a user would type."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from aloe_hub.cli import benchmark, data, options
from aloe_hub.cli.options import out
from aloe_hub.errors import AloeError

RECIPE = "demo"
ORG = "demo"
QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "PYTHONUNBUFFERED": "1"}


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: aloe demo --run runs/demo")(demo)


def demo(
    run: Annotated[Path, typer.Option("--run", help="The run folder; the local Hub is kept in RUN-hub beside it.")] = Path(
        "runs/demo"
    ),
    seed: options.Seed = None,
) -> None:
    """All of it, offline, on this machine: personas, trees, training rows, benchmark, report, and a Hub to publish to."""
    out.rule("personas: a pool grown from seeds, filtered by meaning")
    data.personas(run, recipe=RECIPE, seed=seed)
    out.rule("trees: conversations with a fork in every turn; training rows")
    data.trees(run, recipe=RECIPE, seed=seed)
    out.rule("evaluate: five scripted policies talk with the held-out personas")
    benchmark.evaluate(run, recipe=RECIPE, seed=seed)
    out.rule("report")
    benchmark.report([run])
    out.rule("publish to a Hub on this machine, and load it back")
    hub = run.with_name(f"{run.name}-hub")
    _publish_and_read_back(run, hub)
    _say_how(run, hub)


def _publish_and_read_back(run: Path, directory: Path) -> None:
    """In processes of their own: a Hub is chosen by environment variables, before its clients are imported."""
    from aloe_hub.local_hub.process import client_environment, running

    aloe = [sys.executable, "-m", "aloe_hub.cli.app", "publish"]
    with running(directory) as hub:
        environment = client_environment(hub, os.environ) | QUIET
        for command in (
            [*aloe, "personas", "--run", str(run), "--repo", f"{ORG}/aloe-personas"],
            [*aloe, "prefs", "--run", str(run), "--repo", f"{ORG}/aloe-prefs"],
            [*aloe, "metric", "--repo", f"{ORG}/aloe"],
            [sys.executable, "-m", "aloe_hub.hub.read_back", str(run), ORG],
        ):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise AloeError(f"{' '.join(command[3:])}: {done.stderr.strip().splitlines()[-1:] or done.returncode}")
            out.print(done.stdout.rstrip(), markup=False, highlight=False, soft_wrap=True)


def _say_how(run: Path, hub: Path) -> None:
    lines = [f"aloe {command} --run {run} --recipe {RECIPE}" for command in ("personas", "trees", "evaluate")]
    lines.append(f"aloe report {run}")
    at_hub = f"aloe hub exec --dir {hub} --"
    lines += [
        f"{at_hub} aloe publish personas --run {run} --repo {ORG}/aloe-personas",
        f"{at_hub} aloe publish prefs --run {run} --repo {ORG}/aloe-prefs",
        f"{at_hub} aloe publish metric --repo {ORG}/aloe",
        f"{at_hub} python -c 'from datasets import load_dataset; print(load_dataset(\"{ORG}/aloe-prefs\"))'",
    ]
    out.print(f"\nEverything lies in {run}. The same, step by step:", soft_wrap=True)
    if shutil.which("aloe") is None:
        lines.insert(0, f". {Path(sys.executable).parent / 'activate'}")
    for line in lines:
        out.print(f"  {line}", markup=False, highlight=False, soft_wrap=True)
    out.print(
        "Logged in with `hf auth login`, the same publish commands without `aloe hub exec …` go to the real Hub.", soft_wrap=True
    )
