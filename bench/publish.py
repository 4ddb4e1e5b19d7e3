"""Publishing to a local Hub and loading back: seconds, rows a second and peak memory, beside plain `push_to_hub`.

    python bench/publish.py [TREES ...]

For each number of trees a run is made of some 200 scripted trees of 10 turns, repeated with other personas and other words, so
that no two rows are alike. Each step is a process of its own; its peak is its own too. Plain `DatasetDict.push_to_hub` of the
same rows, one config after another, is measured in the same run.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.local_hub.process import client_environment, running
from aloe_hub.stages.pairing import Pairing
from aloe_hub.stages.pool import write_pool
from aloe_hub.stages.training_rows import write_training_rows
from aloe_hub.stages.trees import ROLES, TreeSettings, grow_all, tree_id_of
from aloe_hub.types import Persona, PoolText, Row, Tree
from aloe_hub.world.speaking import personality_text, profile_text

GROWN = Pairing(pairings=10, test_profiles=0)  # of 20 profiles: 200 trees
CONFIGS = ("pairs", "sft", "trees", "distill")
AHEAD, PLAIN = "org/aloe-prefs", "org/plain"


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] in STEPS:
        STEPS[sys.argv[1]](Path(sys.argv[2]))
        print("PEAK", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        return
    with tempfile.TemporaryDirectory() as folder:
        grown = _grown(Path(folder, "grown"))
        for trees in [int(argument) for argument in sys.argv[1:]] or [1_000, 10_000]:
            _measure(_repeated(grown, trees, Path(folder, f"run{trees}")), trees)


def _measure(run: RunFolder, trees: int) -> None:
    rows = trees + sum(write_training_rows(run).values())
    size = sum(run.file(f"{config}.jsonl").stat().st_size for config in CONFIGS) / 2**20
    print(f"{trees:,} trees of 10 turns: {rows:,} rows, {size:,.0f} MB of JSON", flush=True)
    with running(run.path / "hub") as hub:
        environment = client_environment(hub, os.environ) | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        environment |= {"HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
        for step, what in (
            ("publish", "aloe publish"),
            ("again", "aloe publish, the second time"),
            ("read", "streamed back, and equal"),
            ("plain", "DatasetDict.push_to_hub"),
        ):
            command = [sys.executable, __file__, step, str(run.path)]
            environment["HF_HOME"] = str(run.path / "home" / step)
            start = time.perf_counter()
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            seconds = time.perf_counter() - start
            if done.returncode:
                sys.exit(f"{what}: {done.stderr}")
            peak = int(done.stdout.rsplit("PEAK", 1)[1]) / 1024
            print(f"  {what:<30} {seconds:6.1f} s  {rows / seconds:8,.0f} rows/s  peak {peak:6,.0f} MB", flush=True)


# --- the steps, each in a process of its own


def _publish(run: Path) -> None:
    from aloe_hub.cli.app import main as aloe

    status = aloe(["publish", "prefs", "--run", str(run), "--repo", AHEAD])
    if status:
        sys.exit(status)


def _plain(run: Path) -> None:
    from datasets import DatasetDict, load_dataset

    from aloe_hub.hub.schema import prefs

    for config in prefs(RunFolder(run)):
        rows = load_dataset("json", data_files=str(run / f"{config.name}.jsonl"), features=config.features, split="train")
        DatasetDict({"train": rows}).push_to_hub(PLAIN, config.name, set_default=config.name == CONFIGS[0])


def _read(run: Path) -> None:
    from datasets import load_dataset

    for config in CONFIGS:
        loaded = load_dataset(AHEAD, config, split="train", streaming=True)
        for number, (found, own) in enumerate(zip(loaded, read_rows(run / f"{config}.jsonl", dict), strict=True)):
            if found != own:
                sys.exit(f"{config}, row {number}: loaded {found}, the run holds {own}")


STEPS = {"publish": _publish, "again": _publish, "read": _read, "plain": _plain}


# --- the run


def _grown(path: Path) -> RunFolder:
    run, random = RunFolder(path), Random(0)
    texts = [[*{text(random): None for _ in range(number)}] for text, number in ((profile_text, 20), (personality_text, 12))]
    profiles, personalities = ([PoolText(text, "generated", 1) for text in each] for each in texts)
    write_pool(run, profiles, personalities, GROWN)
    grow_all(run, TreeSettings(dict.fromkeys(ROLES, "scripted")))
    return run


def _repeated(grown: RunFolder, count: int, path: Path) -> RunFolder:
    run, trees = RunFolder(path), list(read_rows(grown.file("trees.jsonl"), Tree.from_row))
    run.claim("trees", TreeSettings(dict.fromkeys(ROLES, "scripted")).recorded)

    def rows() -> Iterator[Row]:
        for number in range(count):
            tree = trees[number % len(trees)]
            persona = Persona(f"{tree.persona.profile} Number {number}.", tree.persona.personality)
            said = tuple(replace(turn, user=f"{turn.user} I am number {number}.") for turn in tree.exchanges)
            yield replace(tree, tree_id=tree_id_of(0, persona), persona=persona, exchanges=said).to_row()

    write_rows(run.file("trees.jsonl"), rows())
    return run


if __name__ == "__main__":
    main()
