"""What is gained in style where content counts less? A Pareto curve of two objectives, after MAHALO.

    python studies/pareto.py --out runs/pareto --seeds 3

In the scripted world, with the pocket model. The scripted judge scores the replies of trees, with style and content beside the
score. For each share of style in the weights a model is trained on these very replies by DPO from the SFT adapter that ships,
`aloe train dpo --set objectives={style=…,content=…}`, and benchmarked on 100 held-out personas of the same pool, which no choice
was made on. Twice, on two kinds of trees:

    sampled    both replies are that adapter's own; what is better in the one may be better in the other
    apart      one reply has the facts and no style, the other the style and no facts: the two objectives want opposite things

Every step is an `aloe` command in a cell that is run once: stopped at any moment, the same command goes on. A test bed: simulated
users, a scripted judge, a world of templates.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import cells
from cells import Cell, aloe, copy
from miniature import GREEDY, ON_POLICY, ON_POLICY_DPO, ON_POLICY_TREES, RECIPE
from miniature_table import difference, interval, read

from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import policy_file
from aloe_hub.scoring import compare, score
from aloe_hub.types import Transcript

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)  # of style; the rest is content's
START = "local:pocket+pocket-sft"
BESIDE = {"oracle": "scripted:tailored", "plain": "scripted:plain", "base": "local:pocket", "SFT, the start": START}
CRITERIA = ("style", "content", "quality")
BATCH = 20  # rows of one objective: about two trees, as the recipe has it


@dataclass(frozen=True)
class Sizes:
    trees: int = ON_POLICY_TREES
    asked: int = 100  # held-out personas


SAMPLED = ("--policy", START, "--concurrency", 100, *ON_POLICY, "--accept-failures")
KINDS = {"sampled": SAMPLED, "apart": ("--tailored", "scripted:facts", "--plain", "scripted:style")}


def model(out: Path, kind: str, style: float, seed: int) -> Path:
    return out / kind / "adapters" / f"style-{100 * style:.0f}-{seed}"


def study(out: Path, seeds: int, sizes: Sizes) -> Iterator[Cell]:
    """All cells, each after what it needs."""
    asked = out / "asked"
    yield Cell("personas", aloe("personas", "--run", asked, "--recipe", RECIPE, "--seed", 2), asked / "personas.jsonl")
    policies = {name: (policy, "personas") for name, policy in BESIDE.items()}
    for kind, who in KINDS.items():
        run, pool = out / kind, out / kind / "personas.jsonl"
        yield Cell(f"{kind}-pool", copy(asked / "personas.jsonl", pool), pool, ("personas",))
        grow = aloe("trees", "--run", run, "--recipe", RECIPE, "--rank-by", "scores", "--limit", sizes.trees, *who)
        yield Cell(f"{kind}-trees", grow, run / "ranked.jsonl", (f"{kind}-pool",))
    for kind, style, seed in product(KINDS, SHARES, range(seeds)):
        made, name = model(out, kind, style, seed), f"{kind}-style-{100 * style:.0f}-{seed}"
        objectives = f"objectives={{style={style},content={1 - style}}}"
        rows = BATCH * sum(weight > 0 for weight in (style, 1 - style))  # of two objectives a tree has twice as many
        command = aloe("train", "dpo", "--run", out / kind, "--name", made.name, "--base", "pocket", "--adapter", "pocket-sft",
                       "--recipe", RECIPE, "--seed", seed, "--resume", "--batch-size", rows, "--set", objectives,
                       *ON_POLICY_DPO)  # fmt: skip
        yield Cell(name, command, made, (f"{kind}-trees",))
        policies[name] = (f"local:pocket+{made}", name)
    for name, (policy, need) in policies.items():
        how = ("--limit", sizes.asked, "--concurrency", 100, "--seed", 0, *GREEDY)
        command = aloe("evaluate", "--run", asked, "--policy", policy, *how)
        yield Cell(f"asked-{name.partition(',')[0]}", command, asked / "scores" / policy_file(policy), ("personas", need))


def table(out: Path, seeds: int) -> str:
    """Style, content, quality and score of each, and what it has gained in each from the start."""
    rows = {name: [policy] for name, policy in BESIDE.items()}
    for kind, style in product(KINDS, SHARES):
        name = f"{kind}: style {style:g}, content {1 - style:g}"
        rows[name] = [f"local:pocket+{model(out, kind, style, seed)}" for seed in range(seeds)]
    lines = [
        f"| weights | models | {' | '.join(CRITERIA)} | score | style from the start | content from the start |",
        f"|{'---|' * (len(CRITERIA) + 5)}",
    ]
    asked = out / "asked"
    start = _criteria(asked, [START])
    for name, models in rows.items():
        talks, criteria = read(asked, name, models), _criteria(asked, models)
        cells = [name, str(len(models))]
        for values in (*criteria.values(), talks.scores):
            found = score(values, **talks.ids)
            cells.append(f"{found.avg:.2f} {interval(found.avg_ci, 2)}")
        for one in CRITERIA[:2]:
            gained = compare(criteria[one], start[one] * len(models), **talks.ids)
            cells.append("–" if name in BESIDE else difference(gained))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _criteria(run: Path, policies: Sequence[str]) -> dict[str, list[list[float | None]]]:
    """What the judge said of each criterion in the conversations of all of them, in the order of `read`."""
    talks = [talk for policy in policies for talk in read_rows(run / "transcripts" / policy_file(policy), Transcript.from_row)]
    return {name: [list(talk.criteria[name]) for talk in talks] for name in CRITERIA}


def main() -> None:
    parser = argparse.ArgumentParser(description="Style against content: a Pareto curve in the scripted world.")
    parser.add_argument("--out", type=Path, default=Path("runs/pareto"))
    parser.add_argument("--seeds", type=int, default=1, help="training seeds")
    parser.add_argument("--trees", type=int, default=Sizes.trees)
    parser.add_argument("--asked", type=int, default=Sizes.asked, help="held-out personas")
    parser.add_argument("--jobs", type=int, default=2, help="cells at once, one thread each")
    options = parser.parse_args()
    planned = list(study(options.out, options.seeds, Sizes(options.trees, options.asked)))
    cells.run(planned, options.jobs, options.out / "logs")
    found = table(options.out, options.seeds)
    (options.out / "pareto.md").write_text(found, encoding="utf-8")
    print(found)


if __name__ == "__main__":
    main()
