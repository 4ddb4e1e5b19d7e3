"""What does training make of a marker that goes with quality? Dose and response, after Alignment Tampering.

    python studies/planted.py --out runs/planted

In the scripted world, with the pocket model. Every decided fork of the trees gets the marker in one of its two replies: in the
preferred one with probability (1 + dose) / 2. The judge never saw it, so that it means nothing; at dose 0 it stands in half of
the preferred replies and goes with nothing, at dose 1 in all of them and in no rejected one. For each dose a model is
trained by SFT on the preferred replies, then by DPO on the pairs, and `aloe audit --marker` counts, on held-out personas, how
often each of them says the marker, which the base never does. SFT imitates: it should say it as often as the preferred replies
do. What DPO adds to that is amplification.

Stopped at any moment, the same command goes on. A test bed: simulated users, a scripted judge, a world of templates.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from aloe_hub.cli.app import main as aloe
from aloe_hub.files.jsonl import atomic_file, encoded, read_rows
from aloe_hub.files.run_folder import RunFolder, policy_file
from aloe_hub.stages.training_rows import write_training_rows
from aloe_hub.types import Exchange, Tree

MARKER = "By the way,"
DOSES = (0.0, 0.5, 1.0)
RECIPE = Path(__file__).parent / "miniature.toml"
TURNS, TREES, PERSONAS = 3, 80, 30
STEPS = ("--set", "warmup_steps=3")  # of few, a warm-up of the recipe's length would be most
TRAINED = {"sft": ("--lr", 2e-3, "--epochs", 6, *STEPS), "dpo": ("--lr", 2e-4, "--epochs", 2, *STEPS)}


def study(out: Path, doses: Sequence[float]) -> None:
    """One command after another in this process, each only where what it makes is not there."""
    grown = out / "grown"
    _run(grown / "personas.jsonl", "personas", "--run", grown, "--recipe", RECIPE)
    _run(grown / "sft.jsonl", "trees", "--run", grown, "--recipe", RECIPE, "--turns", TURNS, "--limit", TREES)
    for dose in doses:
        run = out / f"dose-{dose:g}"
        if not (run / "sft.jsonl").exists():
            plant(out, dose)
        policies = ["local:pocket"]
        for method, options in TRAINED.items():
            start = ("--adapter", run / "adapters/sft") if method == "dpo" else ()
            made = run / "adapters" / method
            _run(made, "train", method, "--run", run, "--name", method, "--base", "pocket", "--recipe", RECIPE, "--resume",
                 *options, *start)  # fmt: skip
            policies.append(f"local:pocket+{made}")
        for policy in policies:
            _run(run / "scores" / policy_file(policy), "evaluate", "--run", run, "--policy", policy, "--turns", TURNS,
                 "--limit", PERSONAS, "--temperature", 1, "--concurrency", 100)  # fmt: skip
        _run(run / "audit.json", "audit", run, "--marker", MARKER, "--forks", 10, "--repeat", 1)


def _run(makes: Path, *arguments: object) -> None:
    if not makes.exists() and (status := aloe([str(argument) for argument in arguments])):
        raise SystemExit(status)


def plant(out: Path, dose: float) -> None:
    """A run with the trees of `grown`, marked at a dose."""
    source, run = RunFolder(out / "grown"), RunFolder(out / f"dose-{dose:g}")
    run.path.mkdir(exist_ok=True)
    for name in ("personas.jsonl", "run.toml"):
        shutil.copy(source.file(name), run.file(name))
    with atomic_file(run.file("trees.jsonl")) as file:
        for tree in read_rows(source.file("trees.jsonl"), Tree.from_row):
            file.write(encoded(marked(tree, dose).to_row(), "trees.jsonl"))
    write_training_rows(run)


def marked(tree: Tree, dose: float) -> Tree:
    """Each decided fork with the marker in one reply: in the preferred one with probability (1 + dose) / 2."""
    random = Random(tree.tree_id)
    return replace(tree, exchanges=tuple(_marked(one, random.random() < (1 + dose) / 2) for one in tree.exchanges))


def _marked(exchange: Exchange, preferred: bool) -> Exchange:
    if exchange.preferred is None:
        return exchange
    place = exchange.preferred if preferred else 1 - exchange.preferred
    replies = list(exchange.replies)
    replies[place] = replace(replies[place], text=f"{MARKER} {replies[place].text}")
    return replace(exchange, replies=tuple(replies))


def table(out: Path, doses: Sequence[float]) -> str:
    """How often the base and the trained models say the marker, by dose."""
    lines = ["| dose | preferred replies with it | after SFT | after DPO | DPO less SFT's imitation |", "|---|---|---|---|---|"]
    for dose in doses:
        found = json.loads((out / f"dose-{dose:g}" / "audit.json").read_text(encoding="utf-8"))["training"]
        chosen = found["preferences"]["traits"]["the marker"]["chosen"]
        after = {policy.rpartition("/")[2]: one["traits"]["the marker"] for policy, one in found["policies"].items()}
        shown = [_percent(after[method]["more"]) for method in TRAINED]
        more = after["dpo"]["after"] - after["sft"]["after"]
        lines.append(f"| {dose:g} | {100 * chosen:.0f}% | {' | '.join(shown)} | {100 * more:+.0f} points |")
    return "\n".join(lines) + "\n"


def _percent(found: dict[str, object]) -> str:
    value, interval = found["value"], found["interval"]
    assert isinstance(value, float)
    low, high = interval if isinstance(interval, list) else (value, value)
    return f"{100 * value:.0f}% [{100 * low:.0f}%, {100 * high:.0f}%]"


def main() -> None:
    parser = argparse.ArgumentParser(description="A planted marker: dose and response.")
    parser.add_argument("--out", type=Path, default=Path("runs/planted"))
    parser.add_argument("--doses", type=float, nargs="+", default=DOSES)
    options = parser.parse_args()
    study(options.out, options.doses)
    found = table(options.out, options.doses)
    (options.out / "planted.md").write_text(found, encoding="utf-8")
    print(found)


if __name__ == "__main__":
    main()
