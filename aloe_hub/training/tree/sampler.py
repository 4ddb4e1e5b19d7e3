"""The order of a training set in which a tree's rows stay together.

Rows only share a pass when they are in one batch. So the trees are shuffled, anew in each epoch, and each tree's rows follow
one another in the order of the data. A batch stays a number of rows: it may hold several trees, or a part of one.

Several processes walk the same order; accelerate deals its batches out in turn. So N processes with batches of B rows take the
rows of one process with batches of N x B.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import torch
from datasets import Dataset
from torch.utils.data import Sampler
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

S = TypeVar("S", bound=Sampler[int])


class TreeSampler(Sampler[int]):
    """Row numbers, tree by tree. The order is a function of (trees, seed, epoch) and of nothing else."""

    def __init__(self, trees: Sequence[Sequence[int]], seed: int) -> None:
        self.trees = trees
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        order = torch.randperm(len(self.trees), generator=torch.Generator().manual_seed(self.seed + self.epoch))
        for tree in order.tolist():
            yield from self.trees[tree]

    def __len__(self) -> int:
        return sum(map(len, self.trees))


class EpochSampler(Sampler[int]):
    """TRL's order of rows, shuffled by (seed, epoch): its own draws on from epoch to epoch, which a resumed training does not."""

    def __init__(self, inner: Any) -> None:  # noqa: ANN401 - RepeatSampler, which TRL types as a sampler
        self._inner = inner

    def set_epoch(self, epoch: int) -> None:
        if self._inner.shuffle:
            self._inner.generator.manual_seed(self._inner.seed + epoch)

    def __iter__(self) -> Iterator[int]:
        yield from self._inner

    def __len__(self) -> int:
        return len(self._inner)


class TellEpoch(TrainerCallback):
    """Tells a sampler which epoch begins.

    Accelerate does so too, but does not reach the sampler when a run of several processes resumes in the middle of an epoch.
    """

    def __init__(self, sampler: Any) -> None:  # noqa: ANN401 - one with set_epoch
        self.sampler = sampler

    @classmethod
    def of(cls, trainer: Trainer, sampler: S) -> S:
        """The sampler, which from now on this trainer tells, and no other one."""
        trainer.remove_callback(cls)
        trainer.add_callback(cls(sampler))
        return sampler

    def on_epoch_begin(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: object) -> None:
        self.sampler.set_epoch(int(state.epoch or 0))


def trees_of(dataset: Dataset, largest: int) -> list[list[int]]:
    """The row numbers of each tree, in the order of the data.

    Rows are of one tree when they have the same `tree_id`. Without that column they are when the prompt of one begins with the
    prompt of another: the turns of a conversation, several replies to one prompt. Such trees come in parts of at most `largest`
    rows, shuffled apart: were one prompt shared by all rows, their order would never change.
    """
    if "tree_id" in dataset.column_names:
        return list(_grouped(dataset["tree_id"]).values())
    trees = _grouped(_roots(_prompts(dataset))).values()
    return [tree[start : start + largest] for tree in trees for start in range(0, len(tree), largest)]


def _grouped(names: Iterable[Hashable]) -> dict[Hashable, list[int]]:
    groups: dict[Hashable, list[int]] = {}
    for row, name in enumerate(names):
        groups.setdefault(name, []).append(row)
    return groups


def _prompts(dataset: Dataset) -> list[Any]:
    """Each row's prompt as text or as messages, or its tokens where the data came tokenised."""
    if "prompt" in dataset.column_names:
        return [
            prompt if isinstance(prompt, str) else [json.dumps(message, sort_keys=True) for message in prompt]
            for prompt in dataset["prompt"]
        ]
    return list(dataset["prompt_ids" if "prompt_ids" in dataset.column_names else "input_ids"])


def _roots(prompts: list[Any]) -> list[int]:
    """For each row, the row whose prompt begins all prompts of its tree."""
    roots = [0] * len(prompts)
    root = None
    for row in sorted(range(len(prompts)), key=lambda row: prompts[row]):
        # In this order, whatever goes on from a prompt stands directly behind it. An empty prompt begins nothing.
        if root is None or not prompts[root] or prompts[row][: len(prompts[root])] != prompts[root]:
            root = row
        roots[row] = root
    return roots
