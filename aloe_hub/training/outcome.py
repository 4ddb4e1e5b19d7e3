"""What came of a training: the report of its record, the accuracy in it, and what a stopped training must remember for it."""

from __future__ import annotations

import math
import platform
import resource
import sys
import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from typing import Any

import torch
from peft import PeftModel
from trl.trainer.utils import selective_log_softmax, use_adapter

from aloe_hub.training.tree import TreeDPOTrainer
from aloe_hub.training.tree.batch import BESIDE, labels_of
from aloe_hub.training.tree.forward import trl_obstacle
from aloe_hub.training.tree.losses import in_order
from aloe_hub.training.tree.ranked import forks_of

# What says where the training is and how fast this machine, and not how good the model.
_BESIDE = (
    "step", "epoch", "learning_rate", "grad_norm", "num_tokens", "tokens", "tokens_exploded",
    "runtime", "samples_per_second", "steps_per_second",
)  # fmt: skip
_NOT_THE_MODELS = {"completion_mask", "ref_chosen_logps", "ref_rejected_logps", *BESIDE}
_PACKAGES = {"aloe_hub": "aloe-hub", "torch": "torch", "transformers": "transformers", "trl": "trl", "peft": "peft"}


class Meter:
    """Seconds and peak memory of a training, over all the parts that kills have cut it into.

    Memory is that of the first process: of its GPU what torch allocated, on a CPU what the process took of the machine.
    """

    def __init__(self, device: torch.device, before: Mapping[str, Any]) -> None:
        self._device = device
        self._before = before
        self._started = time.monotonic()

    def read(self) -> dict[str, float | int]:
        seconds = self._before.get("seconds", 0.0) + time.monotonic() - self._started
        return {"seconds": round(seconds, 3), "peak_memory_bytes": max(self._before.get("peak_memory_bytes", 0), self._memory())}

    def _memory(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def report(
    history: Iterable[Mapping[str, Any]],
    evaluated: Mapping[str, Any],
    ranking: Mapping[str, float | int] | None,
    cost: Mapping[str, float | int],
    steps: int,
) -> dict[str, Any]:
    """The table `report`.

    history: what the trainer logged. evaluated: what it measured at the end on the rows set aside, as `eval_*`.
    """
    log = [_numbers(entry) for entry in history if "loss" in entry]
    last = log[-1] if log else {}
    final = {name: value for name, value in (last | _numbers(evaluated)).items() if not name.endswith(_BESIDE)}
    tokens = None
    if "tree/tokens" in last:
        tokens = {"exploded": int(last["tree/tokens_exploded"]), "processed": int(last["tree/tokens"])}
    return {"steps": steps, **cost, "log": log, "final": final, "ranking_accuracy": ranking, "tokens": tokens}


def ranking_accuracy(trainer: TreeDPOTrainer) -> dict[str, float | int] | None:
    """`{policy, reference, pairs}`: the share of pairs whose preferred reply is the more probable one, under either model.

    Of ranked replies the pairs are all those of a fork that are not tied. It is over the evaluation rows; None without any. Every
    process must call it. Chen et al. 2024, "Preference Learning Algorithms Do Not Learn Preference Rankings" (arXiv 2405.19534),
    definition 2.1. DPO's own "rewards/accuracies" asks less: whether the preferred reply has *gained* more than the other one.
    """
    if trainer.eval_dataset is None:
        return None
    counts = []
    for batch in trainer.get_eval_dataloader():
        inputs = trainer._prepare_inputs(batch)
        found = [_in_order(_log_probabilities(trainer, inputs, reference=which), inputs) for which in (False, True)]
        counts.append(trainer.accelerator.gather_for_metrics(torch.stack([found[0][:, 0], *found[1].T], dim=1)).cpu())
    policy, reference, pairs = torch.cat(counts).sum(dim=0).tolist()
    return {"policy": policy / pairs, "reference": reference / pairs, "pairs": pairs}


def _in_order(values: torch.Tensor, batch: dict[str, Any]) -> torch.Tensor:
    """(rows of the data, 2): how many pairs of a row have the preferred reply at the higher value, and how many it has."""
    if "forks" in batch:
        counts = [in_order(values[rows], batch["ranks"][rows]) for rows in forks_of(batch)]
        return torch.tensor(counts, device=values.device)
    chosen, rejected = values.chunk(2)
    return torch.stack([(chosen > rejected).long(), torch.ones_like(chosen, dtype=torch.long)], dim=1)


def _log_probabilities(trainer: TreeDPOTrainer, batch: dict[str, Any], *, reference: bool) -> torch.Tensor:
    """Of each reply of the batch. The pass is that of TRL's loss, fused head and all."""
    if reference and "ref_chosen_logps" in batch:  # computed before the training; there may be no such model any more
        return torch.cat([batch["ref_chosen_logps"], batch["ref_rejected_logps"]])
    model: Any = trainer.model
    adapter: AbstractContextManager[None] = nullcontext()
    if reference and trainer.ref_model is not None:
        model = trainer.ref_model
    elif reference and isinstance(model, PeftModel):
        adapter = use_adapter(model, adapter_name="ref" if "ref" in model.peft_config else None)
    model.eval()
    trainer._check(model, batch)
    given = {name: value for name, value in batch.items() if name not in _NOT_THE_MODELS}
    labels = labels_of(batch)
    with torch.no_grad(), adapter, trainer.accelerator.autocast():
        log_probs: torch.Tensor
        if trl_obstacle() is None:
            log_probs = model(**given, labels=labels, use_cache=False, fused_lm_head=True).log_probs
        else:
            logits, wanted = model(**given, use_cache=False).logits[:, :-1], labels[:, 1:]
            log_probs = selective_log_softmax(logits, wanted.clamp(min=0)).masked_fill(wanted == -100, 0)
    return log_probs.sum(dim=1)


def versions() -> dict[str, str]:
    return {name: version(package) for name, package in _PACKAGES.items()}


def device_name(device: torch.device, processes: int) -> str:
    """Such as `NVIDIA H100 x 8`, or `CPU (x86_64)`."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type.upper()} ({platform.machine()})"
    return f"{name} x {processes}" if processes > 1 else name


def _numbers(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry as JSON can hold it: NaN and infinity are null."""
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in entry.items()}
