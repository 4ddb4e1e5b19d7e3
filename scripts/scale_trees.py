"""`aloe trees` as tasks of datatrove: on this machine, on Ray, on Slurm, or as Hugging Face Jobs. To be used, or copied.

    python scripts/scale_trees.py --run runs/mine --tasks 8 --workers 2 --executor local --model scripted

When all tasks are done, their shards are merged. The same command goes on where a stopped one was, and tries failed trees again.
docs/how-to/clusters.md says what each executor needs.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from aloe_hub.chat import open_chat
from aloe_hub.chat.traffic import Limits
from aloe_hub.errors import AloeError
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.files.settings import read_recipe, settings
from aloe_hub.model_string import ModelString
from aloe_hub.stages.merge import merge
from aloe_hub.stages.training_rows import write_training_rows
from aloe_hub.stages.trees import TreeSettings, claim, models_by_role

# A Ray that is started here serves this machine only, and sends no statistics; RAY_ADDRESS names a cluster to use instead.
OWN_RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0], allow_abbrev=False)
    parser.add_argument("--run", type=Path, required=True, help="the run folder, which holds a pool and all tasks can reach")
    parser.add_argument("--tasks", type=positive, required=True, help="how many shards; the same number each time")
    parser.add_argument("--workers", type=positive, default=-1, help="tasks at once (default: all)")
    parser.add_argument("--executor", choices=("local", "ray", "slurm", "jobs"), default="local")
    parser.add_argument("--model", help="model of all roles (default: as the recipe says, else scripted)")
    parser.add_argument("--recipe", help="a recipe's name or TOML file, of which [trees] is read")
    parser.add_argument("--turns", type=int, help="turns of each conversation (default: 10)")
    parser.add_argument("--limit", type=int, help="only the first N personas (default: all)")
    parser.add_argument("--seed", type=int, help="same seed, same bytes (default: 0)")
    parser.add_argument("--concurrency", type=positive, default=32, help="requests in flight at once, in each task")
    parser.add_argument("--accept-failures", action="store_true", help="finish without the trees that failed")
    parser.add_argument("--partition", help="slurm: the partition")
    parser.add_argument("--time", default="24:00:00", help="slurm: the time limit of a task")
    parser.add_argument("--remote", help="jobs: where a copy of the run lies that all jobs can reach: hf://buckets/me/mine")
    parser.add_argument("--package", default="aloe-hub[hub,scale]", help="jobs: what is installed in each")
    args = parser.parse_args()
    for option, executor in (("partition", "slurm"), ("remote", "jobs")):
        if (getattr(args, option) is None) == (args.executor == executor):
            parser.error(f"--{option} goes with --executor {executor}")
    return args


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected 1 or more")
    return int(text)


def tree_settings(args: argparse.Namespace) -> TreeSettings:
    """As `aloe trees` reads them."""
    table = dict(read_recipe(args.recipe).get("trees", {})) if args.recipe else {}
    by_hand = {"models": models_by_role(table, args.model), "turns": args.turns, "limit": args.limit, "seed": args.seed}
    return settings(TreeSettings, table, by_hand)


def executor_of(args: argparse.Namespace, chosen: TreeSettings) -> Any:  # noqa: ANN401 - datatrove is not typed
    from datatrove import executor

    from aloe_hub.stages.scale import GrowTrees, LocalExecutor

    limits = Limits(args.concurrency)
    folder = args.remote or str(args.run.resolve())
    common = {
        "pipeline": [GrowTrees(folder, chosen, limits=limits, accept_failures=args.accept_failures)],
        "tasks": args.tasks,
        "workers": args.workers,
        "logging_dir": f"{folder}/scale-{args.tasks}",  # task 3 of 8 is not task 3 of 4: each cut has its own marks
    }
    if args.executor == "ray":
        import ray

        ray.init(include_dashboard=False)
        return executor.RayPipelineExecutor(**common, mem_per_cpu_gb=0.5)
    if args.executor == "slurm":
        activate = Path(sys.prefix, "bin", "activate")
        environment = str(activate) if activate.exists() else None
        return executor.SlurmPipelineExecutor(
            **common, partition=args.partition, time=args.time, qos="", job_name="aloe-trees", venv_path=environment
        )
    if args.executor == "jobs":
        secrets = {name: os.environ[name] for name in ("ALOE_API_KEY",) if name in os.environ}
        return executor.JobsPipelineExecutor(
            **common, dependencies=[args.package, "datatrove[io]"], secrets=secrets, job_name="aloe-trees"
        )
    return LocalExecutor(**common)


def grow(args: argparse.Namespace) -> str:
    """Run the tasks that are not done, and merge when all are; returns what there is to say."""
    run, chosen = RunFolder(args.run), tree_settings(args)
    run.personas(chosen.split)
    for model in {*chosen.models.values()}:
        if ModelString.parse(model).scheme != "local":  # which would be loaded here for nothing
            open_chat(model)
    # Settings that are invalid, or differ from an earlier run's, are refused here and not in every task.
    claim(run, chosen)
    if args.remote:
        send_pool(run, args.remote)
    executor = executor_of(args, chosen)
    executor.run()
    executor.logging_dir.fs.invalidate_cache()
    if left := executor.get_incomplete_ranks():
        shards = ", ".join(f"{rank + 1}/{args.tasks}" for rank in left)
        if args.executor == "slurm":  # which works on when this process has ended
            return f"with Slurm: shard {shards}; when squeue shows no aloe-trees: aloe merge {args.run} --run {args.run}"
        logs = executor.logging_dir.resolve_paths("logs")
        raise AloeError(f"shard {shards} is not done; {logs} says why, and the same command tries again")
    if args.remote:
        fetch_shards(run, args.remote, args.tasks)
    trees = merge([run], run)
    rows = write_training_rows(run)
    return f"{trees} trees in {args.run}: {rows['pairs']} preference pairs and {rows['sft']} SFT rows"


def send_pool(run: RunFolder, remote: str) -> None:
    from datatrove.io import get_datafolder

    from aloe_hub.stages.scale import POOL

    for name in POOL:
        get_datafolder(remote).put_file(str(run.file(name)), name)


def fetch_shards(run: RunFolder, remote: str, tasks: int) -> None:
    from datatrove.io import get_datafolder

    there = get_datafolder(remote)
    for name in there.list_files(recursive=False, glob_pattern=f"*-of-{tasks}.jsonl"):
        there.get_file(name, str(run.file(name)))


def main() -> int:
    args = options()
    os.environ.update({} if "RAY_ADDRESS" in os.environ else OWN_RAY)  # before Ray is imported
    try:
        print(grow(args))
    except AloeError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    except ImportError as error:
        print(f"{error}; run: pip install 'aloe-hub[scale]', and for Ray 'aloe-hub[ray]'", file=sys.stderr)
        return 1
    except OSError as error:  # no sbatch here, no Ray at RAY_ADDRESS, no Hub
        print(f"--executor {args.executor}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; the same command goes on where it was", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
