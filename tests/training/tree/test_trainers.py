"""TreeDPOTrainer and TreeSFTTrainer beside TRL's own, in float32: the same losses, gradients, metrics and steps."""

import re

import pytest
import torch
from peft import get_peft_model
from trl import DPOTrainer

from tests.training import tiny_trees as tiny
from tests.training.tiny_trees import assert_same

LOSSES = ["sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired"]
LOSSES += ["apo_zero", "apo_down", "discopop", "sft", "sigmoid_norm"]


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("family", tiny.FAMILIES)
@pytest.mark.parametrize("kind", ["dpo", "sft"])
def test_one_pass_is_trl_on_every_family(both, kind, family, lora):
    assert_same(*both(kind, family=family, lora=lora))


@pytest.mark.filterwarnings("ignore:The following .* keys did not match")  # PEFT, on a model whose experts it does not adapt
@pytest.mark.parametrize("kind", ["dpo", "sft"])
def test_one_pass_is_trl_on_a_mixture_of_experts_without_its_auxiliary_loss(both, kind):
    assert_same(*both(kind, family="Mixtral", lora=True, router_aux_loss_coef=0.0))


@pytest.mark.parametrize("options", [{"bf16": True}, {"made": lambda: tiny.model().bfloat16()}], ids=["autocast", "weights"])
def test_in_bfloat16_the_two_differ_by_rounding(both, caplog, options):
    plain, tree = both("sft", **options)
    (expected, _), (found, metrics) = tiny.passes(plain), tiny.passes(tree)
    assert [loss for loss, _ in found] == pytest.approx([loss for loss, _ in expected], rel=2e-2)
    assert metrics["tree/tokens"] < metrics["tree/tokens_exploded"]
    assert not [record for record in caplog.records if record.name.startswith("aloe_hub.")]


def test_every_loss_of_trl_is_listed_here(trainer):
    unknown = trainer(DPOTrainer, lora=True, loss_type="none")
    with pytest.raises(ValueError, match="Unknown loss type") as refused:
        tiny.passes(unknown)
    assert re.findall(r"'(\w+)'", str(refused.value)) == LOSSES


@pytest.mark.parametrize("loss", LOSSES)
def test_every_dpo_loss(both, loss):
    assert_same(*both("dpo", lora=True, loss_type=loss, label_smoothing=0.1))


@pytest.mark.parametrize("divergence", ["forward_kl", "js_divergence", "alpha_divergence"])
def test_every_divergence(both, divergence):
    assert_same(*both("dpo", lora=True, f_divergence_type=divergence, f_alpha_divergence_coef=0.5, beta=0.3))


@pytest.mark.parametrize(
    "options",
    [
        {"loss_type": ["sigmoid", "sft", "bco_pair"], "loss_weights": [0.8, 0.2, 1.0]},
        {"ld_alpha": 0.4},
        {"use_weighting": True},
        {"max_length": 30, "truncation_mode": "keep_start"},
        {"max_length": 30, "truncation_mode": "keep_end"},
        {"pad_to_multiple_of": 16},
        {"dataloader_num_workers": 1},
        {"per_device_train_batch_size": 1},
        {"per_device_train_batch_size": 6},
    ],
    ids=str,
)
def test_dpo_options(both, options):
    assert_same(*both("dpo", lora=True, **options))


@pytest.mark.parametrize(
    "options",
    [
        {"loss_type": "dft"},
        {"completion_only_loss": False},
        {"max_length": 24, "truncation_mode": "keep_start"},
        {"max_length": 24, "truncation_mode": "keep_end"},
        {"pad_to_multiple_of": 16},
        {"per_device_train_batch_size": 6},
    ],
    ids=str,
)
def test_sft_options(both, options):
    assert_same(*both("sft", lora=True, **options))


@pytest.mark.parametrize("template", tiny.TEMPLATES)
@pytest.mark.parametrize("kind", ["dpo", "sft"])
def test_every_chat_template(both, kind, template):
    assert_same(*both(kind, lora=True, template=template))


def test_a_template_that_rewrites_history_is_exact_and_shares_less(both):
    data = tiny.pairs(trees=1, turns=5)
    plain = assert_same(*both("dpo", lora=True, data=data, template="qwen", per_device_train_batch_size=5))
    rewritten = assert_same(*both("dpo", lora=True, data=data, template="thinking", per_device_train_batch_size=5))
    assert plain["tree/tokens"] < rewritten["tree/tokens"]


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize(
    ("family", "settings"),
    [
        ("Mistral", {"sliding_window": 7}),
        ("Qwen2", {"use_sliding_window": True, "sliding_window": 7, "max_window_layers": 1}),
    ],
)
def test_sliding_windows(both, family, settings, attention):
    assert_same(*both("sft", made=lambda: tiny.model(family, attention=attention, **settings)))


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_attention_implementations(both, attention):
    assert_same(*both("dpo", made=lambda: get_peft_model(tiny.model(attention=attention), tiny.lora())))


def test_a_trained_adapter_is_cloned_as_the_reference(both):
    def trained():
        torch.manual_seed(3)
        return get_peft_model(tiny.model(), tiny.lora())

    plain, tree = both("dpo", made=trained)
    assert "ref" in tree.model.peft_config
    with torch.no_grad():  # the policy has moved on, the reference has not
        for one in (plain, tree):
            for name, weight in one.model.named_parameters():
                if ".default." in name:
                    weight.add_(0.01)
    assert_same(plain, tree)


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
def test_precomputed_reference_log_probabilities(both, lora):
    plain, tree = both("dpo", lora=lora, precompute_ref_log_probs=True)
    for name in ("ref_chosen_logps", "ref_rejected_logps"):
        torch.testing.assert_close(
            torch.tensor(list(tree.train_dataset[name])), torch.tensor(list(plain.train_dataset[name])), atol=1e-4, rtol=1e-5
        )
    assert_same(plain, tree)
