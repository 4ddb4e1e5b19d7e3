"""A run folder of version 0.1.0 reports and goes on, with the same bytes: one that is finished, and one that was killed.

Both were made by that version from the same pool: `aloe trees --turns 2`, `aloe evaluate --turns 3`. The second was killed, by
kill -9, in the middle of its trees and then in the middle of its first policy.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from aloe_hub.files.jsonl import dumps, read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.report import to_json
from aloe_hub.results.read import read_runs
from aloe_hub.rows import distill
from aloe_hub.types import Transcript, Tree, persona_and_split
from aloe_hub.world import JUDGE_VERSION

OLD = Path(__file__).parent / "data" / "old_run"
POLICIES = ("--policy", "scripted:plain", "--policy", "scripted:tailored")


def contents(folder: Path) -> dict[str, bytes]:
    """All files; rows of scores name the personality since, which one-way intervals did not need."""
    return {
        str(path.relative_to(folder)): re.sub(rb'"personality_id":"[0-9a-f]{16}",(?="scores")', b"", path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(params=["finished", "halfway"])
def old(request, tmp_path):
    shutil.copytree(OLD / request.param, tmp_path / "run")
    return tmp_path / "run"


def test_an_old_run_goes_on_and_ends_with_the_same_bytes(aloe, old):
    assert aloe("trees", "--run", old, "--turns", 2)[0] == 0
    assert aloe("evaluate", "--run", old, "--turns", 3, *POLICIES)[0] == 0
    trees = read_rows(OLD / "finished" / "trees.jsonl", Tree.from_row)
    since = "".join(dumps(row) + "\n" for tree in trees for row in distill(tree)).encode()  # rows that it did not have
    assert contents(old) == contents(OLD / "finished") | {"distill.jsonl": since}


def test_a_run_says_which_judge_of_the_world_judged_it(aloe, old, tmp_path):
    assert aloe("evaluate", "--run", old, "--turns", 3, *POLICIES)[0] == 0  # an old one does not, and is judged as it was begun
    assert "world_judge" not in RunFolder(old).settings()["evaluate"]
    for judge, version in (("scripted", JUDGE_VERSION), ("scripted:judge-1", 1)):
        run = RunFolder(tmp_path / judge)
        run.path.mkdir()
        shutil.copy(old / "personas.jsonl", run.path)
        assert aloe("evaluate", "--run", run.path, "--judge", judge, "--turns", 3, *POLICIES)[0] == 0
        assert run.settings()["evaluate"]["world_judge"] == version
        for name in ("scripted_plain", "scripted_tailored"):
            before, after = (
                [turn for one in read_rows(file, Transcript.from_row) for turn in one.turns]
                for file in (old / f"transcripts/{name}.jsonl", run.file(f"transcripts/{name}.jsonl"))
            )
            assert [(turn.user, turn.reply) for turn in before] == [(turn.user, turn.reply) for turn in after]
            seen = ([(turn.judgement.splitlines()[0], turn.score) for turn in turns] for turns in (before, after))
            assert (next(seen) == next(seen)) == (version == 1)


def test_an_old_run_is_refused_where_it_was_made_with_other_settings(aloe, old):
    status, _, said = aloe("trees", "--run", old, "--turns", 3)
    assert status == 1
    assert "trees.turns is 2 there and 3 now" in said


def test_a_finished_old_run_reports_what_it_reported():
    (run,) = read_runs([OLD / "finished"]).runs
    assert [(one.policy, f"{one.scores.avg:.6f}") for one in run.policies] == [
        ("scripted:tailored", "2.650000"),
        ("scripted:plain", "2.000000"),
    ]
    assert run.trees is not None
    assert (run.trees.trees, run.trees.exchanges, run.trees.count("tailored"), run.trees.failed) == (6, 12, 10, 0)
    assert run.settings["trees"]["world"] == 1
    assert "scripted:tailored" in to_json(read_runs([OLD / "finished"]))


def test_every_row_of_an_old_run_is_read_and_written_without_loss():
    run = RunFolder(OLD / "finished")
    for name, kind in (("trees.jsonl", Tree), ("transcripts/scripted_plain.jsonl", Transcript)):
        lines = run.file(name).read_text(encoding="utf-8").splitlines()
        values: Iterator[Tree | Transcript] = read_rows(run.file(name), kind.from_row)
        assert [dumps(value.to_row()) for value in values] == lines
    assert len(list(read_rows(run.file("personas.jsonl"), persona_and_split))) == 10
