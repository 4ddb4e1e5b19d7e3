"""Training on whole trees beside TRL's own trainers: seconds and peak memory of one tree, forward, reference and backward.

    python bench/training.py [dpo|sft ...] [TURNS ...] [all]     by default both, at 5, 10 and 20 turns
    python bench/training.py base=models/smollm2 10              of a real model; words of plain English

A Llama of 13.7M parameters with random weights, LoRA on every linear layer, float32, one thread; about 40 tokens a user message
and 60 a reply. TRL at batch 1 is the fair opponent on a CPU: the least padding. At batch 10 it is far behind, and at 20 turns so
far that only `all` waits for it. Every figure comes from a process of its own, the opponents in turn, the best of some rounds;
memory is the peak above what model and data hold. The losses must agree.
"""

import logging
import multiprocessing
import re
import sys
import tempfile
import time
import warnings
from pathlib import Path
from random import Random
from typing import Any

import datasets
import torch
from datasets import Dataset
from peft import LoraConfig
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
)
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from aloe_hub.training import TreeDPOTrainer, TreeSFTTrainer

SPECIAL = ["<pad>", "<|begin|>", "<|start|>", "<|end|>", "<|eot|>", "user", "assistant"]
WORDS = [f"w{number}" for number in range(4000 - len(SPECIAL))]
TEMPLATE = (
    "<|begin|>{% for message in messages %} <|start|> {{ message.role }} <|end|> {{ message.content }} <|eot|>{% endfor %}"
    "{% if add_generation_prompt %} <|start|> assistant <|end|>{% endif %}"
)
ENGLISH = Path(__file__).parents[1] / "studies" / "plain_chat.jsonl"
BASE = next((Path(argument.removeprefix("base=")) for argument in sys.argv[1:] if argument.startswith("base=")), None)
ROUNDS = {5: 3, 10: 2}  # one of more turns


def main() -> None:
    kinds = [kind for kind in ("dpo", "sft") if kind in sys.argv[1:]] or ["dpo", "sft"]
    lengths = [int(argument) for argument in sys.argv[1:] if argument.isdigit()] or [5, 10, 20]
    print("one tree               " + "".join(f"{who:>16}  " for who in ("TRL, batch 1", "TRL, batch 10", "in one pass")), end="")
    print(" times as fast as TRL   times fewer")
    print("kind   turns   tokens" + "    seconds     MB" * 3 + "   batch 1  batch 10        tokens")
    for kind in kinds:
        for turns in lengths:
            _compare(kind, turns)


def _compare(kind: str, turns: int) -> None:
    best: dict[str, tuple[float, float]] = {}
    losses = {}
    for number in range(ROUNDS.get(turns, 1)):
        once = ["batch 10"] if number == 0 and ((turns <= 10 and BASE is None) or "all" in sys.argv) else []
        for who in ["batch 1", *once, "tree"]:
            with multiprocessing.get_context("fork").Pool(1) as alone:
                seconds, megabytes, losses[who], tokens = alone.apply(measured, (kind, turns, who))
            best[who] = min(best.get(who, (seconds, megabytes)), (seconds, megabytes))
    spread = max(losses.values()) - min(losses.values())
    assert spread < 1e-4 * max(losses.values()), f"the losses differ: {losses}"
    columns = [f"{best[who][0]:9.2f} {best[who][1]:6.0f}" if who in best else " " * 16 for who in ("batch 1", "batch 10", "tree")]
    columns += [f"{best[who][0] / best['tree'][0]:8.1f}" if who in best else " " * 8 for who in ("batch 1", "batch 10")]
    print(f"{kind:4} {turns:6} {tokens[1]:7}", *columns, f"  {tokens[1] / tokens[0]:6.1f}", sep="  ", flush=True)


def measured(kind: str, turns: int, who: str) -> tuple[float, float, float, tuple[int, int]]:
    """Seconds, peak MB, loss, and (distinct, exploded) tokens of one tree.

    Memory is the peak of a first pass over the largest batch. Seconds are of a pass after it, as in the middle of a training; for
    batch 10, which is so far behind, one pass is both.
    """
    torch.set_num_threads(1)
    trainer = made(kind, turns, who)
    trainer.model.train()
    if who == "tree":
        trainer._trusted.append(trainer.model)  # the check of the first batch comes once a training, not once a tree
    batches = [trainer._prepare_inputs(batch) for batch in trainer.get_train_dataloader()]
    tokens = sum(len(batch["tree"]) for batch in batches if "tree" in batch)
    exploded = sum(int(batch["attention_mask"].sum()) for batch in batches)
    labels = sum(int((batch["labels"] != -100).sum()) for batch in batches) if kind == "sft" else None
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    held = _status("VmRSS")
    if who != "batch 10":
        trainer.compute_loss(trainer.model, dict(batches[-1]), num_items_in_batch=labels).backward()
        megabytes = _status("VmHWM") - held
    start = time.perf_counter()
    losses = []
    for batch in batches:
        # As `Trainer` weighs them: DPO's loss is a mean over pairs, SFT's one over the tokens of all batches.
        share = len(batch["input_ids"]) / 2 / turns if kind == "dpo" else 1
        loss = trainer.compute_loss(trainer.model, batch, num_items_in_batch=labels) * share
        loss.backward()
        losses.append(loss.item())
    seconds = time.perf_counter() - start
    if who == "batch 10":
        megabytes = _status("VmHWM") - held
    return seconds, megabytes, sum(losses), (tokens, exploded)


def made(kind: str, turns: int, who: str) -> Any:  # noqa: ANN401 - one of four trainers, of which private names are used
    trainers: tuple[Any, Any] = {"dpo": (DPOTrainer, TreeDPOTrainer), "sft": (SFTTrainer, TreeSFTTrainer)}[kind]
    torch.manual_seed(0)
    return trainers[who == "tree"](
        model=model(),
        args=(DPOConfig if kind == "dpo" else SFTConfig)(
            output_dir=str(Path(tempfile.gettempdir(), "bench-training")),
            per_device_train_batch_size={"batch 1": 1, "batch 10": 10, "tree": turns}[who],
            train_sampling_strategy="sequential",
            max_length=None,
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=True,
            report_to=[],
        ),
        train_dataset=tree(kind, turns),
        processing_class=tokenizer(),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )


def model() -> PreTrainedModel:
    if BASE is not None:
        found: PreTrainedModel = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
        return found
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(SPECIAL) + len(WORDS),
            hidden_size=384,
            intermediate_size=1024,
            num_hidden_layers=6,
            num_attention_heads=6,
            max_position_embeddings=4096,
            pad_token_id=0,
        )
    )


def tree(kind: str, turns: int, number: int = 0) -> Dataset:
    """The rows of one tree, of a number for other words: the preferred reply is spoken in half of the turns."""
    random = Random(turns + 1000 * number)
    vocabulary = WORDS if BASE is None else re.findall(r"[a-z]+", ENGLISH.read_text(encoding="utf-8"))

    def said(role: str, length: int) -> dict[str, str]:
        words = random.choices(vocabulary, k=random.randint(length * 7 // 10, length * 13 // 10))
        return {"role": role, "content": " ".join(words)}

    rows: list[dict[str, Any]] = []
    spoken: list[dict[str, str]] = []
    for turn in range(turns):
        prompt = [*spoken, said("user", 40)]
        chosen, rejected = said("assistant", 60), said("assistant", 60)
        rows.append({"tree_id": str(number), "prompt": prompt, "chosen": [chosen], "rejected": [rejected]})
        spoken = [*prompt, (chosen, rejected)[turn % 2]]
    data = Dataset.from_list(rows)
    return data if kind == "dpo" else data.remove_columns("rejected").rename_column("chosen", "completion")


def tokenizer() -> PreTrainedTokenizerBase:
    if BASE is not None:
        return AutoTokenizer.from_pretrained(BASE)
    words = Tokenizer(models.WordLevel({word: number for number, word in enumerate([*SPECIAL, *WORDS])}, unk_token="w0"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.add_special_tokens(SPECIAL[:5])
    special = {"pad_token": "<pad>", "eos_token": "<|eot|>", "unk_token": "w0"}
    found = PreTrainedTokenizerFast(tokenizer_object=words, **special)  # type: ignore[no-untyped-call]
    found.chat_template = TEMPLATE
    return found


def _status(name: str) -> float:
    """A figure of this process's memory, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(name))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    datasets.disable_progress_bars()
    main()
