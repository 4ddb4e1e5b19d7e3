"""An adapter and its merged model, loaded by the lines of their own cards, reply as the folders that were published.

python load_models.py EXPECTED       a JSON file: {"messages", "prompt", "reply", "text"}, of the folder's own greedy reply
"""

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import HfApi, hf_hub_download
from peft import AutoPeftModelForCausalLM

from aloe_hub.chat import open_chat
from aloe_hub.chat.base import ChatRequest, Sampling
from aloe_hub.text import answer_of, valid
from aloe_hub.types import Message

expected = json.loads(Path(sys.argv[1]).read_text())
length = len(expected["reply"])


def lines_of(repo):
    return re.findall(r"```python\n(.*?)```", Path(hf_hub_download(repo, "README.md")).read_text(), re.DOTALL)


def check(model, tokenizer=None):
    prompt = torch.tensor([expected["prompt"]])
    with torch.no_grad():
        found = model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=length, do_sample=False)
    assert found[0, prompt.shape[1] :].tolist() == expected["reply"]
    if tokenizer is not None:
        ids = tokenizer.apply_chat_template(expected["messages"], add_generation_prompt=True)["input_ids"]
        assert ids == expected["prompt"]


def check_chat(chat):
    (found,) = chat(expected["messages"], max_new_tokens=length, do_sample=False, return_full_text=False)
    assert found["generated_text"] == expected["text"]


# The lines of the adapter's card: with its base, on a base, in a pipeline.
with_base, on_a_base, in_a_pipeline = lines_of("org/adapter")
found: dict[str, Any] = {}
exec(with_base, found)
check(found["model"], found["tokenizer"])
exec(on_a_base, found)
check(found["model"])
exec(in_a_pipeline, found)
check_chat(found["chat"])

# By its tag, though another adapter stands on main by now; and as a policy.
check(AutoPeftModelForCausalLM.from_pretrained("org/moved", revision="v1"))
chat = open_chat("local:org/base+org/adapter")
messages = tuple(Message(**one) for one in expected["messages"])
asked = ChatRequest(messages, Sampling(temperature=0.0, max_tokens=length), 0, "policy")
answer = answer_of(valid(expected["text"])).text  # a chat shows no control character
assert asyncio.run(chat.complete(asked)).text == answer

# The lines of the merged model's card.
alone, in_a_pipeline = lines_of("org/merged")
found = {}
exec(alone, found)
assert type(found["model"]).__name__ == "LlamaForCausalLM"
check(found["model"], found["tokenizer"])
exec(in_a_pipeline, found)
check_chat(found["chat"])

# Found by who looks for what was made of the base, or of the dataset.
api = HfApi()
assert {one.id for one in api.list_models(filter="base_model:adapter:org/base")} >= {"org/adapter", "org/moved"}
merged = {one.id for one in api.list_models(filter="base_model:merge:org/base")}
assert "org/merged" in merged
assert "org/adapter" not in merged
assert "org/adapter" in {one.id for one in api.list_models(trained_dataset="org/aloe-prefs", pipeline_tag="text-generation")}
print("ALL THE SAME")
