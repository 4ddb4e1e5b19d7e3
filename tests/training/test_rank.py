"""`aloe train rank`: ranked replies from a run's rows to an adapter, with a record, a stop and its errors as `dpo` has them."""

import json
import shutil

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file

from aloe_hub.cli.app import main
from aloe_hub.errors import AloeError, DataError, UsageError
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.training.data import load_rows
from aloe_hub.training.hub_rows import rows_of
from aloe_hub.training.train import train
from tests.training.small import (  # noqa: F401 - fixtures
    a_base,
    a_grown_run,
    needs_fused,
    rows_to_train_on,
    settings,
    stopped_after,
)

pytestmark = needs_fused
WEIGHTS = "adapter_model.safetensors"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def rewrite(run, change):
    """The run's ranked rows, each as `change` makes it of itself."""
    path = run.file("ranked.jsonl")
    path.write_text("".join(json.dumps(change(row)) + "\n" for row in lines(path)))


def test_it_makes_an_adapter_and_a_record_as_dpo_does(rows, base, capsys):
    command = ["train", "rank", "--run", str(rows.path), "--base", str(base), "--limit", "6", "--batch-size", "2", "--lr", "1e-2"]
    assert main([*command, "--set", "eval_share=0.2", "--set", "max_steps=2", "--name", "listed"]) == 0
    said = capsys.readouterr().out
    assert "adapters/listed: trained, 2 steps" in said
    assert "ranking accuracy" in said
    record = json.loads((rows.path / "adapters/listed/training.json").read_text())
    assert (record["method"], record["data"]["undecided"]) == ("rank", 0)
    assert record["options"]["learning_rate"] == 1e-2
    outcome = record["report"]
    assert [entry["step"] for entry in outcome["log"]] == [1, 2]
    assert outcome["log"][0]["rewards/margins"] == 0 != outcome["log"][1]["rewards/margins"]
    assert outcome["final"]["eval_rewards/accuracies"] >= 0
    held = record["data"]["eval_rows"]
    assert outcome["ranking_accuracy"]["pairs"] == 2 * held > 0  # the two bad replies are tied
    assert outcome["tokens"]["processed"] < outcome["tokens"]["exploded"]


@pytest.mark.parametrize("full", [False, pytest.param(True, marks=pytest.mark.torture)], ids=["lora", "full"])
def test_a_stopped_training_ends_with_the_same_bytes(rows, base, monkeypatch, full):
    chosen = settings("rank", base, max_steps=4, save_steps=1, loss_type="plackett_luce", full=full or None)
    whole = train(rows, chosen, name="whole")

    with monkeypatch.context() as patched:
        stopped_after(2, patched)
        with pytest.raises(KeyboardInterrupt):
            train(rows, chosen, name="stopped")
    with pytest.raises(AloeError, match="give --resume to go on"):
        train(rows, chosen, name="stopped")
    again = train(rows, chosen, name="stopped", resume=True)
    name = "model.safetensors" if full else WEIGHTS
    assert (again.folder / name).read_bytes() == (whole.folder / name).read_bytes()
    assert again.record.report["log"] == whole.record.report["log"]


def test_it_starts_from_an_adapter_which_is_also_the_reference(rows, base):
    start = train(rows, settings("sft", base, max_steps=1)).folder
    made = train(rows, settings("rank", base, adapter=str(start), max_steps=2))
    assert made.record.report["log"][0]["rewards/margins"] == 0
    before, after = load_file(start / WEIGHTS), load_file(made.folder / WEIGHTS)
    assert not any(torch.equal(before[name], after[name]) for name in before if "lora_B" in name)


def test_forks_that_say_nothing_are_left_out_and_counted(rows, base, capsys):
    every = len(lines(rows.file("ranked.jsonl")))
    tied, alone = (
        {"ranks": [1, 1, 1]},
        {"completions": [[{"role": "assistant", "content": "Yes."}]], "ranks": [1], "scores": None},
    )
    changes = iter([tied, alone])
    rewrite(rows, lambda row: row | next(changes, {}))
    found, origin = load_rows(rows, None, "rank")
    assert (len(found), origin["undecided"]) == (every - 2, 2)
    assert main(["train", "rank", "--run", str(rows.path), "--base", str(base), "--set", "max_steps=1", "--limit", "3"]) == 0
    assert " forks; 2 in which no reply is better than another were left out" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "change",
    [{"ranks": [1, 1, 1]}, {"completions": [[{"role": "assistant", "content": "Yes."}]], "ranks": [1], "scores": None}],
    ids=["ties", "one reply"],
)
def test_where_no_fork_says_anything_it_is_one_line(rows, change):
    rewrite(rows, lambda row: row | change)
    with pytest.raises(DataError, match=r"of \d+ forks there is none in which one reply is better than another") as caught:
        load_rows(rows, None, "rank")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scores": [float("nan"), 1.0, 2.0]}, "ranked.jsonl, line 1: .*[Nn]a[Nn]"),
        ({"scores": [1.0, 2.0]}, r"ranked.jsonl, line 1: scores: expected one for each of 3 replies, found \[1.0, 2.0\]"),
        ({"scores": ["good", 2.0, 1.0]}, "ranked.jsonl, line 1: scores: expected a number, found 'good'"),
        ({"ranks": [1, 2]}, "ranked.jsonl, line 1: ranks: expected one for each of 3 replies"),
        ({"ranks": [0, 1, 2]}, "ranked.jsonl, line 1: ranks: expected whole numbers from 1, which is the best, found 0"),
        ({"ranks": None}, "ranked.jsonl, line 1: ranks: expected one for each of 3 replies, found None"),
        ({"completions": []}, "ranked.jsonl, line 1: completions: expected 1 to 16 replies"),
        ({"completions": [[]] * 3}, r"ranked.jsonl, line 1: completions: expected messages, found \[\]"),
        ({"weight": -1.0}, "ranked.jsonl, line 1: weight: expected a number from 0, found -1.0"),
    ],
    ids=str,
)
def test_a_row_that_is_none_is_one_line_with_its_place(rows, change, message):
    rewrite(rows, lambda row: row | change)
    with pytest.raises(DataError, match=message) as caught:
        load_rows(rows, None, "rank")
    assert "\n" not in str(caught.value)


def test_without_ranked_rows_it_says_how_to_grow_them(rows):
    rows.file("ranked.jsonl").unlink()
    with pytest.raises(DataError, match=r"ranked.jsonl: no such file; grow the trees first: aloe trees --run .* --replies 4"):
        load_rows(rows, None, "rank")


def test_scores_may_be_missing(rows, base):
    rewrite(rows, lambda row: row | {"scores": [None, 4.0, None]})
    assert {tuple(row["ranks"]) for row in load_rows(rows, None, "rank")[0]} == {(2, 1, 2)}
    assert train(rows, settings("rank", base, max_steps=1)).record.report["steps"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss_type": "sigmoid"}, "these options are refused: loss_type sigmoid: of ranked replies it is lipo"),
        ({"precompute_ref_log_probs": True}, "these options are refused: precompute_ref_log_probs True: is of pairs"),
    ],
    ids=str,
)
def test_options_of_pairs_are_one_line(rows, base, options, message):
    with pytest.raises(UsageError, match=message):
        train(rows, settings("rank", base, **options))


def test_a_dataset_s_replies_may_be_texts(rows):
    row = {"prompt": "Hi.", "completions": ["Hello.", "What?"], "ranks": [1, 2]}
    (found,) = rows_of(Dataset.from_list([row])[0], "rank")
    assert found["completions"][1] == [{"role": "assistant", "content": "What?"}]
    assert list(rows_of({"prompt": "Hi.", "completion": "Hello."}, "rank")) == []


def test_trees_of_several_replies_are_grown_and_trained_on(grown, base, tmp_path):
    run = RunFolder(tmp_path / "several")
    run.path.mkdir()
    for name in ("run.toml", "profiles.jsonl", "personalities.jsonl", "personas.jsonl"):
        shutil.copy(grown / name, run.file(name))
    text = run.file("run.toml").read_text()
    run.file("run.toml").write_text(text[: text.index("[trees]")])
    assert main(["trees", "--run", str(run.path), "--turns", "1", "--limit", "4", "--replies", "3"]) == 0
    made = train(run, settings("rank", base, eval_share=0.0, max_steps=1))
    assert made.record.data["rows"] == len(lines(run.file("ranked.jsonl"))) > 0
    assert made.record.report["tokens"]["processed"] < made.record.report["tokens"]["exploded"]
