"""`aloe train rank --set loss_type=cut`: what a judge said of replies, from the trees of a run to an adapter."""

import json

import pytest

from aloe_hub.errors import DataError, UsageError
from aloe_hub.training.objectives import criticised_rows, told_rows
from aloe_hub.training.row_form import training_row
from aloe_hub.training.settings import train_settings
from aloe_hub.training.train import train
from tests.training.small import (  # noqa: F401 - fixtures
    a_base,
    a_grown_run,
    needs_fused,
    rows_to_train_on,
    settings,
)
from tests.training.test_objectives import a_run_whose_judge_gave_scores, lines  # noqa: F401 - fixtures


def test_a_reply_that_is_not_the_best_has_what_the_judge_said_of_it(scored):
    rows, origin = criticised_rows(scored, None, None)
    said = {
        reply["text"]: reply["judgement"]
        for tree in lines(scored.file("trees.jsonl"))
        for turn in tree["turns"]
        for reply in turn["replies"]
    }
    assert origin["run"] == scored.path.name
    for row in rows:
        texts = [reply[0]["content"] for reply in row["completions"]]
        expected = [None if rank == 1 else said[text] for rank, text in zip(row["ranks"], texts, strict=True)]
        assert row["criticisms"] == expected
    assert any("Faults:" in text for row in rows for text in row["criticisms"] if text)


def test_the_rows_that_are_read_twice_differ_in_the_last_message_alone(scored):
    rows, _ = criticised_rows(scored, None, 3)
    again = list(told_rows(rows))
    assert len(again) == sum(text is not None for row in rows for text in row["criticisms"])
    row = next(row for row in rows if any(row["criticisms"]))
    text = next(filter(None, row["criticisms"]))
    assert again[0]["prompt"][:-1] == row["prompt"][:-1]
    assert again[0]["prompt"][-1]["content"].startswith(row["prompt"][-1]["content"])
    assert text in again[0]["prompt"][-1]["content"]


def test_rows_of_your_own_may_bring_them(rows):
    ranked = lines(rows.file("ranked.jsonl"))
    ranked[0]["criticisms"] = ["Too long.", None, "Not an answer."]
    rows.file("ranked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ranked))
    found, _ = criticised_rows(rows, None, None)
    assert [row["criticisms"] for row in found] == [["Too long.", None, "Not an answer."]]  # of the others nothing is said
    assert len(list(told_rows(found))) == 2
    ranked[0]["criticisms"] = [None, None, None]
    rows.file("ranked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ranked))
    with pytest.raises(DataError, match="the judge says nothing of any reply"):
        criticised_rows(rows, None, None)


def test_trees_whose_replies_were_compared_have_no_words_about_single_replies(rows):
    for _ in range(2):
        with pytest.raises(DataError, match=r"the judge says nothing of any reply .*does: aloe trees --rank-by scores"):
            criticised_rows(rows, None, None)
        rows.file("ranked.jsonl").unlink(missing_ok=True)  # as in a run of two replies a fork, which has none


@needs_fused
def test_a_training_learns_from_them_and_its_length_holds_what_is_told(scored, base):
    chosen = settings("rank", base, max_steps=2, limit=4, eval_share=0.5, batch_size=4, loss_type="cut")
    report = train(scored, chosen, name="cut").record.report
    assert 0 <= report["log"][0]["cut/at_fault"] <= 1
    assert report["ranking_accuracy"]["pairs"] > 0
    rows, _ = criticised_rows(scored, None, 4)
    longest = max(sum(len(message["content"]) for message in row["prompt"]) for row in told_rows(rows))
    assert report["max_length"] > longest / 20


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"objectives": {"style": 1.0}}, "objectives: loss_type cut reads what the judge said in words"),
        ({"allow_truncation": True}, "--allow-truncation: loss_type cut compares a reply after two prompts"),
    ],
)
def test_what_has_no_place_in_it_is_refused(given, said):
    with pytest.raises(UsageError, match=said):
        train_settings("rank", {}, {"base": "pocket", "loss_type": "cut", **given})


@pytest.mark.parametrize("criticisms", [["Too long."], [None, ""], [None, 3], "no", 5])
def test_a_criticism_is_a_text_or_none_for_each_reply(criticisms):
    said = [[{"role": "assistant", "content": text}] for text in ("Rugosa.", "Tulips.")]
    row = {"prompt": [{"role": "user", "content": "Which rose?"}], "completions": said, "ranks": [1, 2]}
    with pytest.raises(ValueError, match="criticisms: expected a text or null for each of 2 replies"):
        training_row(row | {"criticisms": criticisms}, "rank")
