"""Objectives: what replies were judged by, with a weight for each at training time; from rows, or from a judge's own lines."""

import json
import shutil
from typing import Any

import pytest

from aloe_hub import rows as rows_of
from aloe_hub.cli.app import main
from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.training.objectives import by_criterion, objective_rows, with_weights
from aloe_hub.training.settings import train_settings
from aloe_hub.training.train import train
from aloe_hub.types import Tree
from tests.training.small import (  # noqa: F401 - fixtures
    a_base,
    a_grown_run,
    needs_fused,
    rows_to_train_on,
    settings,
)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture(name="scored", scope="module")
def a_run_whose_judge_gave_scores(grown, tmp_path_factory):
    """The trees of `grown`, each reply with a score, and beside it its style, content and quality."""
    run = RunFolder(tmp_path_factory.mktemp("scored") / "run")
    run.path.mkdir()
    shutil.copy(grown / "personas.jsonl", run.path)
    assert main(["trees", "--run", str(run.path), "--rejudge", str(grown), "--rank-by", "scores"]) == 0
    return run


def stated(reply, name):
    """What stands in the judge's own line."""
    line = next(line for line in reply.judgement.splitlines() if line.startswith(f"{name.capitalize()}:"))
    return float(line.split()[1])


@pytest.mark.parametrize("name", ["style", "content"])
def test_a_pair_of_an_objective_is_of_the_replies_that_the_judge_found_best_and_worst_in_it(scored, name):
    made = 0
    for tree in read_rows(scored.file("trees.jsonl"), Tree.from_row):
        found = {row["turn"]: row for row in rows_of.pairs(by_criterion(tree, name))}
        for turn, exchange in enumerate(tree.exchanges):
            by_value = sorted(exchange.replies, key=lambda reply: stated(reply, name))
            if stated(by_value[0], name) == stated(by_value[-1], name):
                assert turn not in found
                continue
            assert found[turn]["rejected"][0]["content"] == by_value[0].text
            assert found[turn]["chosen"][0]["content"] == by_value[-1].text
            made += 1
    assert made


def test_rows_are_those_of_each_objective_that_counts(scored):
    both, origin = objective_rows(scored, None, "dpo", None, {"style": 0.5, "content": 1.0, "quality": 0})
    style, _ = objective_rows(scored, None, "dpo", None, {"style": 1.0})
    assert {row["objective"] for row in both} == {"style", "content"}
    assert style == [row for row in both if row["objective"] == "style"] != []
    assert origin["run"] == scored.path.name
    assert all("profile_id" in row for row in both)  # so that a share of the profiles can be set aside


def test_ranked_replies_have_objectives_too(scored):
    found, _ = objective_rows(scored, None, "rank", None, {"style": 1.0})
    assert all(len(set(row["scores"])) == 2 for row in found)


def test_of_a_reply_whose_criterion_could_not_be_read_there_is_no_pair(scored):
    tree = next(read_rows(scored.file("trees.jsonl"), Tree.from_row)).to_row()
    for turn in tree["turns"]:
        turn["replies"][0]["judgement"] = "I like it."
    assert list(rows_of.pairs(by_criterion(Tree.from_row(tree), "style"))) == []


def test_trees_whose_replies_were_compared_say_nothing_of_objectives(rows):
    with pytest.raises(
        DataError, match=r"trees.jsonl: in no fork does the judge say .* style; one that scores replies does: aloe trees"
    ):
        objective_rows(rows, None, "dpo", None, {"style": 1.0})


def test_an_objective_that_no_judge_states_is_named(scored):
    with pytest.raises(DataError, match=r"objectives 'charm': no row has a column `objective`.* style, content, quality alone"):
        objective_rows(scored, None, "dpo", None, {"charm": 1.0})


@needs_fused
def test_a_training_takes_its_objectives_from_the_trees_of_the_run(scored, base):
    chosen = settings("dpo", base, max_steps=1, limit=4, eval_share=0.0, batch_size=6, objectives={"style": 1.0, "content": 0.5})
    record = train(scored, chosen, name="both").record
    assert record.settings["objectives"] == {"style": 1.0, "content": 0.5}
    assert record.data["rows"] == len(objective_rows(scored, None, "dpo", 4, {"style": 1.0, "content": 0.5})[0])


def test_weights_are_those_of_rows_times_those_of_their_objectives():
    rows: list[dict[str, Any]] = [{"objective": "style", "weight": 2.0}, {"objective": "content"}]
    assert [row["weight"] for row in with_weights(rows, {"style": 0.5, "content": 3.0})] == [1.0, 3.0]
    assert with_weights([{"turn": 0}], {}) == [{"turn": 0}]
    with pytest.raises(DataError, match=r"objectives style: a row of tree t has the objective None; give each row one"):
        with_weights([{"tree_id": "t"}], {"style": 1.0})


@needs_fused
@pytest.mark.torture
def test_one_objective_of_weight_1_is_dpo_and_two_are_their_sum(rows, base):
    options = {"max_steps": 1, "limit": 4, "eval_share": 0.0, "batch_size": 6, "loss_type": "sigmoid"}
    plain = train(rows, settings("dpo", base, **options), name="plain")
    path = rows.file("pairs.jsonl")
    pairs = lines(path)
    path.write_text("".join(json.dumps(row | {"objective": "style"}) + "\n" for row in pairs))
    one = train(rows, settings("dpo", base, **options, objectives={"style": 1.0}), name="one")
    assert one.record.report["log"][0]["loss"] == plain.record.report["log"][0]["loss"]
    assert one.record.report["log"][0]["grad_norm"] == pytest.approx(plain.record.report["log"][0]["grad_norm"], rel=1e-6)
    double = train(rows, settings("dpo", base, **options, objectives={"style": 0.5}), name="half")
    assert double.record.report["log"][0]["loss"] == pytest.approx(one.record.report["log"][0]["loss"] / 2, rel=1e-6)
    assert double.record.settings["objectives"] == {"style": 0.5}


@pytest.mark.parametrize("weight", [-1, True, "much"])
def test_a_weight_of_an_objective_is_a_number_from_0(weight):
    with pytest.raises(UsageError, match=r"objectives: style = .*: expected a weight from 0"):
        train_settings("dpo", {}, {"base": "pocket", "objectives": {"style": weight}})


def test_objectives_are_of_preferences():
    with pytest.raises(UsageError, match="objectives: are for dpo and rank, and sft has no preferences"):
        train_settings("sft", {}, {"base": "pocket", "objectives": {"style": 1.0}})


def test_weights_of_0_alone_leave_nothing_to_learn():
    with pytest.raises(UsageError, match="objectives style, content: every weight is 0"):
        train_settings("dpo", {}, {"base": "pocket", "objectives": {"style": 0.0, "content": 0}})
