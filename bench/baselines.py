"""The competitors in one table: baselines that need no training, around the plain replies and around the pocket model.

    python bench/baselines.py [--run DIR] [--limit N]

100 held-out personas of the demo's recipe, of another pool seed than the demo's, so that the shipped adapter has seen nobody; ten
turns, greedy, the world's judge. The pocket model is too small to infer: the scripted world infers for it, and what it makes of
its own inferring is said where it fails. DIR is kept, and goes on where it was.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from aloe_hub.chat.traffic import Limits, Traffic
from aloe_hub.cli import data
from aloe_hub.errors import AloeError
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.report import read_runs
from aloe_hub.results.counts import ORACLE, PLAIN, PolicyReport
from aloe_hub.results.formatting import number, share, with_interval
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all

SEED = 1
BASE, TRAINED = "local:pocket", "local:pocket+pocket-sft"
FRAME = [ORACLE, PLAIN, "scripted:constant", "scripted:parrot", "scripted:dump", BASE, TRAINED, "inferred(scripted)"]
AROUND = ["reminder({})", "cot({})", "rag({})", "self-critic({})", "inferred({},by=scripted)", "best-of({},inferrer=scripted)",
          "rps({},inferrer=scripted)"]  # fmt: skip
BY_THEMSELVES = ["inferred({})", "best-of({})", "rps({})"]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--run", type=Path, default=Path("runs/baselines"))
    parser.add_argument("--limit", type=int, help="personas")
    options = parser.parse_args()
    run = held_out(options.run)
    lost: dict[str, str] = {}
    policies = FRAME + [form.format(model) for model in (PLAIN, BASE) for form in AROUND + BY_THEMSELVES]
    for policy in policies:
        if problem := benchmark(run, policy, limit=options.limit, temperature=0.0):
            lost[policy] = problem
    found = {one.policy: one for one in read_runs([run.path]).runs[0].policies}
    print("| policy | AL(1) | AL(10) | AVG [95%] | IR [95%] | slope on R | gap closed [95%] |")
    print(f"|{'---|' * 7}")
    for policy in policies:
        if policy in found:
            print(f"| `{policy}` | {' | '.join(figures(found[policy]))} |")
    for policy, problem in lost.items():
        print(f"\n{policy}: {problem}")


def held_out(folder: Path) -> RunFolder:
    """A run folder with a pool of the demo's recipe, 20 profiles x 5 personalities of it held out."""
    data.personas(folder, recipe="demo", seed=SEED)
    return RunFolder(folder)


def benchmark(run: RunFolder, policy: str, **settings: object) -> str:
    """As many conversations at once as there are personas: a model of this process answers them in one batch.

    Returns why the policy has no scores, or nothing.
    """
    chosen = BenchmarkSettings(**settings)  # type: ignore[arg-type]
    try:
        failed = evaluate_all(run, [policy], chosen, traffic=Traffic(Limits(concurrency=100)))
    except AloeError as error:
        return str(error)
    return f"{failed} conversations failed, for the reasons in {run.file('transcripts')}" if failed else ""


def figures(of: PolicyReport) -> list[str]:
    scores, slope = of.scores, of.adaptation
    return [
        number(scores.al[0], 2),
        number(scores.al[-1], 2),
        with_interval(scores.avg, scores.avg_ci, 2),
        with_interval(scores.ir, scores.ir_ci, 3, sign=True),
        number(slope.slope if slope else None, 2, sign=True),
        share(of.gap.closed, of.gap.closed_ci) if of.gap else "–",
    ]


if __name__ == "__main__":
    main()
