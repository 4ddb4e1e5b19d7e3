"""transformers and peft: the same from empty caches; prints the same sums."""

import json

import only_local  # noqa: F401
import torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoModelForCausalLM, AutoTokenizer

tokens = torch.arange(6).reshape(1, 6)
assert AutoTokenizer.from_pretrained("org/tiny")("hello").input_ids == [0]
with torch.no_grad():
    model = AutoModelForCausalLM.from_pretrained("org/tiny")
    adapter = AutoPeftModelForCausalLM.from_pretrained("org/tiny-adapter")
    print(json.dumps([model(tokens).logits.sum().item(), adapter(tokens).logits.sum().item()]))
