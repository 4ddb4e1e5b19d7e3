"""Ranking accuracy: the share of pairs whose preferred reply is the more probable one, under the policy and its reference.

Chen et al. 2024, "Preference Learning Algorithms Do Not Learn Preference Rankings" (arXiv 2405.19534), definition 2.1. DPO's
own "rewards/accuracies" asks less: whether the preferred reply has *gained* more than the other one.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from peft import PeftModel
from trl.trainer.utils import use_adapter

from aloe_hub.training.tree import TreeDPOTrainer

_NOT_THE_MODELS = {"completion_mask", "ref_chosen_logps", "ref_rejected_logps"}


def ranking_accuracy(trainer: TreeDPOTrainer) -> dict[str, float | int] | None:
    """`{policy, reference, pairs}` over the trainer's evaluation rows; None without any. Every process must call it."""
    if trainer.eval_dataset is None:
        return None
    policy, reference = [], []
    for batch in trainer.get_eval_dataloader():
        inputs = trainer._prepare_inputs(batch)
        mine, its = _prefers_chosen(trainer, inputs, reference=False), _prefers_chosen(trainer, inputs, reference=True)
        mine, its = trainer.accelerator.gather_for_metrics((mine, its))
        policy.append(mine.cpu())
        reference.append(its.cpu())
    after, before = torch.cat(policy).float(), torch.cat(reference).float()
    return {"policy": after.mean().item(), "reference": before.mean().item(), "pairs": len(after)}


def _prefers_chosen(trainer: TreeDPOTrainer, batch: dict[str, Any], *, reference: bool) -> torch.Tensor:
    """For each pair of the batch, whether log p(chosen) > log p(rejected). The pass is that of TRL's loss, fused head and all."""
    if reference and "ref_chosen_logps" in batch:  # computed before the training; there may be no such model any more
        return torch.as_tensor(batch["ref_chosen_logps"] > batch["ref_rejected_logps"])
    given = {name: value for name, value in batch.items() if name not in _NOT_THE_MODELS}
    labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
    model: Any = trainer.model
    adapter: AbstractContextManager[None] = nullcontext()
    if reference and trainer.ref_model is not None:
        model = trainer.ref_model
    elif reference and isinstance(model, PeftModel):
        adapter = use_adapter(model, adapter_name="ref" if "ref" in model.peft_config else None)
    model.eval()
    trainer._check(model, given)
    with torch.no_grad(), adapter, trainer.accelerator.autocast():
        log_probs: torch.Tensor = model(**given, labels=labels, use_cache=False, fused_lm_head=True).log_probs
    chosen, rejected = log_probs.sum(dim=1).chunk(2)
    return chosen > rejected
