"""Tiny chat models with random weights, in folders as `save_pretrained` makes them: real in everything but their sense."""

from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, get_peft_model
from tokenizers import Tokenizer, decoders, models
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedConfig, PreTrainedTokenizerFast

SPECIAL = ("<pad>", "<end>", "<stop>", "<system>", "<user>", "<assistant>")
LETTERS = ["\n", *map(chr, range(0x20, 0x7F)), *map(chr, range(0xA1, 0x1A1))]
TEMPLATE = (
    "{% for message in messages %}"
    "{% if message.role == 'system' and not loop.first %}{{ raise_exception('A system message must come first') }}{% endif %}"
    "<{{ message.role }}>{{ message.content }}<end>"
    "{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def save_tokenizer(folder: Path, template: str | None = TEMPLATE) -> Path:
    """One token a letter: lengths are plain to see, and whatever a model says, it reads the same tokens again."""
    words = Tokenizer(models.BPE({token: number for number, token in enumerate((*SPECIAL, *LETTERS))}, []))
    words.decoder = decoders.Fuse()
    words.add_special_tokens(list(SPECIAL))
    made = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<end>")
    made.chat_template = template
    made.save_pretrained(folder)
    return folder


def save_model(folder: Path, kind: type[PreTrainedConfig] = LlamaConfig, *, seed: int = 0, **shape: Any) -> Path:
    """A model whose replies end now and then: by `<end>` or by `<stop>`."""
    torch.manual_seed(seed)
    given: dict[str, Any] = {
        "vocab_size": len(SPECIAL) + len(LETTERS),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 2048,
        "initializer_range": 0.5,  # wide: replies differ, and hardly ever are two tokens as likely
        "pad_token_id": 0,
        "bos_token_id": None,
        "eos_token_id": [1, 2],
    }
    AutoModelForCausalLM.from_config(kind(**given | shape)).save_pretrained(folder)
    return save_tokenizer(folder)


def save_adapter(folder: Path, base: Path, config: PeftConfig | None = None, *, seed: int = 1) -> Path:
    """An adapter, by default LoRA with random weights in both halves, so that it does change the replies."""
    torch.manual_seed(seed)
    lora = LoraConfig(r=4, target_modules=["q_proj", "v_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(AutoModelForCausalLM.from_pretrained(base), config or lora).save_pretrained(str(folder))
    return folder
