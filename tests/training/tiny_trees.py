"""Tiny real models, tokenizers with the chat templates of the families, and trees of made-up words, for tests of training."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import torch
import transformers
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedModel, PreTrainedTokenizerFast

if TYPE_CHECKING:
    from trl import DPOTrainer, SFTTrainer

SPECIAL = ["<pad>", "<s>", "</s>", "<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
SPECIAL += ["<|user|>", "<|assistant|>", "<|system|>", "<|endoftext|>", "[INST]", "[/INST]", "<think>", "</think>"]
WORDS = [f"w{number}" for number in range(48)] + ["system", "user", "assistant"]

# As the families' own templates do it, without their default system prompts.
TEMPLATES = {
    "llama3": "{{ '<s>' }}{% for m in messages %}<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content }}<|eot_id|>"
    "{% endfor %}{% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}",
    "qwen": "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "mistral": "{{ '<s>' }}{% for m in messages %}{% if m.role == 'user' %}[INST] {{ m.content }} [/INST]"
    "{% else %} {{ m.content }}</s>{% endif %}{% endfor %}",
    "olmo": "{{ '<|endoftext|>' }}{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% if m.role == 'assistant' %}"
    "<|endoftext|>{% endif %}\n{% endfor %}{% if add_generation_prompt %}<|assistant|>\n{% endif %}",
    # Qwen3: only the last reply shows its thoughts, so the history of a later turn is not the text of the turn before.
    "thinking": "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' and loop.last %}"
    "<think>\n\n</think>\n\n{% endif %}{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
}
ENDS = {"llama3": "<|eot_id|>", "qwen": "<|im_end|>", "mistral": "</s>", "olmo": "<|endoftext|>", "thinking": "<|im_end|>"}


def tokenizer(template: str = "llama3") -> PreTrainedTokenizerFast:
    """One token a word."""
    vocabulary = {word: number for number, word in enumerate([*SPECIAL, *WORDS, "?"])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.add_special_tokens(SPECIAL)
    made = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token=ENDS[template], unk_token="?")
    made.chat_template = TEMPLATES[template]
    return made


FAMILIES: dict[str, dict[str, Any]] = {
    "Llama": {},
    "Mistral": {"sliding_window": None},
    "Qwen2": {},
    "Qwen3": {"head_dim": 8},
    "Olmo2": {},
    "Olmo": {"clip_qkv": 4.0},
}
OTHERS: dict[str, dict[str, Any]] = {"Mixtral": {"num_local_experts": 3, "num_experts_per_tok": 2}}


def model(family: str = "Llama", *, seed: int = 0, attention: str = "sdpa", **settings: Any) -> PreTrainedModel:
    """A causal LM of the family with two layers, its weights large enough that who attends to whom shows in the loss."""
    config = getattr(transformers, f"{family}Config")(
        **{
            "vocab_size": len(SPECIAL) + len(WORDS) + 1,
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "max_position_embeddings": 512,
            "initializer_range": 0.2,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "tie_word_embeddings": False,
            **(FAMILIES | OTHERS).get(family, {}),
            **settings,
        }
    )
    config._attn_implementation = attention
    torch.manual_seed(seed)
    made: PreTrainedModel = getattr(transformers, f"{family}ForCausalLM")(config)
    return made


def lora(**settings: Any) -> LoraConfig:
    """An adapter on every linear layer, begun away from zero so that its whole gradient shows."""
    return LoraConfig(
        **{
            "r": 4,
            "lora_alpha": 8,
            "target_modules": "all-linear",
            "init_lora_weights": False,
            "task_type": "CAUSAL_LM",
            **settings,
        }
    )


def rows(trees: int = 2, turns: int = 3, seed: int = 0) -> list[dict[str, Any]]:
    """Preference pairs as `aloe_hub.rows.pairs` derives them: the prompt of each turn is the path that was spoken."""
    random = Random(seed)

    def said(role: str) -> dict[str, str]:
        return {"role": role, "content": " ".join(random.choices(WORDS[:48], k=random.randint(2, 6)))}

    made = []
    for tree in range(trees):
        spoken: list[dict[str, str]] = []
        for turn in range(turns):
            prompt = [*spoken, said("user")]
            replies = [said("assistant"), said("assistant")]
            made.append(
                {"tree_id": f"tree{tree}", "turn": turn, "prompt": prompt, "chosen": [replies[0]], "rejected": [replies[1]]}
            )
            spoken = [*prompt, random.choice(replies)]
    return made


def pairs(trees: int = 2, turns: int = 3, seed: int = 0) -> Dataset:
    return Dataset.from_list(rows(trees, turns, seed))


def completions(trees: int = 2, turns: int = 3, seed: int = 0) -> Dataset:
    """The same trees as `aloe_hub.rows.sft` derives them: the preferred reply of each turn."""
    return Dataset.from_list(
        [
            {"tree_id": row["tree_id"], "turn": row["turn"], "prompt": row["prompt"], "completion": row["chosen"]}
            for row in rows(trees, turns, seed)
        ]
    )


def passes(trainer: DPOTrainer | SFTTrainer) -> tuple[list[tuple[float, torch.Tensor]], dict[str, float]]:
    """(loss, gradient) of every batch of an epoch, and the metrics over it."""
    model = trainer.model
    assert model is not None
    model.train()
    results = []
    for batch in trainer.get_train_dataloader():
        model.zero_grad()
        loss = trainer.compute_loss(model, trainer._prepare_inputs(batch))
        assert isinstance(loss, torch.Tensor)
        loss.backward()
        gradient = [weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]
        results.append((loss.item(), torch.cat(gradient)))
    return results, {name: sum(values) / len(values) for name, values in trainer._metrics["train"].items()}


def assert_same(plain: DPOTrainer | SFTTrainer, tree: DPOTrainer | SFTTrainer) -> dict[str, float]:
    """Loss 1e-5 relative, gradient 1e-5 of its length, metrics 1e-4; and the tree trainer did pack."""
    (expected, metrics), (found, tree_metrics) = passes(plain), passes(tree)
    for (loss, gradient), (tree_loss, tree_gradient) in zip(expected, found, strict=True):
        assert tree_loss == pytest.approx(loss, rel=1e-5, abs=1e-7)
        assert gradient.norm() > 0
        assert (gradient - tree_gradient).norm() <= 1e-5 * gradient.norm()
    counts = {name: tree_metrics.pop(name) for name in ("tree/tokens", "tree/tokens_exploded")}
    assert counts["tree/tokens"] < counts["tree/tokens_exploded"] == tree_metrics["num_tokens"]
    assert tree_metrics == pytest.approx(metrics, rel=1e-4, abs=1e-4)
    return counts
