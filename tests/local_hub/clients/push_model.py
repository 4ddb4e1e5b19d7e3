"""transformers and peft: a tiny model, its tokenizer and an adapter, pushed; the weights' sums go to standard output."""

import json
from typing import Any

import only_local  # noqa: F401
import torch
from peft import LoraConfig, get_peft_model
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

torch.manual_seed(0)
shape: dict[str, Any] = {"vocab_size": 64, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
model = LlamaForCausalLM(LlamaConfig(**shape, num_attention_heads=2, num_key_value_heads=2))
model.push_to_hub("org/tiny", private=True)  # type: ignore[arg-type]  # its decorator loses `self`
words = Tokenizer(WordLevel({"hello": 0, "[UNK]": 1}, unk_token="[UNK]"))
PreTrainedTokenizerFast(tokenizer_object=words, unk_token="[UNK]").push_to_hub("org/tiny")  # type: ignore[no-untyped-call]
base = AutoModelForCausalLM.from_pretrained("org/tiny")
adapter = get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM"))
adapter.push_to_hub("org/tiny-adapter")
tokens = torch.arange(6).reshape(1, 6)
with torch.no_grad():
    print(json.dumps([model(tokens).logits.sum().item(), adapter(tokens).logits.sum().item()]))
