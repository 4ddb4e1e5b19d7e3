"""Tiny trained models as `aloe train` writes them: a base, LoRA adapters of it, a model trained whole, a pocket model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

SPECIAL = ("<pad>", "<end>", "<user>", "<assistant>")
TEMPLATE = (
    "{% for message in messages %}<{{ message.role }}>{{ message.content }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
LOG = [
    {"step": 1, "loss": 0.6931, "rewards/margins": 0.0, "rewards/accuracies": 0.5, "epoch": 0.1},
    {"step": 2, "loss": 0.512345678, "rewards/margins": 0.42, "rewards/accuracies": 0.875, "epoch": 0.2},
    {"step": 2, "train_runtime": 3.0},
]


def save_tokenizer(folder: Path) -> None:
    """One token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    words = Tokenizer(models.BPE({token: number for number, token in enumerate((*SPECIAL, *alphabet))}, []))
    words.pre_tokenizer, words.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    words.add_special_tokens(list(SPECIAL))
    made = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<end>")
    made.chat_template = TEMPLATE
    made.save_pretrained(folder)


def make_model(folder: Path, *, seed: int = 0, hidden: int = 32) -> Path:
    torch.manual_seed(seed)
    shape = LlamaConfig(
        vocab_size=len(SPECIAL) + 256,
        hidden_size=hidden,
        intermediate_size=2 * hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=512,
        initializer_range=0.5,  # wide: replies differ, and no two tokens are nearly as likely
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=1,
    )
    LlamaForCausalLM(shape).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def make_full(folder: Path, base: str = "org/base") -> Path:
    """As full fine-tuning leaves it."""
    make_model(folder, seed=5)
    (folder / "training.json").write_text(json.dumps(training(base, method="sft", lora=None)))
    return folder


def make_pocket(folder: Path) -> Path:
    make_model(folder, seed=6)
    row = {"world": 3, "seed": 11, "tokens": 20_000_000, "parameters": 1_234_567, "seconds": 3725.5, "device": "cpu"}
    row |= {"probes": {"copies a fact": 0.95123456, "keeps to a manner": 0.5}, "versions": {"torch": "2.13.0"}}
    (folder / "pocket.json").write_text(json.dumps(row))
    return folder


def make_adapter(folder: Path, base: Path, name: str | None = None, *, seed: int = 1, **said: Any) -> Path:
    """A LoRA adapter whose two halves are random, so that it does change the replies; `name` is what its base is called."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM.from_pretrained(base)
    lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(model, lora).save_pretrained(str(folder))  # with a README of PEFT's, which is not ours
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": name or str(base)}))
    save_tokenizer(folder)
    (folder / "training_args.bin").write_bytes(b"a pickle")
    (folder / "checkpoint-2").mkdir()
    (folder / "checkpoint-2" / "optimizer.pt").write_bytes(b"a pickle")
    (folder / "training.json").write_text(json.dumps(training(name or str(base), **said)))
    return folder


def training(base: str, **said: Any) -> dict[str, Any]:
    return {
        "method": "dpo",
        "base": {"model": base, "revision": None},
        "adapter": {"model": "/home/someone/runs/mine/adapters/sft", "revision": None},
        "data": {"dataset": "org/aloe-prefs", "revision": "v1", "rows": 1200, "trees": 150, "eval_rows": 80},
        "settings": {"learning_rate": 5e-05, "epochs": 2, "seed": 0, "warmup": None},
        "options": {"loss_type": ["sigmoid"], "beta": 0.1, "output_dir": "/home/someone/runs/mine/adapters/dpo"},
        "lora": {"r": 16, "alpha": 32, "dropout": 0.05, "targets": ["q_proj", "v_proj"]},
        "versions": {"aloe_hub": "0.4.0", "trl": "1.16.0"},
        "device": "cpu",
        "report": {
            "steps": 150,
            "seconds": 754.2,
            "peak_memory_bytes": 3 * 2**30 // 2,
            "log": LOG,
            "final": {"train_loss": 0.6},
            "ranking_accuracy": {"policy": 0.9125, "reference": 0.5, "pairs": 80},
            "tokens": {"exploded": 730_000, "processed": 100_000},
        },
    } | said
