"""The study of a real model: its plan, and all of its cells with a tiny model that was made on the spot."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import real
import real_costs
import real_rows
import real_table

from tests import tiny

SIZES = real.Sizes(trees=4, turns=2, ranked=2, profiles=2, personalities=2, asked=2, concurrency=8)


@pytest.fixture
def planned(tmp_path):
    return list(real.Study(tmp_path, tmp_path / "base", SIZES, real.TRAINED, 0).cells())


def test_every_cell_has_a_name_of_its_own_and_needs_cells_that_come_before_it_or_there_are(planned):
    names = [cell.name for cell in planned]
    assert len(set(names)) == len(names)
    assert {need for cell in planned for need in cell.needs} <= set(names)


def test_a_second_pool_holds_out_other_people_for_every_policy_and_trains_on_none(tmp_path, planned):
    twice = list(real.Study(tmp_path, tmp_path / "base", replace(SIZES, pools=2), real.TRAINED, 0).cells())
    more = {cell.name: cell for cell in twice if cell.name not in {cell.name for cell in planned}}
    policies = real.policies(tmp_path, tmp_path / "base", (*real.UNTRAINED, *real.TRAINED))
    pools = {"personas-2", "held-out-2-pool", "held-out-semantic-2-pool"}
    assert set(more) == pools | {f"{what}-{name}-2" for what in ("talk", "judge") for name in policies}
    assert {need for cell in twice for need in cell.needs} <= {cell.name for cell in twice}
    seeds = [cell.command[cell.command.index("--seed") + 1] for cell in twice if cell.name in ("personas", "personas-2")]
    assert seeds == ["0", "1"]


def test_every_policy_talks_once_and_is_scored_by_both_judges(planned):
    talks = {cell.name.removeprefix("talk-") for cell in planned if cell.name.startswith("talk-")}
    assert talks == {*real.UNTRAINED, *real.TRAINED}
    for cell in planned:
        if cell.name.startswith("judge-"):
            assert "--rejudge" in cell.command
            assert cell.needs[-1] == cell.name.replace("judge", "talk")


def test_trees_have_wordings_that_the_benchmark_has_not(planned):
    users = {
        cell.command[cell.command.index("--user") + 1]: cell.name.partition("-")[0]
        for cell in planned
        if "--user" in cell.command
    }
    assert set(users) == {real.TRAIN_USER, real.HELD_OUT_USER}
    assert users[real.HELD_OUT_USER] == "talk"


def test_what_begins_with_an_adapter_waits_for_it(planned):
    cells = {cell.name: cell for cell in planned}
    begun = {name for name in real.TRAINED if "--adapter" in cells[name].command}
    assert begun == {"dpo", "grpo"}
    for name in begun:
        assert "sft-own" in cells[name].needs


def test_the_small_study_is_one_training_beside_what_needs_none(tmp_path):
    names = {cell.name for cell in real.Study(tmp_path, tmp_path / "base", SIZES, ("sft-own",), 0).cells()}
    assert {name for name in names if name in real.TRAINED} == {"sft-own"}


def pair(tree, turn, chosen="good", rejected="bad"):
    said = {name: [{"role": "assistant", "content": f"{text} of {tree}{turn}"}] for name, text in
            (("chosen", chosen), ("rejected", rejected))}  # fmt: skip
    prompt = [{"role": "user", "content": f"asked of {tree}{turn}"}]
    return {"tree_id": tree, "persona_id": tree, "turn": turn, "prompt": prompt, **said}


PAIRS = [pair(tree, turn) for tree in "abcd" for turn in range(2)]


def test_shuffled_rows_have_replies_to_the_same_question_of_another_person():
    questions = ("Any dinner ideas?", "How can I relax tonight?")
    pairs = [row | {"prompt": [{"role": "user", "content": f"I am {row['tree_id']}. {questions[row['turn']]}"}]} for row in PAIRS]
    alone = pair("a", 2) | {"prompt": [{"role": "user", "content": "How do I stay fit?"}]}
    made = list(real_rows.shuffled([*pairs, alone]))
    assert [row["prompt"] for row in made] == [row["prompt"] for row in pairs]
    said = [row["chosen"][0]["content"] for row in made]
    assert sorted(said) == sorted(row["chosen"][0]["content"] for row in pairs)
    for row, own in zip(made, pairs, strict=True):
        assert row["chosen"] != own["chosen"]
        assert row["rejected"][0]["content"].removeprefix("bad") == row["chosen"][0]["content"].removeprefix("good")
        assert row["chosen"][0]["content"][-1] == str(row["turn"])


def test_random_rows_are_turned_by_a_coin_that_is_the_same_each_time():
    many = [pair(f"tree {number}", 0) for number in range(200)]
    made = list(real_rows.random(many))
    assert made == list(real_rows.random(many))
    turned = sum(row["chosen"] == own["rejected"] for row, own in zip(made, many, strict=True))
    assert 70 < turned < 130
    assert all({str(row["chosen"]), str(row["rejected"])} == {str(own["chosen"]), str(own["rejected"])}
               for row, own in zip(made, many, strict=True))  # fmt: skip


def test_placebo_rows_are_those_of_the_first_trees(tmp_path):
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    real_rows.write("random", tmp_path, tmp_path / "out", 2)
    rows = [json.loads(line) for line in (tmp_path / "out" / "sft.jsonl").read_text().splitlines()]
    assert [row["tree_id"] for row in rows] == ["a", "a", "b", "b"]
    assert set(rows[0]) == {"tree_id", "persona_id", "turn", "prompt", "completion"}


@pytest.fixture(scope="module")
def tiny_base(tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("real") / "base", max_position_embeddings=8192, initializer_range=0.05)


def test_perplexity_is_of_a_token():
    assert real_costs.perplexity([(-2.0, 1), (-4.0, 2)]) == pytest.approx(2.718281828**2)


@pytest.mark.torture
def test_all_cells_of_a_small_study_run_and_its_table_has_every_policy(tmp_path, run, tiny_base, aloe, monkeypatch):
    """In this process, with an earlier scripted judge as the second one: to load libraries takes longer than all else."""
    monkeypatch.setitem(real.JUDGES, "semantic", "scripted:judge-1")
    out = tmp_path / "study"
    (out / "pool").mkdir(parents=True)
    shutil.copy(run.file("personas.jsonl"), out / "pool")
    trained = ("sft-scripted",)  # of a model that says nothing no judge can prefer a reply
    for cell in real.Study(out, tiny_base, SIZES, trained, 0).cells():
        if cell.makes.exists():
            continue
        assert all(need in made_so_far(out, tiny_base, trained) for need in cell.needs)
        run_here(cell.command, aloe, monkeypatch)
        assert cell.makes.exists(), cell.name
    table = real_table.written(out, real.policies(out, tiny_base, (*real.UNTRAINED, *trained)))
    for name in (*real.UNTRAINED, *trained):
        assert table.count(f"\n| {name} | ") == 3  # under either judge, and what it cost
    assert "| sft-scripted | 4 |" in table


def made_so_far(out, base, trained):
    return {cell.name for cell in real.Study(out, base, SIZES, trained, 0).cells() if cell.makes.exists()}


def run_here(command, aloe, monkeypatch):
    if command[1:3] == ("-m", "aloe_hub.cli.app"):
        status, _, errors = aloe(*command[3:])
        assert status == 0, errors
    elif command[1] == "-c":
        monkeypatch.setattr(sys, "argv", ["-c", *command[3:]])
        exec(command[2], {})
    else:
        monkeypatch.setattr(sys, "argv", [*command[1:]])
        {"real_rows.py": real_rows, "real_costs.py": real_costs}[Path(command[1]).name].main()
