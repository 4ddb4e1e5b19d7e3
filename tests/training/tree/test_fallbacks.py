"""Where one pass cannot be exact, the trainers say so once and train as TRL."""

import pytest
import torch
from peft import PromptTuningConfig, get_peft_model
from transformers import BloomConfig, BloomForCausalLM, LlamaForCausalLM, LlamaModel, MambaConfig, MambaForCausalLM
from trl import DPOTrainer, SFTTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference

from aloe_hub.training import TreeDPOTrainer, TreeSFTTrainer
from aloe_hub.training.tree.batch import TreeCollator
from aloe_hub.training.tree.exactness import adapter_obstacle, dropouts, model_obstacle
from aloe_hub.training.tree.trainers import causal_lm_of
from tests.training import tiny_trees as tiny

WORDS = len(tiny.tokenizer())


def said(caplog):
    return [record.getMessage() for record in caplog.records if record.name.startswith("aloe_hub.")]


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_nothing_stands_in_the_way_of_the_families(family):
    for attention in ("sdpa", "eager"):
        assert model_obstacle(tiny.model(family, attention=attention)) is None


def with_config(**values):
    found = tiny.model()
    for name, value in values.items():
        setattr(found.config, name, value)
    return found


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (lambda: with_config(_attn_implementation="flash_attention_2"), "its attention is 'flash_attention_2'"),
        (lambda: with_config(layer_types=["chunked_attention", "full_attention"]), "than attention (chunked_attention)"),
        (lambda: with_config(rope_parameters={"rope_type": "dynamic"}), "depends on the length of the longest row"),
        (lambda: with_config(is_causal=False), "does not attend causally"),
        (lambda: with_config(router_jitter_noise=0.1), "its router adds noise"),
        (lambda: MambaForCausalLM(MambaConfig(vocab_size=9, hidden_size=8, num_hidden_layers=1)), "attention (linear_attention)"),
        (lambda: BloomForCausalLM(BloomConfig(vocab_size=9, hidden_size=8, n_layer=1, n_head=2)), "takes no position ids"),
    ],
    ids=["flash", "chunked", "dynamic rope", "not causal", "jitter", "mamba", "alibi"],
)
def test_models_that_one_pass_could_get_wrong(made, reason):
    assert reason in (model_obstacle(made()) or "")


def test_adapters_that_add_tokens_or_look_at_them():
    assert adapter_obstacle(get_peft_model(tiny.model(), tiny.lora())) is None
    prompts = get_peft_model(tiny.model(), PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM"))
    assert "'default' is of the kind PROMPT_TUNING" in (adapter_obstacle(prompts) or "")
    switched = get_peft_model(tiny.model(), tiny.lora(alora_invocation_tokens=[4, 5]))
    assert "switched on by tokens" in (adapter_obstacle(switched) or "")


def test_dropouts_are_found_where_trl_does_not_turn_them_off():
    assert dropouts(tiny.model()) == []
    assert dropouts(tiny.model(attention_dropout=0.1)) == [f"model.layers.{n}.self_attn.attention_dropout" for n in (0, 1)]
    names = dropouts(get_peft_model(tiny.model(), tiny.lora(lora_dropout=0.1)))
    assert names
    assert all(".lora_dropout." in name for name in names)


def assert_plain(ours, plain, caplog, reason):
    """One line that names the reason, TRL's own collator and order, TRL's own numbers."""
    assert [reason in line for line in said(caplog)] == [True]
    expected, metrics = tiny.passes(plain)
    found, its = tiny.passes(ours)
    assert [loss for loss, _ in found] == [loss for loss, _ in expected]
    assert all(torch.equal(one, other) for (_, one), (_, other) in zip(found, expected, strict=True))
    assert {name: its[name] for name in metrics} == metrics
    assert len(said(caplog)) == 1


@pytest.mark.parametrize(
    ("kind", "options", "reason"),
    [
        ("dpo", {"lora": True, "neftune_noise_alpha": 5.0}, "trains as plain TRL: neftune_noise_alpha"),
        ("dpo", {"lora": True, "torch_compile": True}, "trains as plain TRL: torch_compile"),
        ("dpo", {"made": lambda: BloomForCausalLM(bloom())}, "trains as plain TRL: BloomForCausalLM takes no position ids"),
        ("sft", {"lora": True, "label_smoothing_factor": 0.1}, "label_smoothing_factor read the logits"),
        ("sft", {"lora": True, "padding_free": True, "max_length": None}, "packing and padding_free"),
        ("sft", {"lora": True, "packing": True, "packing_strategy": "wrapped", "max_length": 16}, "packing and padding_free"),
        ("sft", {"made": lambda: get_peft_model(tiny.model(), prompt_tuning())}, "'default' is of the kind PROMPT_TUNING"),
    ],
    ids=["neftune", "compile", "alibi", "label smoothing", "padding free", "packing", "prompt tuning"],
)
def test_they_say_so_once_and_are_trl(both, caplog, kind, options, reason):
    if kind == "dpo" and "made" in options:
        options = {**options, "more": {"ref_model": BloomForCausalLM(bloom())}}
    plain, ours = both(kind, **options)
    assert not isinstance(ours.data_collator, TreeCollator)
    if "neftune_noise_alpha" not in options and "torch_compile" not in options:  # those are not the same twice
        assert_plain(ours, plain, caplog, reason)
    assert [reason in line for line in said(caplog)] == [True]


def bloom():
    torch.manual_seed(0)
    return BloomConfig(vocab_size=WORDS, hidden_size=16, n_layer=1, n_head=2, hidden_dropout=0.0, attention_dropout=0.0)


def prompt_tuning():
    torch.manual_seed(0)
    return PromptTuningConfig(num_virtual_tokens=2, task_type="CAUSAL_LM")


@pytest.mark.parametrize(("lora", "attention"), [(0.2, 0.0), (0.0, 0.2)])
def test_dropout_stops_dpo_from_packing(trainer, caplog, lora, attention):
    made = get_peft_model(tiny.model(attention_dropout=attention), tiny.lora(lora_dropout=lora))
    trainer(TreeDPOTrainer, made=made, disable_dropout=False)
    assert ["and a pair would share it" in line for line in said(caplog)] == [True]


def test_dropout_that_dpo_turns_off_is_no_obstacle(trainer, caplog):
    trainer(TreeDPOTrainer, made=get_peft_model(tiny.model(), tiny.lora(lora_dropout=0.2)))
    assert said(caplog) == []


def test_sft_packs_with_the_dropout_of_lora_and_says_what_that_means(trainer, caplog):
    ours = trainer(TreeSFTTrainer, made=get_peft_model(tiny.model(), tiny.lora(lora_dropout=0.2)), per_device_train_batch_size=6)
    assert isinstance(ours.data_collator, TreeCollator)
    assert ["the same loss in expectation only" in line for line in said(caplog)] == [True]
    without = trainer(SFTTrainer, made=get_peft_model(tiny.model(), tiny.lora()), per_device_train_batch_size=6)
    first, second, expected = (tiny.passes(one)[0][0][0] for one in (ours, ours, without))
    assert first != second  # it is on
    assert first == pytest.approx(expected, rel=0.2)


def test_attention_dropout_stops_sft_from_packing(trainer, caplog):
    trainer(TreeSFTTrainer, made=tiny.model(attention_dropout=0.2))
    assert ["dropout is on (model.layers.0.self_attn.attention_dropout)" in line for line in said(caplog)] == [True]


class _CountsSlots(LlamaModel):
    """A backbone that looks at a token's place in the tensor, which nothing outside shows."""

    def forward(self, input_ids=None, position_ids=None, inputs_embeds=None, **kwargs):
        inputs_embeds = self.embed_tokens(input_ids) + 0.1 * torch.arange(input_ids.shape[1])[None, :, None]
        return super().forward(inputs_embeds=inputs_embeds, position_ids=position_ids, **kwargs)


@pytest.mark.parametrize("kind", ["dpo", "sft"])
def test_what_cannot_be_seen_from_outside_is_found_in_the_first_batch(both, caplog, kind):
    def made():
        found = tiny.model()
        assert isinstance(found, LlamaForCausalLM)
        found.model.__class__ = _CountsSlots
        return get_peft_model(found, tiny.lora())

    plain, ours = both(kind, made=made)
    assert said(caplog) == []
    expected, _ = tiny.passes(plain)
    found, metrics = tiny.passes(ours)
    assert [loss for loss, _ in found] == [loss for loss, _ in expected]
    assert ["in the first batch, one pass and a plain pass differ by" in line for line in said(caplog)] == [True]
    assert metrics["tree/tokens"] == metrics["tree/tokens_exploded"]  # what was processed


def test_a_reference_that_cannot_be_packed_runs_row_by_row(both, caplog):
    reference = lambda: {"ref_model": BloomForCausalLM(bloom()).requires_grad_(False)}  # noqa: E731
    plain, ours = both("dpo", made=lambda: get_peft_model(tiny.model(), tiny.lora()), more=reference())
    assert ["runs the reference model row by row: BloomForCausalLM" in line for line in said(caplog)] == [True]
    tiny.assert_same(plain, ours)


def test_a_collator_of_ones_own_is_used_as_it_is(both, caplog):
    class WithPositions(DataCollatorForPreference):
        def torch_call(self, examples):
            batch = super().torch_call(examples)
            return {**batch, "position_ids": (batch["attention_mask"].cumsum(1) - 1).clamp(min=0)}

    plain, ours = both("dpo", lora=True, more={"data_collator": WithPositions(pad_token_id=0)})
    assert said(caplog) == []
    expected, found = tiny.passes(plain)[0], tiny.passes(ours)[0]
    assert [loss for loss, _ in found] == [loss for loss, _ in expected]
    assert ["processes a batch row by row" in line for line in said(caplog)] == [True]


def test_no_tree_is_trl(trainer, caplog):
    ours = trainer(TreeDPOTrainer, lora=True, tree=False)
    assert isinstance(ours.data_collator, DataCollatorForPreference)
    assert causal_lm_of(ours.model).config._attn_implementation == "sdpa"
    assert said(caplog) == []
    expected, metrics = tiny.passes(trainer(DPOTrainer, lora=True))
    found, its = tiny.passes(ours)
    assert [loss for loss, _ in found] == [loss for loss, _ in expected]
    assert its == metrics
