"""Whole trainings: steps, accumulation, checkpointing, evaluation, logs, resuming, and what is left behind."""

import json
from pathlib import Path

import pytest
import torch
from peft import get_peft_model
from transformers import AutoModelForCausalLM, BatchEncoding
from trl import DPOTrainer

from aloe_hub.training import TreeDPOTrainer, TreeSFTTrainer
from tests.training import tiny_trees as tiny

TIMES = ("runtime", "per_second", "preparation_time", "total_flos")


def weights(trainer):
    return {name: weight.detach().clone() for name, weight in trainer.model.named_parameters() if weight.requires_grad}


def apart(one, other):
    """How far two sets of weights lie apart, as a share of their length."""
    both = [torch.cat([every[name].flatten() for name in one]) for every in (one, other)]
    return float((both[0] - both[1]).norm() / both[0].norm())


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("dpo", {"lora": True, "gradient_checkpointing": True}),
        pytest.param("dpo", {"lora": False}, marks=pytest.mark.torture),
        pytest.param("sft", {"lora": True}, marks=pytest.mark.torture),
        ("sft", {"lora": False, "gradient_checkpointing": True, "gradient_checkpointing_kwargs": {"use_reentrant": True}}),
    ],
    ids=["dpo lora checkpointed", "dpo full", "sft lora", "sft full checkpointed reentrantly"],
)
def test_several_steps_with_accumulation_and_evaluation(both, kind, options):
    plain, tree = both(
        kind,
        per_device_train_batch_size=3,
        gradient_accumulation_steps=2,
        num_train_epochs=3,
        learning_rate=1e-3,
        logging_steps=1,
        eval_strategy="epoch",
        data=(tiny.pairs if kind == "dpo" else tiny.completions)(trees=3),
        more={"eval_dataset": (tiny.pairs if kind == "dpo" else tiny.completions)(trees=2, seed=9)},
        **options,
    )
    before = weights(plain)
    assert apart(before, weights(tree)) == 0
    plain.train()
    tree.train()
    assert plain.state.global_step == 6
    assert apart(before, weights(plain)) > 1e-2
    assert apart(weights(plain), weights(tree)) < 3e-5
    for expected, found in zip(plain.state.log_history, tree.state.log_history, strict=True):
        wanted = {name: value for name, value in expected.items() if not any(time in name for time in TIMES)}
        assert {name: found[name] for name in wanted} == pytest.approx(wanted, rel=1e-4, abs=1e-4)


def test_the_log_counts_the_tokens_of_the_training(trainer):
    ours = trainer(TreeDPOTrainer, lora=True, per_device_train_batch_size=3, num_train_epochs=2, logging_steps=1)
    ours.train()
    logs = [log for log in ours.state.log_history if "tree/tokens" in log]
    assert len(logs) == 4
    assert all(log["tree/tokens_exploded"] == log["num_tokens"] for log in logs)
    first, last = logs[0]["tree/tokens"], logs[-1]["tree/tokens"]
    assert 0 < first < last < logs[-1]["tree/tokens_exploded"]
    assert logs[1]["tree/tokens"] * 2 == last  # two epochs of the same two trees


@pytest.mark.parametrize("kind", [TreeDPOTrainer, TreeSFTTrainer])
def test_a_training_resumed_in_the_middle_of_an_epoch_ends_where_an_uninterrupted_one_does(trainer, kind):
    options = {
        "lora": True,
        "train_sampling_strategy": "random",
        "data": (tiny.pairs if kind is TreeDPOTrainer else tiny.completions)(trees=4),
        "per_device_train_batch_size": 3,
        "num_train_epochs": 2,
        "learning_rate": 1e-2,
        "save_steps": 6,
    }
    whole = trainer(kind, **options)
    whole.train()
    checkpoint = Path(whole.args.output_dir) / "checkpoint-6"  # of 8 steps: in the middle of the second epoch
    resumed = trainer(kind, **options)
    resumed.train(resume_from_checkpoint=str(checkpoint))
    assert resumed.state.global_step == 8
    assert apart(weights(whole), weights(resumed)) < 1e-6


def test_rows_that_are_streamed_are_packed_in_the_order_in_which_they_come(both):
    options = {"lora": True, "max_steps": 2, "learning_rate": 1e-2, "logging_steps": 2}
    plain, tree = both("dpo", data=tiny.pairs(trees=4).to_iterable_dataset(), **options)
    plain.train()
    tree.train()
    assert apart(weights(plain), weights(tree)) < 3e-5
    assert tree.state.log_history[0]["tree/tokens"] < tree.state.log_history[0]["num_tokens"]


def test_evaluation_of_a_dataset_given_later_is_trls(both):
    plain, tree = both("dpo", lora=True, precompute_ref_log_probs=True)
    fresh = tiny.pairs(trees=2, seed=4)
    expected = {name: value for name, value in plain.evaluate(fresh).items() if not any(time in name for time in TIMES)}
    found = tree.evaluate(fresh)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_metrics_computed_from_logits_are_trls(both):
    """`compute_metrics` makes TRL run a second, plain pass for the logits."""
    seen = []

    def record(prediction):
        seen.append(torch.as_tensor(prediction.predictions))
        return {}

    for one in both("sft", lora=True, more={"eval_dataset": tiny.completions(trees=1), "compute_metrics": record}):
        one.evaluate()
    torch.testing.assert_close(*seen)


def test_a_trained_model_saves_loads_and_generates_as_any_other(trainer, tmp_path):
    ours = trainer(TreeSFTTrainer, max_steps=1)
    ours.train()
    ours.save_model(str(tmp_path / "saved"))
    assert "aloe" not in json.dumps(json.loads((tmp_path / "saved/config.json").read_text()))
    prompt = tiny.tokenizer().apply_chat_template([{"role": "user", "content": "w1 w2"}], return_tensors="pt", return_dict=True)
    assert isinstance(prompt, BatchEncoding)
    fresh = AutoModelForCausalLM.from_pretrained(tmp_path / "saved")
    assert fresh.config._attn_implementation == "sdpa"
    mine, its = (one.eval().generate(**prompt, max_new_tokens=8, do_sample=False) for one in (ours.model, fresh))
    assert torch.equal(mine, its)


def test_sft_then_dpo_on_one_model_in_one_process(trainer):
    first = trainer(TreeSFTTrainer, made=get_peft_model(tiny.model(), tiny.lora()), max_steps=1, learning_rate=1e-2)
    first.train()
    once_more = {name: weight.detach().clone() for name, weight in first.model.state_dict().items()}
    tree = trainer(TreeDPOTrainer, made=first.model)
    plain_model = get_peft_model(tiny.model(), tiny.lora())
    plain_model.load_state_dict(once_more)
    tiny.assert_same(trainer(DPOTrainer, made=plain_model), tree)
