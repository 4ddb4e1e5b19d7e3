"""The names of TRL and transformers that training on trees leans on, though nobody promises them. When one changes, this fails.

TRL's range ends before the first version whose names nobody has read (pyproject.toml). Before it is widened, read
aloe_hub/training/tree/trainers.py and forward.py, and run `make compat`.
"""

import dataclasses
import inspect

import pytest
import torch
import trl
from transformers import PreTrainedModel, Trainer
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from trl import DPOConfig, DPOTrainer, GRPOTrainer, SFTTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling
from trl.trainer.utils import FusedCausalLMOutput, add_fused_lm_head

from aloe_hub.training.tree.batch import _COLUMNS
from tests.training import tiny_trees as tiny


def test_trl_is_the_one_that_was_read():
    assert trl.__version__.startswith(("1.15.", "1.16."))


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (DPOTrainer.compute_loss, "self model inputs return_outputs num_items_in_batch"),
        (SFTTrainer.compute_loss, "self model inputs return_outputs num_items_in_batch"),
        (DPOTrainer.compute_ref_log_probs, "self model inputs"),
        (DPOTrainer._compute_loss, "self model inputs return_outputs"),
        (DPOTrainer._prepare_dataset, "self dataset processing_class args dataset_name"),
        (DPOTrainer._set_signature_columns_if_needed, "self"),
        (DPOTrainer._precompute_ref_logps, "self dataset name batch_size"),
        (Trainer._get_train_sampler, "self train_dataset"),
        (GRPOTrainer._get_train_sampler, "self dataset"),
        (GRPOTrainer._generate_and_score_completions, "self inputs"),
        (GRPOTrainer._generate_single_turn, "self prompt_ids images multimodal_fields num_generations has_tool_images"),
        (GRPOTrainer._calculate_rewards, "self inputs prompts completions completion_ids_list"),
        (GRPOTrainer._compute_loss, "self model inputs"),
        (add_fused_lm_head, "model temperature cast_lm_head_to_fp32 outputs"),
        (sdpa_attention_forward, "module query key value attention_mask dropout scaling is_causal position_bias cache kwargs"),
        (repeat_kv, "hidden_states n_rep"),
        (PreTrainedModel.set_attn_implementation, "self attn_implementation allow_all_kernels"),
    ],
    ids=lambda value: getattr(value, "__qualname__", None),
)
def test_signatures(function, names):
    assert list(inspect.signature(function).parameters) == names.split()


def test_trls_fused_head_takes_shifted_labels_and_returns_these_fields():
    model = tiny.model()
    add_fused_lm_head(model)
    names = inspect.signature(model.forward, follow_wrapped=False).parameters
    assert {"fused_lm_head", "labels", "shift_labels"} <= names.keys()
    assert [field.name for field in dataclasses.fields(FusedCausalLMOutput)] == [
        "loss", "log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1", "label_mask", "aux_loss",
    ]  # fmt: skip
    found = model(input_ids=torch.tensor([[1, 2, 3]]), shift_labels=torch.tensor([[2, -100, 4]]), fused_lm_head=True)
    assert found.log_probs.shape == (1, 3)


def test_trls_collators_return_the_columns_that_are_known():
    pair = {"prompt_ids": [1, 2], "chosen_ids": [3], "rejected_ids": [4], "ref_chosen_logps": 0.0, "ref_rejected_logps": 0.0}
    preferences = DataCollatorForPreference(pad_token_id=0)([pair])
    completions = DataCollatorForLanguageModeling(pad_token_id=0)([{"input_ids": [1, 2], "labels": [-100, 2]}])
    assert preferences.keys() | completions.keys() == _COLUMNS


def test_what_the_trainers_find_set_up(trainer):
    made = trainer(DPOTrainer, lora=True), trainer(SFTTrainer, lora=True)
    for one in made:
        assert {"train", "eval"} == one._metrics.keys()
        assert one._is_vision_dataset is False
        assert one.aux_loss_enabled is False
        assert one._train_batch_size == 4
        assert one.accelerator.parallelism_config is None
    assert made[0].ref_model is None
    found = {name: getattr(made[0], name) for name in ("loss_types", "loss_weights", "f_divergence_type", "ld_alpha")}
    assert found == {"loss_types": ["sigmoid"], "loss_weights": [1.0], "f_divergence_type": "reverse_kl", "ld_alpha": None}
    found = {name: getattr(made[0], name) for name in ("use_weighting", "precompute_ref_logps", "label_smoothing", "beta")}
    assert found == {"use_weighting": False, "precompute_ref_logps": False, "label_smoothing": 0.0, "beta": 0.1}
    assert (made[0]._tokenizer.pad_token_id, made[0]._tp_size, made[0]._total_train_tokens) == (0, 1, 0)
    assert made[1].padding_free is False
    assert made[1].label_smoother is None


def test_trls_defaults_that_decide_whether_trees_are_packed():
    defaults = {field.name: field.default for field in dataclasses.fields(DPOConfig)}
    assert defaults["disable_dropout"] is True
    assert defaults["train_sampling_strategy"] == "random"
