"""GRPO's step on a tree beside TRL's own trainer: tokens that are processed, seconds of reference, forward and backward, and of
sampling.

    python bench/grpo.py [TURNS ...] [replies=8] [--seconds]      by default 1, 5 and 10 turns, 8 replies to each

The model and the tree of bench/training.py; every turn of the tree is a prompt, and each has as many replies of about 60 tokens.
What is trained on is the same for both. Tokens are counted, not measured; `--seconds` is for a quiet machine. The losses must
agree, and so must what both sample, 60 tokens a reply, when they are timed at that.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import datasets
import torch
from peft import LoraConfig
from training import SPECIAL, WORDS, model, tokenizer, tree  # type: ignore[import-not-found]  # beside this file
from trl import GRPOConfig, GRPOTrainer

from aloe_hub.training.tree.grpo import TreeGRPOTrainer, packed


def main() -> None:
    numbers = [int(argument) for argument in sys.argv[1:] if argument.isdigit()]
    replies = next((int(argument[8:]) for argument in sys.argv[1:] if argument.startswith("replies=")), 8)
    print(
        "turns  replies   TRL's tokens, with padding   in one pass   times fewer"
        + "   TRL s   one pass s   TRL samples, s   one pass, s" * seconds_too()
    )
    for turns in numbers or [1, 5, 10]:
        plain, one = (made(kind, turns, replies) for kind in (GRPOTrainer, TreeGRPOTrainer))
        one.model.load_state_dict(plain.model.state_dict())
        batch = sampled(plain, turns, replies)
        ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
        mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
        distinct, exploded = len(packed(ids, mask, batch["completion_ids"].shape[1])["tree"]), int(mask.sum())
        line = f"{turns:5} {replies:8} {exploded:14,} {mask.numel():13,} {distinct:13,} {exploded / distinct:13.1f}"
        if seconds_too():
            (loss, before), (its, after) = (stepped(trainer, batch) for trainer in (plain, one))
            assert abs(loss - its) < 1e-4 * abs(loss), f"the losses differ: {loss}, {its}"
            (said, first), (again, then) = (sampling(trainer, batch) for trainer in (plain, one))
            assert said == again, "what was sampled differs"
            line += f" {before:7.2f} {after:12.2f} {first:16.2f} {then:13.2f}"
        print(line, flush=True)


def seconds_too() -> bool:
    return "--seconds" in sys.argv


def made(kind: Any, turns: int, replies: int) -> Any:  # noqa: ANN401 - of two trainers, whose private names are used
    torch.manual_seed(0)
    return kind(
        model=model(),
        reward_funcs=[lambda completions, **columns: [float(len(str(one))) for one in completions]],
        args=GRPOConfig(
            output_dir=str(Path(tempfile.gettempdir(), "bench-grpo")),
            per_device_train_batch_size=turns * replies,
            num_generations=replies,
            max_completion_length=60,
            beta=0.04,
            gradient_checkpointing=False,
            bf16=False,
            use_cpu=True,
            report_to=[],
        ),
        train_dataset=tree("sft", turns).select_columns(["tree_id", "prompt"]),
        processing_class=tokenizer(),
        peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
    )


def sampled(trainer: Any, turns: int, replies: int) -> dict[str, torch.Tensor]:  # noqa: ANN401
    """A batch as TRL makes it, of random replies."""
    random = torch.Generator().manual_seed(turns)
    prompts = [row["prompt"] for row in trainer.train_dataset for _ in range(replies)]
    ids = trainer.processing_class.apply_chat_template(prompts, add_generation_prompt=True, return_dict=True)["input_ids"]
    lengths = torch.randint(42, 79, (len(ids),), generator=random)
    said = torch.randint(len(SPECIAL), len(SPECIAL) + len(WORDS), (len(ids), int(lengths.max())), generator=random)
    inside = torch.arange(said.shape[1]) < lengths[:, None]
    longest = max(map(len, ids))
    return {
        "prompt_ids": torch.tensor([[0] * (longest - len(one)) + one for one in ids]),
        "prompt_mask": torch.tensor([[0] * (longest - len(one)) + [1] * len(one) for one in ids]),
        "completion_ids": said * inside,
        "completion_mask": inside.long(),
        "advantages": torch.randn(len(ids), generator=random),
        "num_items_in_batch": inside.sum(),
    }


def stepped(trainer: Any, batch: dict[str, torch.Tensor]) -> tuple[float, float]:  # noqa: ANN401
    """Loss, and seconds of the reference's pass and of the policy's, there and back; the best of two rounds."""
    trainer.current_gradient_accumulation_steps = 1
    trainer.model.train()
    ids = torch.cat([batch["prompt_ids"], batch["completion_ids"]], dim=1)
    mask = torch.cat([batch["prompt_mask"], batch["completion_mask"]], dim=1)
    best = float("inf")
    for _ in range(2):
        start = time.perf_counter()
        with torch.no_grad(), trainer.model.disable_adapter():
            reference, _, _ = trainer._get_per_token_logps_and_entropies(
                trainer.model, ids, mask, batch["completion_ids"].shape[1], batch_size=len(ids)
            )
        loss = trainer.compute_loss(trainer.model, {**batch, "ref_per_token_logps": reference})
        loss.backward()
        best = min(best, time.perf_counter() - start)
    return loss.item(), best


def sampling(trainer: Any, batch: dict[str, torch.Tensor]) -> tuple[list[list[int]], float]:  # noqa: ANN401
    """Replies to the batch's prompts, and the seconds that took; the better of two rounds."""
    prompts = [ids[mask == 1].tolist() for ids, mask in zip(batch["prompt_ids"], batch["prompt_mask"], strict=True)]
    best, said = float("inf"), list[list[int]]()
    for _ in range(2):
        torch.manual_seed(0)
        start = time.perf_counter()
        said, _ = trainer._generate_single_turn(prompts, None, {}, 1)
        best = min(best, time.perf_counter() - start)
    return said, best


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    datasets.disable_progress_bars()
    torch.set_num_threads(1)
    main()
