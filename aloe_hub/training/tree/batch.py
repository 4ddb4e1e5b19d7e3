"""The token trie of a batch: every distinct (prefix, token) of its rows once, laid out for one pass of a model.

A tree of T turns explodes into T rows whose prompts repeat one another, so processing them one by one costs O(T²) tokens. Their
trie has O(T). It is built from TRL's own padded batch, after its truncation: what the chat template did does not matter, rows
that differ earlier only share less.

The trie is cut into *branches*: the longest row is the first, each other row adds the part that no earlier row has. A branch is
one stretch of slots, and a slot's descendants are the stretch that follows it:

    rows    a b c d e        slots   0 1 2 3 4 | 5 6 | 7
            a b c x y        tokens  a b c d e | x y | z
            a b z            ends    8 8 7 5 5 | 7 7 | 8       slot j stands above slot i  <=>  j <= i < ends[j]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

Ids = NDArray[np.int64]

IGNORED = -100  # the label of a token that carries no loss, in TRL as in transformers

# What TRL's own collators return. Anything else in a batch (images, packed positions) would be lost in the pass.
_COLUMNS = {"input_ids", "attention_mask", "labels", "completion_mask", "ref_chosen_logps", "ref_rejected_logps"}
BESIDE = {"weight", "forks", "ranks", "relevance", "criticised"}  # what our collators add: for the loss, and no model takes it


@dataclass(frozen=True, slots=True)
class Branch:
    """A stretch of slots that follow one another without a fork between them, and the stretches above it, root first."""

    start: int
    end: int
    above: tuple[slice, ...] = ()

    @property
    def depth(self) -> int:
        """How many tokens stand above it: the position of its first token in a row."""
        return sum(part.stop - part.start for part in self.above)


@dataclass(frozen=True, slots=True)
class TreeBatch:
    """The trie of one batch of `rows` x `length` padded tokens; N slots, n distinct predictions.

    A prediction is a pair of a slot and the next token whose probability is wanted; two rows that go on differently from one
    slot are two predictions of it.
    """

    tokens: torch.Tensor  # (1, N)
    depths: torch.Tensor  # (1, N): position ids
    ends: torch.Tensor  # (N,): one past the last slot below each slot
    branches: tuple[Branch, ...]
    predictors: torch.Tensor  # (n,): the slot that predicts
    labels: torch.Tensor  # (1, n): what it predicts
    gather: torch.Tensor  # (rows, length - 1): which prediction stands there in TRL's layout; n where no label is
    exploded: int  # tokens of the rows, without padding

    def __len__(self) -> int:
        return self.tokens.shape[1]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> TreeBatch:
        """The same on another device. Accelerate's data loaders call this, as they do for a tensor."""
        names = ("tokens", "depths", "ends", "predictors", "labels", "gather")
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=non_blocking) for name in names})


@dataclass(frozen=True, slots=True)
class TreeCollator:
    """TRL's collator, its batch joined by the batch's trie under the key `tree`."""

    rows: Callable[[list[Any]], Mapping[str, Any]]

    def __call__(self, examples: list[Any]) -> dict[str, Any]:
        batch = dict(self.rows(examples))
        tree = pack(batch)
        return batch if tree is None else {**batch, "tree": tree}


def pack(batch: Mapping[str, Any]) -> TreeBatch | None:
    """The trie of a batch as TRL's collators make it; None for a batch of other columns, left padding, or no label at all."""
    if not batch.keys() <= _COLUMNS | BESIDE:
        return None
    ids, mask = batch["input_ids"].numpy(), batch["attention_mask"].numpy()
    lengths = mask.sum(axis=1)
    if (mask != (np.arange(mask.shape[1]) < lengths[:, None])).any():
        return None
    labels = labels_of(batch).numpy()
    labelled = labels[:, 1:] != IGNORED
    if not labelled.any():
        return None
    # Nothing after the last labelled token is looked at, and that token itself predicts nothing.
    used = np.where(labelled.any(axis=1), labelled.shape[1] - labelled[:, ::-1].argmax(axis=1), 0)
    root = _Run(ids[0, :0])
    slots = np.zeros(labelled.shape, dtype=np.int64)
    trails = {row: root.add(ids[row, : used[row]]) for row in np.argsort(-used, kind="stable")}  # the longest first
    runs = root.laid_out()
    for row, trail in trails.items():
        place = 0
        for run, count in trail:
            slots[row, place : place + count] = np.arange(run.start, run.start + count)
            place += count
    pairs, which = np.unique(np.stack([slots[labelled], labels[:, 1:][labelled]]), axis=1, return_inverse=True)
    gather = np.full(labelled.shape, pairs.shape[1])
    gather[labelled] = which.reshape(-1)
    return TreeBatch(
        tokens=torch.from_numpy(np.concatenate([run.tokens for run in runs]))[None],
        depths=torch.from_numpy(np.concatenate([run.depth + np.arange(len(run.tokens)) for run in runs]))[None],
        ends=torch.from_numpy(_ends(runs)),
        branches=tuple(Branch(run.start, run.start + len(run.tokens), run.above()) for run in runs),
        predictors=torch.from_numpy(pairs[0].copy()),
        labels=torch.from_numpy(pairs[1].copy())[None],
        gather=torch.from_numpy(gather),
        exploded=int(lengths.sum()),
    )


def of_the_model(batch: Mapping[str, Any]) -> dict[str, Any]:
    """What of a batch TRL's own code may see."""
    return {name: value for name, value in batch.items() if name not in BESIDE}


def labels_of(batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The labels of a batch, in TRL's own layout: SFT's batches bring them, DPO's say where the completions are."""
    if "labels" in batch:
        return batch["labels"]
    return batch["input_ids"].masked_fill(batch["completion_mask"] == 0, IGNORED)


@dataclass(slots=True, eq=False)
class _Run:
    """A branch while the trie grows: `tokens` that hang below the first `fork` tokens of `parent`. The root has neither."""

    tokens: Ids
    parent: _Run | None = None
    fork: int = 0
    depth: int = 0
    start: int = 0
    children: dict[tuple[int, int], _Run] = field(default_factory=dict)  # by (fork, first token)

    def above(self) -> tuple[slice, ...]:
        if self.parent is None or self.fork == 0:
            return ()
        return (*self.parent.above(), slice(self.parent.start, self.parent.start + self.fork))

    def add(self, row: Ids) -> list[tuple[_Run, int]]:
        """Add a row below this root; returns the runs that it follows, each with how many of the run's tokens are the row's."""
        trail: list[tuple[_Run, int]] = []
        run, shared, place = self, 0, 0
        while place < len(row):
            rest = row[place:]
            run = run.children.setdefault((shared, int(rest[0])), _Run(rest, run, shared, place))
            shared = _common(run.tokens, rest)
            trail.append((run, shared))
            place += shared
        return trail

    def laid_out(self) -> list[_Run]:
        """All runs below this root, each with its slots: a run, then what forks off it, the deepest fork first."""
        runs, waiting, place = [], [self], 0
        while waiting:
            run = waiting.pop()
            run.start = place
            place += len(run.tokens)
            runs.append(run)
            waiting.extend(sorted(run.children.values(), key=lambda child: child.fork))
        return runs[1:]


def _ends(runs: list[_Run]) -> Ids:
    """For every slot, one past the last slot below it."""
    ends = np.concatenate([np.full(len(run.tokens), run.start + len(run.tokens)) for run in runs])
    for run in reversed(runs):  # children before their parents
        if run.parent is not None:
            above = ends[run.parent.start : run.parent.start + run.fork]
            np.maximum(above, ends[run.start], out=above)
    return ends


def _common(one: Ids, other: Ids) -> int:
    """The length of the common beginning."""
    length = min(len(one), len(other))
    differing = np.flatnonzero(one[:length] != other[:length])
    return int(differing[0]) if len(differing) else length
