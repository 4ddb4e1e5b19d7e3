"""The paper's claim in miniature: does training on preference trees make a model that was flat adapt to whom it talks with?

    python studies/miniature.py --out runs/miniature --bases 3 --seeds 3

In the scripted world, with the pocket model: several pre-training seeds (`--bases`) times several training seeds (`--seeds`),
each trained by SFT, by DPO on the scripted replies (off-policy), by SFT then DPO off-policy, and by SFT then DPO on pairs sampled
from the SFT policy itself (on-policy); beside them the base, the oracle, the plain replies, and strategies with known faults; and
the ablation: a base whose pre-training never held a request for anything personal. Every step is an `aloe` command.

A pre-training takes half an hour. Without any, with the base that ships, which is that of seed 0:

    python studies/miniature.py --out runs/miniature --bases 1 --tokens 14000000 --no-ablation

Two sets of 100 held-out personas from two pools of different seeds: `dev`, on which every choice was made, and `test`, looked at
once (`--split test`). Everything is a cell that is run once: stopped at any moment, the same command goes on.

A test bed: simulated users, a scripted judge, a world of templates. It says nothing about language understanding.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import cells
import miniature_table
from cells import Cell, aloe, copy

from aloe_hub.files.run_folder import policy_file

SCRIPTED = ("tailored", "plain", "memoryless", "facts", "style", "leak", "stranger", "constant", "parrot", "dump")
UNASKED = "unasked"  # the ablation's base
ON_POLICY = ("--temperature", 1.0, "--seed", 7)
GREEDY = ("--temperature", 0)
# One recipe for all bases and seeds; chosen on the dev personas.
RECIPE = Path(__file__).parent / "miniature.toml"
POCKET = Path(__file__).parents[1] / "pocket"
PRETRAIN = POCKET / "pretrain.py"
SHIPPED = json.loads((POCKET / "pocket.json").read_text(encoding="utf-8"))
# Pairs of the policy's own differ in a fact or two: they bear, and need, a higher rate, and a tighter leash (see the benchmarks).
ON_POLICY_DPO = ("--lr", 5e-4, "--beta", 0.5, "--epochs", 2)
ON_POLICY_TREES = 200  # as many as the off-policy DPO trains on


def study(out: Path, bases: int, seeds: int, tokens: int, split: str, ablation: bool = True) -> Iterator[Cell]:
    """All cells, each after what it needs."""
    pools = {"dev": out / "dev", "test": out / "test"}
    for seed, (name, run) in enumerate(pools.items()):
        yield Cell(f"personas-{name}", aloe("personas", "--run", run, "--recipe", RECIPE, "--seed", seed), run / "personas.jsonl")
    train = pools["dev"]  # its held-out personas are the dev set, the others are trained on
    yield Cell("trees", aloe("trees", "--run", train, "--recipe", RECIPE), train / "sft.jsonl", ("personas-dev",))
    policies: list[tuple[str, str]] = [(f"scripted-{name}", f"scripted:{name}") for name in SCRIPTED]
    needs: dict[str, str] = {}
    pretrained = _bases(out, bases, ablation)
    for base, folder in pretrained:
        mix = ("--mix", "unasked") if base == UNASKED else ("--seed", base)
        command: tuple[str, ...] = (sys.executable, str(PRETRAIN), "--out", str(folder), "--tokens", str(tokens), *mix)
        if base == str(SHIPPED["seed"]) and tokens == SHIPPED["tokens"]:
            command = copy(POCKET, folder)  # made by that very command
        yield Cell(f"base-{base}", command, folder / "pocket.json")
        policies.append((f"base-{base}", f"local:{folder}"))
        needs[f"base-{base}"] = f"base-{base}"
    for (base, folder), seed in product(pretrained, range(seeds)):
        if base == UNASKED and seed:
            continue
        at = f"{base}-{seed}"
        sft = train / "adapters" / f"sft-{at}"
        own = out / "on-policy" / at  # a run folder of its own for the pairs sampled from the SFT policy
        methods: list[tuple[str, str, Path, tuple[object, ...], str]] = [("sft", "sft", train, (), f"base-{base}")]
        if base != UNASKED:  # the ablation asks whether there is anything for SFT to build on
            pool = own / "personas.jsonl"
            yield Cell(f"pool-{at}", copy(train / "personas.jsonl", pool), pool, ("personas-dev",))
            # At temperature 1 a tiny model loses its way now and then and finds no end; such a tree fails, and is left out.
            sampled = ("--policy", f"local:{folder}+{sft}", "--concurrency", 100, "--limit", ON_POLICY_TREES, *ON_POLICY,
                       "--accept-failures")  # fmt: skip
            grow = aloe("trees", "--run", own, "--recipe", RECIPE, *sampled)
            yield Cell(f"pairs-{at}", grow, own / "sft.jsonl", (f"pool-{at}", f"sft-{at}"))
            methods += [
                ("dpo", "dpo", train, (), f"base-{base}"),
                ("dpo", "sft-dpo", train, ("--adapter", sft), f"sft-{at}"),
                ("dpo", "sft-onpolicy", own, ("--adapter", sft, *ON_POLICY_DPO), f"pairs-{at}"),
            ]
        for method, name, run, more, need in methods:
            command = aloe("train", method, "--run", run, "--name", f"{name}-{at}", "--base", folder, "--recipe", RECIPE,
                           "--seed", seed, "--resume", *more)  # fmt: skip
            made = run / "adapters" / f"{name}-{at}"
            yield Cell(made.name, command, made, ("trees", need))
            policies.append((made.name, f"local:{folder}+{made}"))
            needs[made.name] = made.name
    run = pools[split]
    for name, policy in policies:
        scores = run / "scores" / policy_file(policy)
        command = aloe("evaluate", "--run", run, "--policy", policy, "--concurrency", 100, "--seed", 0, *GREEDY)
        yield Cell(f"{split}-{name}", command, scores, (f"personas-{split}", *([needs[name]] if name in needs else [])))


def _bases(out: Path, bases: int, ablation: bool) -> list[tuple[str, Path]]:
    return [(base, out / "bases" / base) for base in (*map(str, range(bases)), *([UNASKED] if ablation else []))]


def main() -> None:
    parser = argparse.ArgumentParser(description="The paper's claim in miniature.")
    parser.add_argument("--out", type=Path, default=Path("runs/miniature"))
    parser.add_argument("--bases", type=int, default=3, help="pre-training seeds")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds of each base")
    parser.add_argument("--tokens", type=int, default=20_000_000, help="of each pre-training")
    parser.add_argument("--no-ablation", dest="ablation", action="store_false", help="without the base that was never asked")
    parser.add_argument("--split", choices=("dev", "test"), default="dev", help="dev while choosing; test once, at the end")
    parser.add_argument("--jobs", type=int, default=2, help="cells at once, one thread each")
    options = parser.parse_args()
    planned = list(study(options.out, options.bases, options.seeds, options.tokens, options.split, options.ablation))
    cells.run(planned, options.jobs, options.out / "logs")
    table = miniature_table.written(options.out / options.split, options.out, options.bases, options.seeds, options.ablation)
    (options.out / f"{options.split}.md").write_text(table, encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
