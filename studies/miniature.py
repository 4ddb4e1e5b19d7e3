"""The paper's claim in miniature: does training on preference trees make a model that was flat adapt to whom it talks with?

    python studies/miniature.py --out runs/miniature --bases 3 --seeds 3

In the scripted world, with the pocket model: several pre-training seeds (`--bases`) times several training seeds (`--seeds`),
each trained by SFT, by DPO on the scripted replies (off-policy), by SFT then DPO off-policy, and by SFT then DPO on pairs sampled
from the SFT policy itself (on-policy); beside them the base, the oracle, the plain replies, and strategies with known faults; and
the ablation: a base whose pre-training never held a request for anything personal. Every step is an `aloe` command.

A pre-training takes half an hour. Without any, with the base that ships, which is that of seed 0:

    python studies/miniature.py --out runs/miniature --bases 1 --tokens 14000000 --no-ablation

With `--beyond-pairs` also LiPO on four replies a fork; DPO, robust DPO and LCPO on the on-policy replies as a judge prefers them
who is wrong about a fifth; and three rounds of on-policy DPO. Each learns from as many judged replies as the on-policy DPO does.

With `--grpo` also online, each on as many judged replies as the on-policy pairs have: GRPO on the next reply, on whole
conversations, without SFT before it, and, as a placebo, by a judge that does not know whom the reply is for; its users have half
of the world's wordings. Every policy is benchmarked on users of the other half too (`SPLIT-held-out`), and audited there; and as
it samples, at temperature 1 (`SPLIT-sampled`), since that is what GRPO makes better. All else is greedy.

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
# Of a study with GRPO, beside the greedy one: users whose wordings no training has had, and replies as they were sampled.
BENCHMARKS = {"held-out": (*GREEDY, "--user", "scripted:user?wording=held-out"), "sampled": ("--temperature", 1.0)}
# One recipe for all bases and seeds; chosen on the dev personas.
RECIPE = Path(__file__).parent / "miniature.toml"
POCKET = Path(__file__).parents[1] / "pocket"
PRETRAIN = POCKET / "pretrain.py"
SHIPPED = json.loads((POCKET / "pocket.json").read_text(encoding="utf-8"))
# Pairs of the policy's own differ in a fact or two: they bear, and need, a higher rate, and a tighter leash (see the benchmarks).
ON_POLICY_DPO = ("--lr", 5e-4, "--beta", 0.5, "--epochs", 2)
ON_POLICY_TREES = 200  # as many as the off-policy DPO trains on
JUDGED = ON_POLICY_TREES * 10 * 2  # replies; online as many
# A fifth of the pairs that it decides are the wrong way round, and `--noise measured` finds .20, by its two orders.
NOISY_JUDGE = "scripted:biased?noise=1"
NOISY = {
    "noisy-dpo": (),
    "noisy-robust": ("--noise", "measured"),
    "noisy-lcpo": ("--noise", "measured", "--set", "loss_type=lcpo"),
}
ROUNDS = 3
# name → level, what it starts from, and the rows of a step: five prompts, or the openings of two conversations, eight times each
ONLINE = {
    "grpo-turn": ("turn", "sft", 40),
    "grpo-talk": ("conversation", "sft", 16),
    "grpo-base": ("turn", "base", 40),
    "grpo-blind": ("turn", "sft", 40),
}
BLIND = ("--judge", "scripted:biased?blind=1")  # the placebo: it sees the reply, and not whose it is


def study(
    out: Path,
    bases: int,
    seeds: int,
    tokens: int,
    split: str,
    *,
    ablation: bool = True,
    beyond_pairs: bool = False,
    grpo: bool = False,
) -> Iterator[Cell]:
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
            if beyond_pairs:
                data, more_methods = _beyond_pairs(out, folder, seed, at, sft)
                yield from data
                methods += more_methods
            for name, (level, start, rows) in ONLINE.items() if grpo else ():
                begins = ("--adapter", sft) if start == "sft" else ()
                steps = JUDGED // (rows if level == "turn" else 10 * rows)
                judge = BLIND if name == "grpo-blind" else ()
                options = ("--level", level, "--batch-size", rows, "--set", f"max_steps={steps}", *judge, *begins)
                methods.append(("grpo", name, train, options, f"{start}-{at}" if start == "sft" else f"base-{base}"))
        for method, name, run, more, need in methods:
            command = aloe("train", method, "--run", run, "--name", f"{name}-{at}", "--base", folder, "--recipe", RECIPE,
                           "--seed", seed, "--resume", *more)  # fmt: skip
            made = run / "adapters" / f"{name}-{at}"
            if method == "round":  # trains as it goes
                command = (sys.executable, str(Path(__file__).with_name("best_round.py")), str(made), *map(str, more))
            yield Cell(made.name, command, made, ("trees", need))
            policies.append((made.name, f"local:{folder}+{made}"))
            needs[made.name] = made.name
    for kind in (split, *(BENCHMARKS if grpo else ())):
        run = out / (split if kind == split else f"{split}-{kind}")
        if kind != split:
            people = run / "personas.jsonl"
            yield Cell(f"personas-{kind}", copy(pools[split] / people.name, people), people, (f"personas-{split}",))
        for name, policy in policies:
            need = needs.get(name, f"personas-{kind}")
            how = (*BENCHMARKS.get(kind, GREEDY), "--concurrency", 100, "--seed", 0)
            command = aloe("evaluate", "--policy", policy, "--run", run, *how)
            yield Cell(f"{kind}-{name}", command, run / "scores" / policy_file(policy), (f"personas-{kind}", need))
    if grpo:  # what of a reward is a leak's or flattery's: what the judge pays for such, and what replies have of it
        yield Cell("audit-judge", aloe("audit", train), train / "audit.json", ("trees",))
        run = out / f"{split}-held-out"
        yield Cell("audit", aloe("audit", run), run / "audit.json", tuple(f"held-out-{name}" for name, _ in policies))


def _beyond_pairs(
    out: Path, folder: Path, seed: int, at: str, sft: Path
) -> tuple[list[Cell], list[tuple[str, str, Path, tuple[object, ...], str]]]:
    """The cells that grow and judge what these methods learn from, and the methods."""
    own, ranked, noisy, rounds = (out / kind / at for kind in ("on-policy", "ranked", "noisy", "rounds"))
    start, policy = ("--adapter", sft), f"local:{folder}+{sft}"
    sampled = ("--temperature", 1.0, "--concurrency", 100, "--accept-failures", "--recipe", RECIPE)
    four = aloe(
        "trees", "--run", ranked, "--policy", policy, "--replies", 4, "--limit", ON_POLICY_TREES // 2, "--seed", 7, *sampled
    )
    again = aloe("trees", "--run", noisy, "--rejudge", own, "--judge", NOISY_JUDGE, "--recipe", RECIPE)
    training = [word for option in ("lr=5e-4", "beta=0.5", "epochs=2") for word in ("--set", option)]
    in_rounds = ("--run", rounds, "--base", folder, *start, "--replies", 2, "--rounds", ROUNDS,
                 "--limit", ON_POLICY_TREES // ROUNDS, "--seed", seed, *sampled, *training)  # fmt: skip
    pools = {kind: run / "personas.jsonl" for kind, run in (("ranked", ranked), ("noisy", noisy), ("rounds", rounds))}
    cells = [
        *(  # all of them begin with the SFT policy
            Cell(f"{kind}-pool-{at}", copy(own / "personas.jsonl", pool), pool, (f"pool-{at}", f"sft-{at}"))
            for kind, pool in pools.items()
        ),
        Cell(f"ranked-trees-{at}", four, ranked / "ranked.jsonl", (f"ranked-pool-{at}",)),
        Cell(f"noisy-trees-{at}", again, noisy / "sft.jsonl", (f"noisy-pool-{at}", f"pairs-{at}")),
    ]
    methods: list[tuple[str, str, Path, tuple[object, ...], str]] = [
        ("rank", "lipo", ranked, (*start, *ON_POLICY_DPO), f"ranked-trees-{at}"),
        *(("dpo", name, noisy, (*start, *ON_POLICY_DPO, *more), f"noisy-trees-{at}") for name, more in NOISY.items()),
        ("round", "rounds", rounds, in_rounds, f"rounds-pool-{at}"),
    ]
    return cells, methods


def _bases(out: Path, bases: int, ablation: bool) -> list[tuple[str, Path]]:
    return [(base, out / "bases" / base) for base in (*map(str, range(bases)), *([UNASKED] if ablation else []))]


def main() -> None:
    parser = argparse.ArgumentParser(description="The paper's claim in miniature.")
    parser.add_argument("--out", type=Path, default=Path("runs/miniature"))
    parser.add_argument("--bases", type=int, default=3, help="pre-training seeds")
    parser.add_argument("--seeds", type=int, default=3, help="training seeds of each base")
    parser.add_argument("--tokens", type=int, default=20_000_000, help="of each pre-training")
    parser.add_argument("--no-ablation", dest="ablation", action="store_false", help="without the base that was never asked")
    parser.add_argument("--beyond-pairs", action="store_true", help="also four replies a fork, a noisy judge, rounds")
    parser.add_argument("--grpo", action="store_true", help="also online, as long as the on-policy pairs are")
    parser.add_argument("--split", choices=("dev", "test"), default="dev", help="dev while choosing; test once, at the end")
    parser.add_argument("--jobs", type=int, default=2, help="cells at once, one thread each")
    options = parser.parse_args()
    how = (options.out, options.bases, options.seeds)
    which = {"ablation": options.ablation, "beyond_pairs": options.beyond_pairs, "grpo": options.grpo}
    planned = list(study(*how, options.tokens, options.split, **which))
    cells.run(planned, options.jobs, options.out / "logs")
    for run in (options.split, *(f"{options.split}-{kind}" for kind in BENCHMARKS if options.grpo)):
        table = miniature_table.written(options.out / run, *how, **which)
        (options.out / f"{run}.md").write_text(table, encoding="utf-8")
        print(table)


if __name__ == "__main__":
    main()
