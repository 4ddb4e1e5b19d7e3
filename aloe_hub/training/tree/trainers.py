"""TRL's DPO and SFT trainers, made to process each distinct token of a tree once.

They take the arguments and the data of `trl.DPOTrainer` and `trl.SFTTrainer` and compute the same losses, gradients and metrics
(tests/training/tree/test_trainers.py): TRL's own code does everything but the pass through the model. Private names of TRL 1.15
and 1.16 are used (tests/training/tree/test_names.py fails when one changes).

With an older TRL, and where one pass could not be exact, they say so once and train as TRL does. What cannot be seen from
outside is checked on the first batch: a row of it (in DPO, a pair) must have the same log-probabilities as in a pass of its own.
"""

from __future__ import annotations

import logging
from typing import Any, cast

import torch
from datasets import Dataset
from peft import PeftModel
from torch import nn
from torch.utils.data import Sampler
from transformers import PreTrainedModel, Trainer
from trl.trainer.sft_trainer import SFTTrainer

from .batch import TreeCollator
from .exactness import adapter_obstacle, difference, dropouts, model_obstacle, tolerance
from .forward import add_tree_forward, trl_obstacle
from .pairs import PairLosses
from .sampler import TellEpoch, TreeSampler, trees_of

log = logging.getLogger(__name__)


def causal_lm_of(model: nn.Module) -> PreTrainedModel:
    """The model below its adapters."""
    return cast(PreTrainedModel, model.get_base_model() if isinstance(model, PeftModel) else model)


class _OnePass(Trainer):
    """What the two trainers share; it stands before TRL's trainer in the order of bases.

    With `tree=False` everything is left to TRL. In the logs, `tree/tokens` and `tree/tokens_exploded` count the tokens that were
    processed and those of the rows (TRL's `num_tokens`), over the training and over all processes.
    """

    # Set by TRL's trainers. `Any` where their types and Trainer's do not agree with one another.
    args: Any
    model: Any
    _metrics: Any
    _is_vision_dataset: bool
    aux_loss_enabled: bool

    def __init__(self, *args: Any, tree: bool = True, **kwargs: Any) -> None:  # noqa: ANN401 - TRL's own
        self._packs = tree
        self._counts = self._warned = False
        self._trusted: list[nn.Module] = []
        self._tokens = torch.zeros(2, dtype=torch.long)
        super().__init__(*args, **kwargs)
        self._get_ready()

    def _get_ready(self) -> None:
        """Once TRL has set up the model: look for what stands in the way, then take over the collator and the forward."""
        if not self._packs or self._counts:
            return
        if (reason := self._obstacle()) is not None:
            self._go_plain(reason)
            return
        self._counts = True
        self.data_collator = TreeCollator(self.data_collator)
        add_tree_forward(causal_lm_of(self.model))

    def _go_plain(self, reason: str) -> None:
        self._packs = False
        self._say(f"trains as plain TRL: {reason}")

    def _say(self, what: str) -> None:
        if self.accelerator.is_main_process:
            log.warning("%s %s", type(self).__name__, what)

    def _obstacle(self) -> str | None:
        if (reason := trl_obstacle()) is not None:  # before anything else of TRL is looked at
            return reason
        parallel = self.accelerator.parallelism_config
        if self._is_vision_dataset:
            return "the data has images"
        if self.aux_loss_enabled:
            return "the router's auxiliary loss counts a token as often as it comes in the rows"
        if self.args.neftune_noise_alpha:
            return "neftune_noise_alpha adds noise to each row"
        if self.args.torch_compile:
            return "torch_compile would compile anew for every tree"
        if parallel is not None and (parallel.cp_enabled or parallel.sp_enabled):
            return "context or sequence parallelism cuts rows into parts"
        if isinstance(self.model, PeftModel) and (reason := adapter_obstacle(self.model)) is not None:
            return reason
        return model_obstacle(causal_lm_of(self.model))

    def _get_train_sampler(self, train_dataset: Dataset | None = None) -> Sampler[int] | None:
        if not self._packs or self.args.train_sampling_strategy != "random" or not isinstance(self.train_dataset, Dataset):
            return super()._get_train_sampler(train_dataset)
        # Not `train_dataset`, which has lost the columns that the model does not take, `tree_id` among them.
        seed = self.args.seed if self.args.data_seed is None else self.args.data_seed
        return TellEpoch.of(self, TreeSampler(trees_of(self.train_dataset, self._train_batch_size), seed))

    def compute_loss(self, model: nn.Module, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - TRL's own
        for each in self._models():
            self._check(each, inputs)
        tree = inputs.get("tree")
        result = super().compute_loss(model, inputs, *args, **kwargs)
        if self._counts:
            exploded = int(inputs["attention_mask"].sum())
            self._count(exploded if tree is None else len(tree), exploded)
        return result

    def _count(self, processed: int, exploded: int) -> None:
        """Every process takes part in this, whatever its own batch was."""
        if self._counts and self.model.training and torch.is_grad_enabled():
            tokens = torch.tensor([processed, exploded], device=self.accelerator.device)
            self._tokens += self.accelerator.gather(tokens).view(-1, 2).sum(dim=0).cpu()
            for name, count in zip(("tree/tokens", "tree/tokens_exploded"), self._tokens.tolist(), strict=True):
                self._metrics["train"][name] = [count]

    def _models(self) -> list[nn.Module]:
        return [self.model]

    def _check(self, model: nn.Module, inputs: dict[str, Any]) -> None:
        """Before a model's first packed pass: is it what a plain pass is? If not, train as TRL, beginning with these `inputs`.

        All processes look at their own batch, and all go plain if one must.
        """
        if self._packs and not any(model is trusted for trusted in self._trusted):
            with self.accelerator.autocast():
                mine = difference(model, inputs) if "tree" in inputs else -1.0
                rounding = tolerance(causal_lm_of(self.model).dtype, self.accelerator.device)
            apart = self.accelerator.gather(torch.tensor([mine], device=self.accelerator.device)).max().item()
            if apart >= 0:
                self._trusted.append(model)
            if apart > rounding:
                self._go_plain(
                    f"in the first batch, one pass and a plain pass differ by {apart:.2g} in a token's log-probability "
                    f"(rounding explains {rounding:.0g})"
                )
        if not self._packs:
            inputs.pop("tree", None)
        elif "tree" not in inputs and not self._warned:
            self._warned = True
            self._say("processes a batch row by row: it has no label, is not padded on the right, or has columns of its own")


class TreeDPOTrainer(_OnePass, PairLosses):
    """`trl.DPOTrainer` with one pass over each tree of preference pairs, for the policy and for the reference.

    And with weights of pairs, and losses for noisy labels (pairs.py).

    Dropout (which DPO turns off unless told otherwise: `disable_dropout`) is an obstacle: chosen and rejected would share it on
    their prompt, and the loss is of their difference.
    """

    def _get_ready(self) -> None:
        first = not self._counts
        super()._get_ready()
        if self._packs and first and self.ref_model is not None:
            reference = self.accelerator.unwrap_model(self.ref_model)
            reason = model_obstacle(reference)
            add_tree_forward(reference, packs=reason is None)
            if reason is not None:
                self._say(f"runs the reference model row by row: {reason}")

    def _obstacle(self) -> str | None:
        if (reason := super()._obstacle()) is None and (on := dropouts(self.model)):
            return f"dropout is on ({on[0]}), and a pair would share it"
        return reason

    def _models(self) -> list[nn.Module]:
        return [self.model] if self.ref_model is None else [self.model, self.ref_model]

    def _precompute_ref_logps(self, dataset: Dataset, name: str, batch_size: int) -> Dataset:
        self._get_ready()  # TRL calls this while it is being set up
        return super()._precompute_ref_logps(dataset, name, batch_size)

    def compute_ref_log_probs(self, model: nn.Module, inputs: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        self._check(model, inputs)
        return super().compute_ref_log_probs(model, inputs)


class TreeSFTTrainer(_OnePass, SFTTrainer):
    """`trl.SFTTrainer` with one pass over each tree of completions.

    LoRA's dropout is allowed. With it the loss is not the same number, since a token that several rows share is dropped out once
    for all of them; but the loss is a sum over rows, and each row still sees a dropout of the right kind: the same expectation.
    """

    def _get_ready(self) -> None:
        super()._get_ready()
        if self._packs and dropouts(self.model):
            self._say("drops tokens that rows share out once, not once a row (LoRA's dropout): the same loss in expectation only")

    def _obstacle(self) -> str | None:
        if (reason := super()._obstacle()) is not None:
            return reason
        if self.args.packing or self.padding_free:
            return "packing and padding_free lay rows out in another way"
        if self.compute_loss_func is not None or (self.label_smoother is not None and self.args.loss_type == "nll"):
            return "compute_loss_func and label_smoothing_factor read the logits of every position"
        if others := [name for name in dropouts(self.model) if ".lora_dropout." not in name]:
            return f"dropout is on ({others[0]})"
        return None
