"""TRL's GRPO trainer, made to process each distinct token of a batch once.

The replies of a group share their prompt, and prompts of one conversation share its beginning. TRL computes the log-probabilities
of policy and reference on padded rows of prompt and reply; here both come from one pass over the trie of those rows, in TRL's
layout, and the rest is TRL's: the same loss, gradients and metrics (tests/training/tree/test_tree_grpo.py). So that there is more
to share, a step takes prompts of one tree.

Sampling is TRL's own, but that it reads each prompt once (prefill.py). As the other trainers do, it says so and trains as TRL
does where one pass could not be exact.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import nn
from torch.utils.data import Sampler
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import RepeatSampler

from .batch import IGNORED, TreeBatch, pack
from .exactness import dropouts, model_obstacle
from .forward import add_tree_forward
from .prefill import read_prompts_once
from .sampler import TellEpoch, TreeSampler, trees_of
from .trainers import _OnePass, causal_lm_of


class TreeGRPOTrainer(_OnePass, GRPOTrainer):
    """`trl.GRPOTrainer` with one pass over the replies of a batch, for the policy, the reference and the policy that sampled.

    `tree/tokens` and `tree/tokens_exploded` in the logs count the tokens of the passes that are trained through.
    """

    _is_vision_dataset = False  # its images are in the batch: see below
    num_generations: Any  # TRL's types say less than is there

    def _get_ready(self) -> None:
        rows = self.data_collator
        super()._get_ready()
        self.data_collator = rows  # prompts, which nobody has replied to yet
        if not self._packs:
            return
        read_prompts_once(causal_lm_of(self.model))
        if self.ref_model is not None:
            add_tree_forward(self.accelerator.unwrap_model(self.ref_model))

    def _obstacle(self) -> str | None:
        if (reason := super()._obstacle()) is not None:
            return reason
        if on := dropouts(self.model):
            return f"dropout is on ({on[0]}), and the replies of a group would share it"
        return None if self.ref_model is None else model_obstacle(self.accelerator.unwrap_model(self.ref_model))

    def _get_train_sampler(self, dataset: Any = None) -> Sampler[int]:  # noqa: ANN401 - TRL's own
        if not (self._packs and self.shuffle_dataset):
            return GRPOTrainer._get_train_sampler(self, dataset)
        prompts = self.args.generation_batch_size // self.num_generations
        trees = TreeSampler(trees_of(self.train_dataset, prompts), self.args.seed)
        repeats = self.num_iterations * self.args.steps_per_generation
        return TellEpoch.of(self, StepSampler(trees, prompts, self.num_generations, repeats))

    def compute_loss(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - TRL's own, which asks for its passes below
        return GRPOTrainer.compute_loss(self, *args, **kwargs)

    def _get_per_token_logps_and_entropies(
        self,
        model: nn.Module,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        **others: Any,  # noqa: ANN401 - of images, and of routers
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        size, found = batch_size or len(input_ids), list[Any]()
        images = any(value is not None and value is not False for value in others.values())
        for start in range(0, len(input_ids), size) if self._packs and not images else ():
            ids, mask = input_ids[start : start + size], attention_mask[start : start + size]
            batch = packed(ids, mask, logits_to_keep)
            if "tree" in batch:
                self._check(self.accelerator.unwrap_model(model), batch)  # which may take it out
            if "tree" not in batch:
                found.clear()
                break
            labels, tree = batch["labels"], _in_layout(batch["tree"], mask)
            with self.accelerator.autocast():
                found.append(model(input_ids=ids, attention_mask=mask, labels=labels, tree=tree, fused_lm_head=True))
            self._count(len(tree), tree.exploded)
        if not found:
            self._count(int(attention_mask.sum()), int(attention_mask.sum()))
            return super()._get_per_token_logps_and_entropies(  # type: ignore[no-any-return]
                model, input_ids, attention_mask, logits_to_keep, batch_size, compute_entropy, **others
            )
        entropy = torch.cat([one.entropy[:, -logits_to_keep:] for one in found]) if compute_entropy else None
        return torch.cat([one.log_probs[:, -logits_to_keep:] for one in found]), entropy, None


def packed(ids: torch.Tensor, mask: torch.Tensor, keep: int) -> dict[str, Any]:
    """Rows of prompt and reply, padded on both sides as TRL has them, moved to the left and joined by their trie, `tree`.

    Without `tree` where no reply has a token, or where a row has a hole. keep: how many columns at the end are of replies.
    """
    places, begins, lengths = torch.arange(mask.shape[1], device=mask.device), mask.argmax(dim=1), mask.sum(dim=1)
    inside = places < lengths[:, None]
    moved = (places + begins[:, None]).clamp(max=mask.shape[1] - 1)
    labels = ids.masked_fill((mask == 0) | (places < mask.shape[1] - keep), IGNORED)
    batch: dict[str, Any] = {
        "input_ids": ids.gather(1, moved).masked_fill(~inside, 0),
        "attention_mask": inside.long(),
        "labels": labels.gather(1, moved).masked_fill(~inside, IGNORED),
    }
    whole = bool((mask.gather(1, moved) == 1)[inside].all())
    tree = pack({name: value.cpu() for name, value in batch.items()}) if whole else None
    return batch if tree is None else batch | {"tree": tree.to(ids.device)}


def _in_layout(tree: TreeBatch, mask: torch.Tensor) -> TreeBatch:
    """The trie, whose predictions are scattered into rows that are padded on the left too."""
    n = len(tree.predictors)
    places = torch.arange(mask.shape[1] - 1, device=mask.device) - mask.argmax(dim=1)[:, None]
    return replace(tree, gather=tree.gather.gather(1, places.clamp(min=0)).masked_fill(places < 0, n))


class StepSampler(Sampler[int]):
    """TRL's RepeatSampler in the order of `rows`: `prompts` to a step, each `copies` times; each step comes `repeats` times."""

    def __init__(self, rows: TreeSampler, prompts: int, copies: int, repeats: int) -> None:
        self._rows, self._places = rows, RepeatSampler(rows, copies, prompts, repeats, shuffle=False)

    def set_epoch(self, epoch: int) -> None:
        self._rows.set_epoch(epoch)

    def __iter__(self) -> Iterator[int]:
        order = list(self._rows)
        yield from (order[place] for place in self._places)

    def __len__(self) -> int:
        return len(self._places)
