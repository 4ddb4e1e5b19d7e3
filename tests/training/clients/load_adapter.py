"""Load an adapter by its name alone, as somebody else would, and print the sum of its logits on `Hello`.

python load_adapter.py org/adapter
"""

import sys

import torch
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer, BatchEncoding

tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoPeftModelForCausalLM.from_pretrained(sys.argv[1])
prompt = tokenizer.apply_chat_template(
    [{"role": "user", "content": "Hello"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
)
assert isinstance(prompt, BatchEncoding)
with torch.no_grad():
    print(model(**prompt).logits.double().sum().item())
