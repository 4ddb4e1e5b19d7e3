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
    sft-best         as sft-own, the best of four replies instead of two
    sft-scripted     SFT on the scripted world's trees
    sdft             distillation of what the inferrer knows, on the model's own samples: no judge
    dpo              on-policy DPO: pairs sampled from sft-own, judged by the semantic judge
    grpo             online, from sft-own: four replies to each message of the trees, scored by the semantic judge
    shuffled         placebo: as sft-own, each prompt with what another person was told on the same topic
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
import real_rows
import real_table
from cells import Cell, aloe, copy

from aloe_hub.files.run_folder import policy_file

HERE = Path(__file__).parent
RECIPE = HERE.parent / "recipes" / "smollm2-135m.toml"
JUDGES = {"scripted": "scripted", "semantic": "semantic"}
UNTRAINED = ("oracle", "plain", "base", "inferred", "inferred-long")
# In the order in which they are run.
TRAINED = ("sft-own", "sft-scripted", "sft-best", "shuffled", "sdft", "dpo", "grpo", "sft-own-swapped", "random")
TRAIN_USER, HELD_OUT_USER = "scripted:user?wording=train", "scripted:user?wording=held-out"


@dataclass(frozen=True, slots=True)
class Sizes:
    """`trees` are trained on; `profiles` x `personalities` are held out, and trees of `ranked` of these give pairs to rank.

    `pools`: of the second and further ones as many are held out again; nothing is trained on any of their personas.
    """

    trees: int
    turns: int
    ranked: int
    profiles: int
    personalities: int
    asked: int  # turns of the benchmark
    concurrency: int
    pools: int = 1


@dataclass(frozen=True, slots=True)
class Study:
    """All cells of a study; `cells` has them in order, the most telling first, each after what it needs."""

    out: Path
    base: Path
    sizes: Sizes
    trained: tuple[str, ...]
    seed: int

    def cells(self) -> Iterator[Cell]:
        made = str(self.base)
        yield Cell("base", (sys.executable, str(HERE.parent / "scripts" / "smollm2.py"), made), self.base / "config.json")
        sizes = self.sizes
        for number in range(1, sizes.pools + 1):
            pool, of_training = self.out / real_table.numbered("pool", number), sizes.trees if number == 1 else 2 * sizes.profiles
            people = ("--profiles", of_training + sizes.profiles, "--test-profiles", sizes.profiles,
                      "--test-personalities", sizes.personalities, "--seed", self.seed + number - 1)  # fmt: skip
            command = aloe("personas", "--run", pool, "--recipe", RECIPE, *people)
            yield Cell(real_table.numbered("personas", number), command, pool / "personas.jsonl")
            for run in real_table.RUNS.values():
                yield self._pool_of(real_table.numbered(run, number), number)
        for name in ("oracle", "plain", "base"):
            yield from self._benchmarked(name)
        itself = self._by_itself
        yield from self._grown("own", JUDGES["scripted"], *self._of_training, *itself, needs=("base",))
        yield from self._judged_again("own-semantic", "own")
        yield from self._benchmarked("inferred")
        yield from self._grown("scripted", JUDGES["scripted"], *self._of_training)
        others = ("--split", "test", "--limit", sizes.ranked, "--user", HELD_OUT_USER)
        yield from self._grown("ranked", JUDGES["scripted"], *others, *itself, needs=("base",))
        yield from self._judged_again("ranked-semantic", "ranked")
        for name in self.trained:
            yield from self._trained(name)
            if name == self.trained[0]:
                yield self._cost("base", "base")
        yield from self._benchmarked("inferred-long")

    @property
    def _by_itself(self) -> tuple[object, ...]:
        return ("--tailored", f"simply(local:{self.base})", "--plain", f"simply(local:{self.base})", "--accept-failures")

    @property
    def _of_training(self) -> tuple[object, ...]:
        return ("--limit", self.sizes.trees, "--user", TRAIN_USER)

    @property
    def _as_everywhere(self) -> tuple[object, ...]:
        return ("--recipe", RECIPE, "--concurrency", self.sizes.concurrency, "--seed", self.seed)

    def _pool_of(self, name: str, number: int = 1) -> Cell:
        """A run folder with the personas of a pool."""
        source, copied = (self.out / run / "personas.jsonl" for run in (real_table.numbered("pool", number), name))
        return Cell(f"{name}-pool", copy(source, copied), copied, (real_table.numbered("personas", number),))

    def _grown(self, name: str, judge: str, *who: object, needs: tuple[str, ...] = ()) -> Iterator[Cell]:
        """A run folder with trees."""
        yield self._pool_of(name)
        run = self.out / name
        command = aloe("trees", "--run", run, "--judge", judge, "--turns", self.sizes.turns, *who, *self._as_everywhere)
        yield Cell(f"{name}-trees", command, run / "sft.jsonl", (f"{name}-pool", *needs))

    def _judged_again(self, name: str, other: str) -> Iterator[Cell]:
        """A run folder with the trees of another one, as the semantic judge judges them."""
        yield self._pool_of(name)
        run = self.out / name
        command = aloe("trees", "--run", run, "--rejudge", self.out / other, "--judge", JUDGES["semantic"])
        yield Cell(f"{name}-trees", command, run / "sft.jsonl", (f"{name}-pool", f"{other}-trees"))

    def _benchmarked(self, name: str, *needs: str) -> Iterator[Cell]:
        """A policy's conversations, scored by one judge, and the same ones by the other."""
        policy = policies(self.out, self.base, (name,))[name]
        needed = needs or (() if policy.startswith("scripted") else ("base",))
        file = policy_file(policy)
        for number in range(1, self.sizes.pools + 1):
            held, again = (self.out / real_table.numbered(run, number) for run in real_table.RUNS.values())
            talk, judge = (real_table.numbered(f"{what}-{name}", number) for what in ("talk", "judge"))
            asked = ("--user", HELD_OUT_USER, "--judge", JUDGES["scripted"], "--turns", self.sizes.asked)
            how = (*self._as_everywhere[:-1], self.seed + number - 1)
            command = aloe("evaluate", "--run", held, "--policy", policy, *asked, *how)
            yield Cell(talk, command, held / "scores" / file, (f"{held.name}-pool", *needed))
            command = aloe("evaluate", "--run", again, "--rejudge", held, "--policy", policy, "--judge", JUDGES["semantic"])
            yield Cell(judge, command, again / "scores" / file, (f"{again.name}-pool", talk))

    def _trained(self, name: str) -> Iterator[Cell]:
        """An adapter, the rows for it where nothing else needs them, its benchmark, and what it cost."""
        rows = ROWS.get(name, "own-semantic")
        if name in real_rows.PLACEBOS:
            made_of = (name, str(self.out / "own-semantic"), str(self.out / name), "--first", str(self.sizes.trees))
            command: tuple[str, ...] = (sys.executable, str(HERE / "real_rows.py"), *made_of)
            yield Cell(f"{name}-trees", command, self.out / name / "sft.jsonl", ("own-semantic-trees",))
        more: tuple[object, ...] = ()
        if name == "sft-best":
            of_four = (*self._of_training, *self._by_itself, "--replies", 4)
            yield from self._grown(rows, JUDGES["semantic"], *of_four, needs=("base",))
        begins = ("sft-own",) if name in ("dpo", "grpo") else ()
        if begins:
            more = ("--adapter", adapter(self.out, *begins))
        if name == "dpo":
            sampled = (
                "--policy",
                policies(self.out, self.base, ("sft-own",))["sft-own"],
                "--temperature",
                1.0,
                "--accept-failures",
            )
            yield from self._grown(rows, JUDGES["semantic"], *self._of_training, *sampled, needs=begins)
        method = name if name in ("dpo", "sdft", "grpo") else "sft"
        size = ("--limit", self.sizes.trees, "--seed", self.seed, "--resume")
        options = ("--run", self.out / rows, "--name", name, "--base", self.base, "--recipe", RECIPE, *size, *more)
        yield Cell(name, aloe("train", method, *options), adapter(self.out, name), (f"{rows}-trees", "base", *begins))
        yield from self._benchmarked(name, name)
        yield self._cost(name, name)

    def _cost(self, name: str, *needs: str) -> Cell:
        made = self.out / "costs" / f"{name}.json"
        runs = {"semantic": "ranked-semantic", "scripted": "ranked"}
        rank = [part for judge, run in runs.items() for part in ("--rank", f"{judge}={self.out / run}")]
        command = (sys.executable, str(HERE / "real_costs.py"), policies(self.out, self.base, (name,))[name], *rank)
        return Cell(f"cost-{name}", (*command, "--out", str(made)), made, (*needs, "ranked-semantic-trees"))


# In which run folder the rows of a training are; of the others in `own-semantic`.
ROWS = {"sft-own-swapped": "own", "sft-scripted": "scripted", "sft-best": "best", "dpo": "on-policy"} | dict(
    zip(real_rows.PLACEBOS, real_rows.PLACEBOS, strict=True)
)


def adapter(out: Path, name: str) -> Path:
    """Where `aloe train` puts it: in the run folder of its rows."""
    return out / ROWS.get(name, "own-semantic") / "adapters" / name


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
    parser.add_argument("--ranked", type=int, help="trees of held-out personas, whose pairs are ranked; 20, with --small 8")
    parser.add_argument("--profiles", type=int, help="held out; 20, with --small 6")
    parser.add_argument("--personalities", type=int, default=5, help="held out")
    parser.add_argument("--pools", type=int, default=1, help="of personas; of each as many are held out")
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
        ranked=options.ranked if options.ranked is not None else (8 if small else 20),
        profiles=options.profiles or (6 if small else 20),
        personalities=options.personalities,
        asked=options.asked,
        concurrency=options.concurrency,
        pools=options.pools,
    )
    trained = tuple(options.trained.split(",")) if options.trained else ("sft-own",) if small else TRAINED
    if unknown := set(trained) - set(TRAINED):
        parser.error(f"--trained {options.trained}: no {sorted(unknown)[0]!r}; known: {', '.join(TRAINED)}")
    planned = list(Study(options.out, options.base, sizes, trained, options.seed).cells())
    if options.only:
        planned = [cell for cell in planned if cell.name in options.only.split(",") or cell.makes.exists()]
    try:
        cells.run(planned, options.jobs, options.out / "logs", options.threads)
    finally:
        table = real_table.written(options.out, policies(options.out, options.base, (*UNTRAINED, *trained)))
        (options.out / "table.md").write_text(table, encoding="utf-8")
        print(table)
    runs = [options.out / real_table.numbered(run, 1) for run in real_table.RUNS.values()]
    subprocess.run(aloe("report", *runs, "--html", options.out / "report.html"), check=True)


if __name__ == "__main__":
    main()
