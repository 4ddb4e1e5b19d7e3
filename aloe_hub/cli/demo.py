"""`aloe demo`: the whole loop in one folder and on one Hub, both on this machine, by the same commands that a user would type."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from aloe_hub.cli import benchmark, data, options
from aloe_hub.cli.progress import out
from aloe_hub.errors import AloeError

RECIPE = "demo"
ORG = "demo"
INTERRUPTED = 130
BASE = f"{ORG}/aloe-pocket"
ADAPTERS = {method: f"{BASE}-{method}" for method in ("sft", "dpo")}
POLICIES = [f"local:{BASE}", *(f"local:{BASE}+{adapter}" for adapter in ADAPTERS.values())]
QUIET = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1", "PYTHONUNBUFFERED": "1"}


def demo(
    run: Annotated[Path, typer.Option(help="The run folder; the local Hub is kept in RUN-hub beside it.")] = Path("runs/demo"),
    recipe: Annotated[str, typer.Option(help="Another recipe than the demo's: a name or a TOML file.")] = RECIPE,
    seed: options.Seed = None,
) -> None:
    """All of it, offline, on this machine: personas, trees, a Hub to publish to, SFT, DPO, adapters, benchmark, report."""
    hub = run.with_name(f"{run.name}-hub")
    out.rule("personas: a pool grown from seeds, filtered by meaning")
    data.personas(run, recipe=recipe, seed=seed)
    out.rule("trees: conversations with a fork in every turn; training rows")
    data.trees(run, recipe=recipe, seed=seed)
    seeded = [] if seed is None else ["--seed", str(seed)]
    at_run, by_recipe = ["--run", str(run)], ["--recipe", recipe, *seeded]
    with _python_at(hub) as python:
        aloe = partial(python, "-m", "aloe_hub.cli.app")
        out.rule("publish to a Hub on this machine: personas, preference data, metric, base model")
        aloe("publish", "personas", *at_run, "--repo", f"{ORG}/aloe-personas")
        aloe("publish", "prefs", *at_run, "--repo", f"{ORG}/aloe-prefs")
        aloe("publish", "metric", "--repo", f"{ORG}/aloe")
        aloe("publish", "pocket", "--repo", BASE)
        out.rule("train on the data that the Hub holds: SFT, then DPO from there; push both adapters")
        train = ("--base", BASE, "--data", f"{ORG}/aloe-prefs", *at_run, *by_recipe, "--resume")
        aloe("train", "sft", *train, "--push", ADAPTERS["sft"])
        aloe("train", "dpo", *train, "--adapter", str(run / "adapters" / "sft"), "--push", ADAPTERS["dpo"])
        out.rule("evaluate: base, SFT, DPO and five scripted policies talk with the held-out personas")
        benchmark.evaluate(run, recipe=recipe, seed=seed)
        policies = [option for policy in POLICIES for option in ("--policy", policy)]
        aloe("evaluate", *at_run, *by_recipe, *policies, "--concurrency", "100", "--push-results", ADAPTERS["dpo"])
        out.rule("the curves into the cards; load everything back")
        for method, repo in ADAPTERS.items():
            aloe("publish", "adapter", "--adapter", str(run / "adapters" / method), *at_run, "--repo", repo)
        python("-m", "aloe_hub.hub.read_back", str(run), ORG)
    out.rule("report")
    benchmark.report([run])
    _say_how(run, hub, recipe)


@contextmanager
def _python_at(directory: Path) -> Iterator[Callable[..., None]]:
    """A local Hub, and Python that talks to it: in processes of its own, since clients choose their Hub when imported."""
    from aloe_hub.local_hub.process import client_environment, ended, running

    with running(directory) as hub:
        environment = client_environment(hub, os.environ) | QUIET

        def python(*arguments: str) -> None:
            sys.stdout.flush()
            status = ended(subprocess.Popen([sys.executable, *arguments], env=environment))
            if status in (INTERRUPTED, -signal.SIGTERM):
                raise KeyboardInterrupt
            if status:
                raise AloeError(f"the step {' '.join(arguments[2:])} failed; run the demo again to go on from there")

        yield python


def _say_how(run: Path, hub: Path, recipe: str) -> None:
    at_hub = f"aloe hub exec --dir {hub} --"
    own, by_recipe = f"{run}-own", f"--recipe {recipe}"
    lines = [
        f"{at_hub} aloe evaluate --run {run} {by_recipe} --policy {POLICIES[-1]}",
        f"{at_hub} aloe train sft --base {BASE} --data {ORG}/aloe-prefs --run {run} --name mine --lr 1e-3",
        f"{at_hub} python -c 'from datasets import load_dataset; print(load_dataset(\"{ORG}/aloe-prefs\"))'",
        f"{at_hub} python -c 'from peft import AutoPeftModelForCausalLM as M; print(M.from_pretrained(\"{ADAPTERS['dpo']}\"))'",
        # On-policy: both replies of a fork from the SFT model itself, judged; DPO on those. Some trees lose their way, and fail.
        f"mkdir {own} && cp {run}/personas.jsonl {own}/",
        f"aloe trees --run {own} {by_recipe} --policy local:pocket+{run}/adapters/sft --temperature 1 --concurrency 100 "
        "--accept-failures",
        f"aloe train dpo --base pocket --run {own} {by_recipe} --adapter {run}/adapters/sft",
        f"aloe evaluate --run {run} {by_recipe} --policy local:pocket+{own}/adapters/dpo --concurrency 100",
        f"aloe report {run}",
    ]
    out.print(f"\nEverything lies in {run}, and on the Hub in {hub}. Some lines to try next:", soft_wrap=True)
    if shutil.which("aloe") is None:
        lines.insert(0, f". {Path(sys.executable).parent / 'activate'}")
    for line in lines:
        out.print(f"  {line}", soft_wrap=True)
    out.print(
        "Logged in with `hf auth login`, the same publish and train commands without `aloe hub exec …` go to the real Hub.",
        soft_wrap=True,
    )
