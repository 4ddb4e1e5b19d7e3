"""What ALOE does to a real language model: SmolLM2-135M-Instruct, trained and benchmarked with placebos, under two judges.

    python studies/real.py --out runs/real-study
    python studies/real.py --out runs/real --small     # `make real`: one training, two baselines

Users and inferrer are scripted; both replies of a fork are written by the model itself, told the inferred persona and not. Users
of training trees have the world's wordings of one side (`wording=train`), those of the benchmark the others. Each judge, the
scripted one and the one that reads meaning, sees the very same replies (`--rejudge`), so what was trained on one is read on both.

    base             as it is
    inferred         told what was inferred, in the form that a model of this size can use: `simply(M)`
    inferred-long    told by ALOE's prompt of a tailored reply
    oracle, plain    the scripted world's own tailored and plain replies: the ends of the gap
    sft-own          SFT on the model's own replies that the semantic judge prefers
    sft-own-swapped  the same replies, as the scripted judge prefers them
    sft-scripted     SFT on the scripted world's trees
    sdft             distillation of what the inferrer knows, on the model's own samples: no judge
    dpo              on-policy DPO: pairs sampled from sft-own, judged by the semantic judge
    shuffled         placebo: as sft-own, each prompt with another person's reply
    random           placebo: as sft-own, the preferred reply drawn by a coin

Every step is an `aloe` command, but for placebo rows (real_rows.py) and what training cost elsewhere (real_costs.py). Everything
is a cell that is run once: stopped at any moment, the same command goes on. Sizes are options; seconds of each cell are kept.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cells
import real_table
from cells import Cell, aloe, copy

from aloe_hub.files.run_folder import policy_file

HERE = Path(__file__).parent
RECIPE = HERE.parent / "recipes" / "smollm2-135m.toml"
JUDGES = {"scripted": "scripted", "semantic": "semantic"}
UNTRAINED = ("oracle", "plain", "base", "inferred", "inferred-long")
# In the order in which they are run.
TRAINED = ("sft-own", "shuffled", "sdft", "sft-scripted", "dpo", "sft-own-swapped", "random")
TRAIN_USER, HELD_OUT_USER = "scripted:user?wording=train", "scripted:user?wording=held-out"


@dataclass(frozen=True, slots=True)
class Sizes:
    """`trees` are trained on, `ranked` more are grown to rank pairs of; `profiles` x `personalities` are held out."""

    trees: int
    turns: int
    ranked: int
    profiles: int
    personalities: int
    asked: int  # turns of the benchmark
    concurrency: int


def study(out: Path, base: Path, sizes: Sizes, trained: tuple[str, ...], seed: int) -> Iterator[Cell]:
    """All cells, each after what it needs, the most telling first."""
    script = HERE.parent / "scripts" / "smollm2.py"
    yield Cell("base", (sys.executable, str(script), str(base)), base / "config.json")
    pool = out / "pool"
    grown = sizes.trees + sizes.ranked
    yield Cell("personas", aloe("personas", "--run", pool, "--recipe", RECIPE, "--profiles", grown + sizes.profiles,
                                "--test-profiles", sizes.profiles, "--test-personalities", sizes.personalities,
                                "--seed", seed), pool / "personas.jsonl")  # fmt: skip
    model, writer = f"local:{base}", f"simply(local:{base})"
    common = ("--recipe", RECIPE, "--concurrency", sizes.concurrency)
    grow = ("--user", TRAIN_USER, "--turns", sizes.turns, "--seed", seed, *common)

    def folder(name: str) -> tuple[Path, Cell]:
        """A run folder with the same personas, and the cell that makes it."""
        run, file = out / name, "personas.jsonl"
        return run, Cell(f"{name}-pool", copy(pool / file, run / file), run / file, ("personas",))

    held, copied = folder("held-out")
    yield copied
    again, copied = folder("held-out-semantic")
    yield copied

    def benchmark(name: str, policy: str, *needs: str) -> Iterator[Cell]:
        command = aloe("evaluate", "--run", held, "--policy", policy, "--user", HELD_OUT_USER, "--judge", JUDGES["scripted"],
                       "--turns", sizes.asked, "--seed", seed, *common)  # fmt: skip
        yield Cell(f"talk-{name}", command, held / "scores" / policy_file(policy), ("held-out-pool", *needs))
        command = aloe("evaluate", "--run", again, "--rejudge", held, "--policy", policy, "--judge", JUDGES["semantic"])
        yield Cell(f"judge-{name}", command, again / "scores" / policy_file(policy), ("held-out-semantic-pool", f"talk-{name}"))

    untrained = policies(out, base, UNTRAINED)
    for name in ("oracle", "plain"):
        yield from benchmark(name, untrained[name])
    yield from benchmark("base", untrained["base"], "base")
    own, copied = folder("own")
    yield copied
    itself = ("--tailored", writer, "--plain", writer, "--judge", JUDGES["scripted"], "--limit", grown, "--accept-failures")
    yield Cell("own-trees", aloe("trees", "--run", own, *itself, *grow), own / "sft.jsonl", ("own-pool", "base"))
    preferred, copied = folder("own-semantic")
    yield copied
    yield Cell("own-semantic-trees", aloe("trees", "--run", preferred, "--rejudge", own, "--judge", JUDGES["semantic"]),
               preferred / "sft.jsonl", ("own-semantic-pool", "own-trees"))  # fmt: skip
    yield from benchmark("inferred", untrained["inferred"], "base")
    scripted, copied = folder("scripted")
    yield copied
    yield Cell("scripted-trees", aloe("trees", "--run", scripted, "--judge", JUDGES["scripted"], "--limit", grown, *grow),
               scripted / "sft.jsonl", ("scripted-pool",))  # fmt: skip
    rank = tuple(part for judge, run in (("semantic", preferred), ("scripted", own)) for part in ("--rank", f"{judge}={run}"))
    costs = (str(HERE / "real_costs.py"), *rank, "--skip", str(sizes.trees))

    def cost(name: str, policy: str, *needs: str) -> Cell:
        made = out / "costs" / f"{name}.json"
        command = (sys.executable, costs[0], policy, *costs[1:], "--out", str(made))
        return Cell(f"cost-{name}", command, made, (*needs, "own-trees", "own-semantic-trees"))

    rows = dict.fromkeys(TRAINED, preferred) | {"sft-own-swapped": own, "sft-scripted": scripted}
    for placebo in ("shuffled", "random"):
        rows[placebo] = out / placebo
        if placebo in trained:
            made_of = [placebo, str(preferred), str(rows[placebo]), "--first", str(sizes.trees)]
            command = (sys.executable, str(HERE / "real_rows.py"), *made_of)
            yield Cell(f"{placebo}-trees", command, rows[placebo] / "sft.jsonl", ("own-semantic-trees",))

    def on_policy() -> Iterator[Cell]:
        rows["dpo"], copied = folder("on-policy")
        yield copied
        first, judge = policies(out, base, ("sft-own",))["sft-own"], JUDGES["semantic"]
        sampled = ("--policy", first, "--temperature", 1.0, "--judge", judge, "--limit", sizes.trees, "--accept-failures")
        command = aloe("trees", "--run", rows["dpo"], *sampled, *grow)
        yield Cell("on-policy-trees", command, rows["dpo"] / "sft.jsonl", ("on-policy-pool", "sft-own"))

    trees = {preferred: "own-semantic-trees", own: "own-trees", scripted: "scripted-trees"}
    for name in trained:
        if name == "dpo":
            yield from on_policy()
        run = rows[name]
        made = adapter(out, name)
        method = name if name in ("dpo", "sdft") else "sft"
        more = ("--adapter", adapter(out, "sft-own")) if name == "dpo" else ()
        command = aloe("train", method, "--run", run, "--name", name, "--base", base, "--recipe", RECIPE, "--limit", sizes.trees,
                       "--seed", seed, "--resume", *more)  # fmt: skip
        yield Cell(name, command, made, (trees.get(run, f"{run.name}-trees"), "base", *(("sft-own",) if more else ())))
        policy = policies(out, base, (name,))[name]
        yield from benchmark(name, policy, name)
        yield cost(name, policy, name)
        if name == trained[0]:
            yield cost("base", model, "base")
    yield from benchmark("inferred-long", untrained["inferred-long"], "base")


def adapter(out: Path, name: str) -> Path:
    """Where `aloe train` puts it: in the run folder of the rows it is trained on."""
    runs = {"sft-own-swapped": "own", "sft-scripted": "scripted", "dpo": "on-policy", "shuffled": "shuffled", "random": "random"}
    return out / runs.get(name, "own-semantic") / "adapters" / name


def policies(out: Path, base: Path, names: tuple[str, ...]) -> dict[str, str]:
    """The model string of each policy of the study."""
    untrained = {
        "oracle": "scripted:tailored",
        "plain": "scripted:plain",
        "base": f"local:{base}",
        "inferred": f"inferred(simply(local:{base}),by=scripted)",
        "inferred-long": f"inferred(local:{base},by=scripted)",
    }
    return {name: untrained.get(name, f"local:{base}+{adapter(out, name)}") for name in names}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/real-study"))
    parser.add_argument("--base", type=Path, default=Path("models/smollm2"), help="SmolLM2 as a folder; made if it is not there")
    parser.add_argument("--small", action="store_true", help="24 trees, 6 x 5 personas, one training: what `make real` runs")
    parser.add_argument("--trees", type=int, help="that each training sees; 60, with --small 24")
    parser.add_argument("--turns", type=int, default=6, help="of each tree")
    parser.add_argument("--ranked", type=int, help="further trees, whose pairs are ranked; 12, with --small 6")
    parser.add_argument("--profiles", type=int, help="held out; 20, with --small 6")
    parser.add_argument("--personalities", type=int, default=5, help="held out")
    parser.add_argument("--asked", type=int, default=6, help="turns of the benchmark")
    parser.add_argument("--trained", help=f"which trainings, of {','.join(TRAINED)}; with --small sft-own alone")
    parser.add_argument("--concurrency", type=int, default=50, help="conversations at once")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="cells at once")
    parser.add_argument("--threads", type=int, default=2, help="that each cell computes with")
    parser.add_argument("--only", help="these cells and no others, by name, such as talk-base,own-trees")
    options = parser.parse_args()
    small = options.small
    sizes = Sizes(
        trees=options.trees or (24 if small else 60),
        turns=options.turns,
        ranked=options.ranked if options.ranked is not None else (6 if small else 12),
        profiles=options.profiles or (6 if small else 20),
        personalities=options.personalities,
        asked=options.asked,
        concurrency=options.concurrency,
    )
    trained = tuple(options.trained.split(",")) if options.trained else ("sft-own",) if small else TRAINED
    if unknown := set(trained) - set(TRAINED):
        parser.error(f"--trained {options.trained}: no {sorted(unknown)[0]!r}; known: {', '.join(TRAINED)}")
    planned = list(study(options.out, options.base, sizes, trained, options.seed))
    if options.only:
        planned = [cell for cell in planned if cell.name in options.only.split(",") or cell.makes.exists()]
    try:
        cells.run(planned, options.jobs, options.out / "logs", options.threads)
    finally:
        table = real_table.written(options.out, policies(options.out, options.base, (*UNTRAINED, *trained)))
        (options.out / "table.md").write_text(table, encoding="utf-8")
        print(table)
    runs = [options.out / run for run in real_table.RUNS.values()]
    subprocess.run(aloe("report", *runs, "--html", options.out / "report.html"), check=True)


if __name__ == "__main__":
    main()
