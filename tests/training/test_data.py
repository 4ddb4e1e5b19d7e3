"""Training rows: where they come from, which are set aside, and what the tokenizer makes of them."""

import json
import re
from typing import Any

import pytest
from datasets import Dataset
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.loading import write_chats_with
from aloe_hub.source import Source
from aloe_hub.training.base import Base
from aloe_hub.training.control_tokens import ControlTokens
from aloe_hub.training.data import load_rows, measure, split, tokenised, tree_of
from aloe_hub.types import Tree
from tests.training import tiny_trees as tiny
from tests.training.small import a_grown_run, rows_to_train_on  # noqa: F401 - fixtures

USER, ASSISTANT = {"role": "user", "content": "w1 w2"}, {"role": "assistant", "content": "w3"}
PAIR = {"tree_id": "t", "turn": 0, "prompt": [USER], "chosen": [ASSISTANT], "rejected": [ASSISTANT]}


def base_of(tokenizer, positions=None):
    return Base(Source("base"), tokenizer, positions, frozenset([tokenizer.eos_token_id]))


def measured(rows, tokenizer, method="dpo", **options):
    return measure(rows, method, base_of(tokenizer, options.pop("positions", None)), **{"max_length": None} | options)


def lengths(rows, tokenizer, method):
    """Of each prompt with each of its completions."""
    return [len(whole) for row in rows for whole in list(tokenised(row, method, base_of(tokenizer)))[1:]]


def test_rows_of_a_run_are_read_whole_and_named_by_their_content(rows):
    found, source = load_rows(rows, None, "dpo")
    assert len(found) == len(rows.file("pairs.jsonl").read_text().splitlines()) > 20
    assert source.keys() == {"run", "sha256"}
    before = source["sha256"]
    rows.file("pairs.jsonl").write_text(rows.file("pairs.jsonl").read_text().replace("a", "e", 1))
    assert load_rows(rows, None, "dpo")[1]["sha256"] != before


def test_a_limit_takes_whole_trees(rows):
    every, few = load_rows(rows, None, "sft")[0], load_rows(rows, None, "sft", 3)[0]
    assert len(set(map(tree_of, few))) == 3
    assert few == [row for row in every if tree_of(row) in set(map(tree_of, few))]


def test_a_run_without_rows_says_how_to_make_them(tmp_path):
    with pytest.raises(DataError, match=r"sft.jsonl: no such file; grow the trees first: aloe trees --run"):
        load_rows(RunFolder(tmp_path), None, "sft")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"chosen": None}, "chosen: expected messages, found None"),
        ({"prompt": []}, r"prompt: expected messages, found \[\]"),
        ({"prompt": "Hello"}, "prompt: expected messages, found 'Hello'"),
        ({"rejected": [{"role": "assistant", "content": "  "}]}, "rejected: a message of the assistant without text: '  '"),
        ({"rejected": [{"role": "assistant", "content": None}]}, "without text: None"),
        ({"chosen": [USER]}, "chosen: expected one message of the role 'assistant'"),
        ({"chosen": [ASSISTANT, ASSISTANT]}, "chosen: expected one message"),
        ({"prompt": [USER, ASSISTANT]}, "prompt: ends with the role 'assistant', expected 'user'"),
        ({"prompt": [{"role": "human", "content": "Hi"}]}, "expected a message of the role system, user, assistant"),
    ],
)
def test_a_row_that_teaches_nothing_is_refused_with_its_line(tmp_path, change, message):
    (tmp_path / "pairs.jsonl").write_text(json.dumps(PAIR) + "\n" + json.dumps(PAIR | change) + "\n")
    with pytest.raises(DataError, match=message) as caught:
        load_rows(RunFolder(tmp_path), None, "dpo")
    assert "pairs.jsonl, line 2" in str(caught.value)


def test_a_missing_column_is_named(tmp_path):
    (tmp_path / "pairs.jsonl").write_text(json.dumps({"prompt": [USER], "chosen": [ASSISTANT]}) + "\n")
    with pytest.raises(DataError, match="line 1: the row has no 'rejected'"):
        load_rows(RunFolder(tmp_path), None, "dpo")


@pytest.mark.parametrize(("trees", "share", "aside"), [(10, 0.05, 0), (10, 0.1, 1), (21, 0.01, 1), (21, 0.0, 0), (100, 0.05, 5)])
def test_a_share_of_whole_trees_is_set_aside(trees, share, aside):
    made = tiny.rows(trees=trees, turns=3)
    kept, measured_on = split(made, share)
    assert len(set(map(tree_of, measured_on))) == aside
    assert len(measured_on) == 3 * aside
    assert not set(map(tree_of, kept)) & set(map(tree_of, measured_on))
    assert sorted(map(repr, kept + measured_on)) == sorted(map(repr, made))


@pytest.mark.parametrize("name", ["profile_id", "persona_id"])
def test_no_profile_is_on_both_sides(name):
    made = [row | {name: f"person {row['tree_id'][-1]}"} for row in tiny.rows(trees=100, turns=2)]
    kept, measured_on = split(made, 0.2)
    here, there = ({row[name] for row in part} for part in (kept, measured_on))
    assert not here & there
    assert len(there) == round(0.2 * len(here | there)) == 2
    assert len(set(map(tree_of, measured_on))) == 20


def test_a_row_of_a_run_knows_the_profile_that_it_is_set_aside_by(rows, grown):
    found, _ = load_rows(rows, None, "dpo")
    trees = read_rows(grown / "trees.jsonl", Tree.from_row)
    profiles = {tree.persona.persona_id: tree.persona.profile_id for tree in trees}
    assert all(row["profile_id"] == profiles[row["persona_id"]] for row in found)


def test_never_is_every_profile_set_aside():
    assert len(split(tiny.rows(trees=1), 0.9)[0]) == 3


@pytest.mark.parametrize("template", tiny.TEMPLATES)
def test_rows_are_as_long_as_trl_makes_them(template, tmp_path):
    made, tokenizer = tiny.rows(trees=2, turns=4), tiny.tokenizer(template)
    sft = [{"tree_id": row["tree_id"], "turn": row["turn"], "prompt": row["prompt"], "completion": row["chosen"]} for row in made]
    options: dict[str, Any] = {"max_length": None, "use_cpu": True, "bf16": False, "report_to": "none"}
    seen = DPOTrainer(
        tiny.model(), args=DPOConfig(str(tmp_path), **options), train_dataset=tiny.pairs(2, 4), processing_class=tokenizer,
        peft_config=tiny.lora(),
    ).train_dataset  # fmt: skip
    assert isinstance(seen, Dataset)
    wholes = [len(row["prompt_ids"]) + len(row[f"{side}_ids"]) for row in seen for side in ("chosen", "rejected")]
    found = measured(made, tokenizer)
    assert lengths(made, tokenizer, "dpo") == wholes
    assert (found.longest, found.cut, found.broken) == (max(wholes), 0, 0)
    seen = SFTTrainer(
        tiny.model(), args=SFTConfig(str(tmp_path), **options), train_dataset=tiny.completions(2, 4), processing_class=tokenizer
    ).train_dataset
    assert isinstance(seen, Dataset)
    found = measured(sft, tokenizer, "sft")
    assert lengths(sft, tokenizer, "sft") == list(map(len, seen["input_ids"]))
    assert found.longest == max(map(len, seen["input_ids"]))
    # The token that ends a turn is among those that are trained.
    assert all(tokenizer.eos_token_id in [label for label in row["labels"] if label != -100] for row in seen)


def test_a_row_that_would_be_cut_stops_the_run_by_its_name():
    made, tokenizer = tiny.rows(trees=2, turns=4), tiny.tokenizer()
    longest = measured(made, tokenizer).longest
    with pytest.raises(
        DataError, match=rf"tree tree\d, turn 3: has {longest} tokens, more than --max-length {longest - 1}, as have 0"
    ):
        measured(made, tokenizer, max_length=longest - 1)
    with pytest.raises(DataError, match=rf"more than the {longest - 1} tokens that base takes"):
        measured(made, tokenizer, positions=longest - 1)
    assert measured(made, tokenizer, max_length=longest, positions=longest).cut == 0


def test_more_tokens_than_the_model_takes_are_refused():
    with pytest.raises(UsageError, match="--max-length 100: base takes 50 tokens"):
        measured(tiny.rows(), tiny.tokenizer(), max_length=100, positions=50)


def test_with_leave_rows_are_cut_and_counted_as_trl_does_it(tmp_path):
    made, tokenizer = tiny.rows(trees=3, turns=4), tiny.tokenizer()
    found = measured(made, tokenizer, max_length=44, allow_truncation=True)
    options: dict[str, Any] = {"max_length": 44, "use_cpu": True, "bf16": False, "report_to": "none"}
    left = DPOTrainer(
        tiny.model(), args=DPOConfig(str(tmp_path), **options), train_dataset=tiny.pairs(3, 4), processing_class=tokenizer,
        peft_config=tiny.lora(),
    ).train_dataset  # fmt: skip
    assert isinstance(left, Dataset)
    assert 0 < found.dropped == len(made) - len(left) < found.cut
    assert found.longest == 44


def test_prompts_that_all_fill_the_length_leave_nothing_to_train_on():
    with pytest.raises(DataError, match="every prompt alone fills it"):
        measured(tiny.rows(), tiny.tokenizer(), max_length=3, allow_truncation=True)


def test_a_template_that_ends_no_reply_is_refused(tmp_path):
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace("<|eot_id|>", "{% if not loop.last %}<|eot_id|>{% endif %}")
    with pytest.raises(DataError, match="would never learn to stop: its chat template ends a reply with"):
        measured(tiny.rows(), tokenizer)


def test_a_template_that_refuses_a_conversation_names_the_row():
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(DataError, match=r"tree tree0, turn 0: the chat template of base refuses .*roles must alternate"):
        measured(tiny.rows(), tokenizer)


def test_a_prompt_that_is_not_how_its_whole_begins_is_counted():
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = tokenizer.chat_template.replace(
        "assistant<|end_header_id|>\n\n{% endif", "assistant<think>{% endif"
    )
    assert measured(tiny.rows(trees=1, turns=2), tokenizer).broken == 4  # two pairs, chosen and rejected


# --- text is never structure


def test_a_text_that_holds_a_control_token_is_refused_by_name_or_cleaned():
    tokenizer = tiny.tokenizer()
    end = tokenizer.eos_token
    marked = PAIR | {"chosen": [{"role": "assistant", "content": f"w3 {end} w4"}]}
    with pytest.raises(DataError, match=re.escape(f"tree t, turn 0: the text of the assistant holds {end!r}, which base reads")):
        measured([PAIR, marked], tokenizer)
    forged = PAIR | {"prompt": [{"role": "user", "content": f"w1{end}"}]}
    with pytest.raises(DataError, match="the text of the user holds"):
        measured([forged], tokenizer)
    kept, changed = ControlTokens(tokenizer).cleaned([PAIR, marked, forged])
    assert (len(kept), changed, kept[0]) == (3, 2, PAIR)
    assert measured(kept, tokenizer).cut == 0


def test_what_is_left_of_a_text_may_not_make_up_another_token_and_an_empty_row_goes():
    tokenizer = tiny.tokenizer()
    end = tokenizer.eos_token
    nested = PAIR | {"prompt": [{"role": "user", "content": f"w1 {end[:2]}{end}{end[2:]} w2"}]}
    empty = PAIR | {"prompt": [{"role": "user", "content": end}]}
    kept, changed = ControlTokens(tokenizer).cleaned([nested, empty])
    assert ([row["prompt"][0]["content"] for row in kept], changed) == (["w1  w2"], 2)


def test_half_an_emoji_in_a_row_is_named_with_its_line(tmp_path):
    row = PAIR | {"prompt": [{"role": "user", "content": "half \ud83d"}]}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(DataError, match=r"pairs\.jsonl, line 1: prompt: not valid Unicode in the text of the user"):
        load_rows(RunFolder(tmp_path), None, "dpo")


# --- what a template is told


def thinking(tokenizer):
    """Qwen3's way: an empty block of thoughts before the last reply, and into a prompt only where thinking is turned off."""
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role + ' ' }}{% if m.role == 'assistant' and loop.last %}w8 w9 {% endif %}{{ m.content }}"
        "{{ eos_token if m.role == 'assistant' else ' ' }}{% endfor %}"
        "{% if add_generation_prompt %}assistant {% if enable_thinking is defined and not enable_thinking %}w8 w9 {% endif %}"
        "{% endif %}"
    )
    return tokenizer


def test_what_is_trained_and_not_asked_with_is_counted_and_a_template_can_be_told_otherwise(tmp_path):
    tokenizer = thinking(tiny.tokenizer())
    found = measured([PAIR], tokenizer)
    assert (found.unasked, found.before.strip(), found.broken) == (2, "w8 w9", 0)
    write_chats_with(tokenizer, {"enable_thinking": False})
    assert measured([PAIR], tokenizer).unasked == 0
    args = SFTConfig(output_dir=str(tmp_path), report_to="none", use_cpu=True)
    row = {"prompt": [USER], "completion": [ASSISTANT]}
    trainer = SFTTrainer(tiny.model(), args, train_dataset=Dataset.from_list([row]), processing_class=tokenizer)
    assert isinstance(trainer.train_dataset, Dataset)
    (ids,) = trainer.train_dataset["input_ids"]
    assert list(ids) == tokenizer.apply_chat_template([USER, ASSISTANT], return_dict=False)
