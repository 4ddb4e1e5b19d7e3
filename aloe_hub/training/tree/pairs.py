"""Pairs that are not all to be believed alike: TRL's DPO trainer with a weight for each pair, and two losses for noisy labels.

A column `weight` multiplies a pair's loss, whichever of TRL's losses it is; with 1 throughout it is TRL's, to the bit. Two names
of `loss_type` are ours: `smoothed` (label smoothing, which TRL's `sigmoid` no longer has) and `lcpo`. Both take the share ε of
labels that are wrong from `label_smoothing`; `lcpo` only begins with it, and finds out.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import saved_tensors_hooks
from trl.trainer.dpo_trainer import DPOTrainer

from .batch import of_the_model
from .forward import trl_obstacle
from .losses import both_ways, reliability

NOISY = ("smoothed", "lcpo")
MIXING = ("aot", "aot_unpaired", "sft")  # losses of a whole batch, of which no part is one pair's
MOMENTUM = 0.9  # of LCPO's η from batch to batch


@dataclass(frozen=True, slots=True)
class WeightCollator:
    """A collator of TRL's, its batch joined by the weights of its pairs."""

    rows: Callable[[list[Any]], dict[str, Any]]

    def __call__(self, examples: list[Any]) -> dict[str, Any]:
        return {**self.rows(examples), "weight": torch.tensor([float(example["weight"]) for example in examples])}


class PairLosses(DPOTrainer):
    """`trl.DPOTrainer` that takes a column `weight`, and `smoothed` and `lcpo` as `loss_type`."""

    # Set by TRL and transformers, whose types say other things of them.
    args: Any
    model: Any
    train_dataset: Any
    _signature_columns: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - TRL's own
        super().__init__(*args, **kwargs)
        self._noisy = next((name for name in self.loss_types if name in NOISY), None)
        weighted = "weight" in (self.train_dataset.column_names or ())
        if (self._noisy or weighted) and (reason := trl_obstacle()) is not None:
            raise ValueError(f"weights of pairs, {' and '.join(NOISY)}: {reason}")
        if self._noisy:
            self._check_noisy(self._noisy)
            # What TRL computes and logs beside the loss is that of `sigmoid`.
            self.loss_types, self.loss_weights = ["sigmoid"], [1.0]
        self.reliability = 1 - self.label_smoothing
        if weighted:
            if mixing := [name for name in self.loss_types if name in MIXING]:
                raise ValueError(f"loss_type {mixing[0]}: is of a whole batch, so its pairs cannot have weights")
            self.data_collator = WeightCollator(self.data_collator)

    def _check_noisy(self, name: str) -> None:
        if len(self.loss_types) > 1:
            raise ValueError(f"loss_type {name}: stands alone, and not with {', '.join(set(self.loss_types) - {name})}")
        if not 0 <= self.label_smoothing < 0.5 or (name == "lcpo" and self.label_smoothing == 0):
            least = "more than 0" if name == "lcpo" else "at least 0"
            raise ValueError(f"loss_type {name}, label_smoothing {self.label_smoothing}: must be {least} and less than 0.5")
        if self.f_divergence_type != "reverse_kl" or self.ld_alpha is not None or self.use_weighting:
            raise ValueError(f"loss_type {name}: without f_divergence_type, ld_alpha and use_weighting")

    def _set_signature_columns_if_needed(self) -> None:
        super()._set_signature_columns_if_needed()  # type: ignore[no-untyped-call]
        if "weight" not in self._signature_columns:
            self._signature_columns = [*self._signature_columns, "weight"]

    def compute_ref_log_probs(self, model: nn.Module, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        return super().compute_ref_log_probs(model, of_the_model(inputs))  # type: ignore[no-any-return, no-untyped-call]

    def _compute_loss(self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool) -> Any:  # noqa: ANN401
        kept, weights = of_the_model(inputs), inputs.get("weight")
        if self._noisy:
            if return_outputs:
                raise NotImplementedError(f"loss_type {self._noisy}: has no outputs to give")
            each = both_ways(*self._margins(model, kept))
            return each.mean() if weights is None else (each * weights).mean()
        if weights is None:
            return super()._compute_loss(model, kept, return_outputs)  # type: ignore[no-untyped-call]
        usual, self.use_weighting = self.use_weighting, True
        # TRL multiplies in place what torch keeps for the gradient of a hinge: it is to keep a copy.
        copies = saved_tensors_hooks(lambda kept: kept.clone() if kept.dim() == 1 else kept, lambda kept: kept)
        try:
            with copies if "hinge" in self.loss_types else nullcontext():
                return super()._compute_loss(_weighing(model, weights, usual), kept, return_outputs)  # type: ignore[no-untyped-call]
        finally:
            self.use_weighting = usual

    def _margins(self, model: nn.Module, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor | float]:
        """The margins (B,) of DPO, and how probable it is that each label is right. TRL logs what it logs of DPO."""
        found: list[Any] = []

        def kept(**given: Any) -> Any:  # noqa: ANN401
            found.append(model(**given))
            return found[0]

        usual = self.precompute_ref_logps
        if not usual:
            reference = self.compute_ref_log_probs(self.ref_model or self.model, inputs)
            inputs = inputs | dict(zip(("ref_chosen_logps", "ref_rejected_logps"), reference, strict=True))
        self.precompute_ref_logps = True
        try:
            super()._compute_loss(kept, inputs, False)  # type: ignore[no-untyped-call]
        finally:
            self.precompute_ref_logps = usual
        width = inputs["completion_mask"].shape[1] - 1
        chosen, rejected = found[0].log_probs[:, -width:].sum(dim=1).chunk(2)
        margins = self.beta * ((chosen - inputs["ref_chosen_logps"]) - (rejected - inputs["ref_rejected_logps"]))
        if self._noisy == "smoothed":
            return margins, 1 - self.label_smoothing
        right = reliability(margins, self.reliability)
        if self.model.training:
            mean = self.accelerator.gather(right.mean()).mean().item()
            self.reliability = MOMENTUM * self.reliability + (1 - MOMENTUM) * mean
            self._metrics["train"]["noise/reliability"] = [self.reliability]
        return margins, right


def _weighing(model: nn.Module, weights: torch.Tensor, wpo: bool) -> Callable[..., Any]:
    """The model, whose answer makes TRL multiply the loss of each pair by its weight.

    For WPO (`use_weighting`) TRL multiplies it by exp of the mean of log_probs - log_sum_sq_probs over the chosen reply, and that
    over the rejected one. Half a weight's logarithm, added to each, multiplies by the weight, and log 1 is 0.
    """
    half = (weights.log() / 2).nan_to_num(neginf=-200.0).repeat(2)[:, None]  # exp(-400) is 0

    def weighing(**given: Any) -> Any:  # noqa: ANN401
        outputs = model(**given)
        if given.get("fused_lm_head"):
            before = outputs.log_sum_sq_probs if wpo else outputs.log_probs.detach()
            outputs.log_sum_sq_probs = before.float() - half
        return outputs

    return weighing
