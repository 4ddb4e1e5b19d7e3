"""`pairs`, `sft` and `distill` into TRL's DPOTrainer, SFTTrainer and SDFTTrainer, as they come from the Hub: no mapping.

No row is lost, and none cut.

    python train.py FOLDER

The model is a tiny Llama with random weights, and its tokenizer is made here of the rows' own bytes.
"""

import sys
from typing import Any

import torch
from datasets import Dataset, load_dataset
from peft import LoraConfig
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
from trl.experimental.sdft import SDFTConfig, SDFTTrainer

TEMPLATE = (
    "{% for message in messages %}<|{{ message['role'] }}|>{{ message['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<|user|>", "<|assistant|>", "<|end|>", "<|pad|>"]

pairs = load_dataset("org/aloe-prefs", split="train")
sft = load_dataset("org/aloe-prefs", "sft", split="train")

letters = sorted(pre_tokenizers.ByteLevel.alphabet())
raw = Tokenizer(models.BPE({letter: place for place, letter in enumerate(letters)}, []))
raw.pre_tokenizer, raw.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|end|>", pad_token="<|pad|>")
tokenizer.add_special_tokens({"additional_special_tokens": SPECIAL[:2]})
tokenizer.chat_template = TEMPLATE


def written(messages, **options):
    return tokenizer.apply_chat_template(messages, tokenize=False, **options)


longest = max(len(tokenizer(written(row["prompt"] + row[side]))["input_ids"]) for row in pairs for side in ("chosen", "rejected"))
common: dict[str, Any] = {
    "max_length": longest,  # of the data: TRL's default of 1024 would cut the answers off
    "max_steps": 2,
    "per_device_train_batch_size": 2,
    "use_cpu": True,
    "report_to": "none",
    "save_strategy": "no",
    "disable_tqdm": True,
    "bf16": False,
}


def tiny():
    torch.manual_seed(0)
    shape: dict[str, Any] = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), max_position_embeddings=longest, **shape))


def stepped(trainer):
    before = [weights.detach().clone() for weights in trainer.model.parameters()]
    trainer.train()
    assert trainer.state.global_step == 2
    assert any(not torch.equal(one, two) for one, two in zip(before, trainer.model.parameters(), strict=True))


trainer = DPOTrainer(
    model=tiny(),
    ref_model=tiny(),
    args=DPOConfig(sys.argv[1], **common),
    train_dataset=pairs,
    processing_class=tokenizer,
)
assert isinstance(trainer.train_dataset, Dataset)
assert len(trainer.train_dataset) == len(pairs) > 10
for row, seen in zip(pairs, trainer.train_dataset, strict=True):
    prompt = written(row["prompt"], add_generation_prompt=True)
    assert tokenizer.decode(seen["prompt_ids"]) == prompt
    for side in ("chosen", "rejected"):
        ids = seen["prompt_ids"] + seen[f"{side}_ids"]
        assert tokenizer.decode(ids) == written(row["prompt"] + row[side]) == f"{prompt}{row[side][0]['content']}<|end|>"
        assert len(ids) <= longest
stepped(trainer)

tuner = SFTTrainer(model=tiny(), args=SFTConfig(sys.argv[1], **common), train_dataset=sft, processing_class=tokenizer)
assert isinstance(tuner.train_dataset, Dataset)
assert len(tuner.train_dataset) == len(sft) == len(pairs)
for row, seen in zip(sft, tuner.train_dataset, strict=True):
    assert tokenizer.decode(seen["input_ids"]) == written(row["prompt"] + row["completion"])
    learnt = [token for token, label in zip(seen["input_ids"], seen["labels"], strict=True) if label != -100]
    assert tokenizer.decode(learnt) == f"{row['completion'][0]['content']}<|end|>"
    assert len(seen["input_ids"]) <= longest
stepped(tuner)

distill = load_dataset("org/aloe-prefs", "distill", split="train")
assert len(distill) > len(pairs)
del common["max_length"]
config = SDFTConfig(sys.argv[1], max_prompt_length=None, num_generations=1, max_completion_length=4, **common)
lora = LoraConfig(task_type="CAUSAL_LM", target_modules="all-linear")
stepped(SDFTTrainer(model=tiny(), args=config, train_dataset=distill, processing_class=tokenizer, peft_config=lora))
print(f"TRAINED on {len(pairs)} rows of up to {longest} tokens")
