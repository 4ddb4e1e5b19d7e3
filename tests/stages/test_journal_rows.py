"""A journal's row without its content is refused when it is read, before anything is asked; without it the run goes on."""

import json

import pytest

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import partial_of, read_rows
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.stages.pool import PoolSettings, grow_pool
from aloe_hub.stages.trees import TreeSettings, grow_all, models_by_role

TREES = TreeSettings(models_by_role({}, None), turns=2, limit=4)
REMEDY = "remove that line: its row is made again"


def as_journal(path, changed):
    """The finished file as a journal again, its second row changed; gives the bytes that it had."""
    whole = path.read_bytes()
    first, second, *others = whole.splitlines(keepends=True)
    row = changed(json.loads(second))
    partial_of(path).write_bytes(b"".join([first, json.dumps(row).encode() + b"\n", *others]))
    path.unlink()
    return whole


def without_line_2(path):
    lines = partial_of(path).read_bytes().splitlines(keepends=True)
    partial_of(path).write_bytes(b"".join([lines[0], *lines[2:]]))


@pytest.mark.parametrize(
    "changed",
    [
        lambda row: {"tree_id": row["tree_id"]},
        lambda row: row | {"turns": []},
        lambda row: row | {"turns": row["turns"][:1]},
        lambda row: row | {"turns": [turn | {"verdicts": []} for turn in row["turns"]]},
        lambda row: row | {"profile": "Somebody else."},
    ],
)
def test_a_tree(run, changed):
    grow_all(run, TREES)
    path = run.file("trees.jsonl")
    whole = as_journal(path, changed)
    with pytest.raises(DataError, match=rf"trees.jsonl.partial, line 2: .*; {REMEDY}"):
        grow_all(run, TREES)
    assert not path.exists()
    without_line_2(path)
    assert grow_all(run, TREES).finished
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "changed",
    [
        lambda row: {"persona_id": row["persona_id"]},
        lambda row: row | {"turns": row["turns"][:1]},
        lambda row: row | {"policy": "scripted:tailored"},
    ],
)
def test_a_transcript(run, changed):
    settings, policy = BenchmarkSettings(turns=2), "scripted:plain"
    evaluate_all(run, [policy], settings)
    path = run.file("transcripts/scripted_plain.jsonl")
    whole = as_journal(path, changed)
    with pytest.raises(DataError, match=rf"scripted_plain.jsonl.partial, line 2: .*; {REMEDY}"):
        evaluate_all(run, [policy], settings)
    without_line_2(path)
    assert evaluate_all(run, [policy], settings) == 0
    assert path.read_bytes() == whole


@pytest.mark.parametrize("row", [{"round": 1}, {"round": 1, "kept": [{"text": "x"}], "rejected": []}])
def test_a_round_of_a_pool(run, tmp_path, row):
    run.file("personas.jsonl").unlink()
    run.file("run.toml").unlink()
    run.file("rounds-profiles.jsonl.partial").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=rf"rounds-profiles.jsonl.partial, line 1: .*; {REMEDY}"):
        grow_pool(run, PoolSettings(profiles=8, personalities=8, pairings=2, test_profiles=2, test_personalities=2))
    assert list(read_rows(run.file("profiles.jsonl"), dict))
