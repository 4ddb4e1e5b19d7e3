"""CUT: a judge's own words about a reply say which of its tokens were at fault.

Xu et al. 2024, "Reasons to Reject? Aligning Language Models with Judgments" (arXiv 2312.14591), as the authors' code has it. A
model that is told beforehand what will be said of its reply, j, finds those tokens likelier that the words are about. So, of a
criticised reply y to x,

    at fault    y_t  with  p(y_t | x, j) > λ p(y_t | x)
    L2          -α log(1 - p(y_t | x)) of the tokens at fault, -log p(y_t | x) of the others
    L1          -log p(y_t | x, j) of a criticised reply; of one that is not, -log p(y_t | x)

each as a mean over its tokens, and the loss is (L1 + L2) / 2; L1 alone where nothing is criticised. What is at fault carries no
gradient. There is no reference. On the tree a criticised reply is two rows, which share all but the words about it.
"""

from __future__ import annotations

from typing import Any

import torch
from datasets import Dataset
from torch import nn

from .losses import cut
from .ranked import TreeRankTrainer, ids_of

CRITICISED = "{message}\n\n(Of your answer it will be said: {criticism})"


def told(prompt: list[dict[str, str]], criticism: str) -> list[dict[str, str]]:
    """The conversation before a reply, when it is told what will be said of that reply."""
    *before, last = prompt
    return [*before, {**last, "content": CRITICISED.format(message=last["content"], criticism=criticism)}]


class TreeCutTrainer(TreeRankTrainer):
    """`TreeRankTrainer` with `loss_type="cut"`. Rows have `criticisms`, too: by reply a text, or None for one without a fault."""

    losses = ("cut",)

    def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, dataset_name: str) -> Dataset:  # noqa: ANN401
        def tokenised(row: dict[str, Any]) -> dict[str, Any]:
            found: list[list[int]] = []
            for reply, ids, criticism in zip(row["completions"], row["completions_ids"], row["criticisms"], strict=True):
                if criticism is None:
                    found.append([])
                    continue
                prompt = told(row["prompt"], criticism)
                whole = ids_of(processing_class, prompt + reply)
                begins = len(whole) - len(ids)
                if whole[begins:] != ids:
                    raise ValueError("loss_type cut: the chat template writes a reply otherwise after another user's message")
                if args.max_length is not None and len(whole) > args.max_length:
                    raise ValueError(
                        f"loss_type cut: a reply has {len(whole)} tokens with its prompt and what is said of it, more than "
                        f"max_length {args.max_length}; both of its rows would be cut, and not alike"
                    )
                found.append(whole[:begins])
            return {"told_ids": found}

        if "weight" in dataset.column_names:
            raise ValueError("loss_type cut: its means are over the tokens of a batch, so rows have no weights of their own")
        dataset = super()._prepare_dataset(dataset, processing_class, args, dataset_name)
        return dataset.map(tokenised, num_proc=args.dataset_num_proc, desc=f"Tokenizing {dataset_name} dataset")

    def _loss_of_batch(self, model: nn.Module, inputs: dict[str, Any]) -> torch.Tensor:
        log_probs, _ = self._passed(model, inputs)
        said = inputs["completion_mask"][:, 1:].bool()
        again = inputs["forks"] < 0
        criticised = torch.zeros_like(again)
        criticised[inputs["criticised"]] = True

        def of(rows: torch.Tensor) -> torch.Tensor:
            """Of each token that these rows say."""
            return log_probs[rows][said[rows]]

        loss, at_fault = cut(of(~again & ~criticised), of(criticised), of(again), self.args.cut_margin, self.args.cut_alpha)
        counts = at_fault.new_tensor([at_fault.sum(), at_fault.numel()], dtype=torch.float)
        found, every = self.accelerator.gather(counts).view(-1, 2).sum(dim=0).tolist()
        self._log({"cut/at_fault": found / max(every, 1)}, inputs)
        return loss
