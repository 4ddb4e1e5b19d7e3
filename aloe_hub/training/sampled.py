"""What the methods that sample replies while they train have in common: SDFT and GRPO."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch.utils.data import Sampler

from aloe_hub.errors import UsageError


def check_sampling(config: Any, rows: int) -> None:  # noqa: ANN401 - TRL's, which have no base of their own
    """Raises: UsageError: options with which a stopped training could not go on, or not one step could be made of the rows."""
    kept_for = (config.steps_per_generation or 1) * config.num_iterations
    if config.gradient_accumulation_steps % kept_for:
        raise UsageError(
            f"num_iterations {config.num_iterations}, steps_per_generation {config.steps_per_generation}: replies would be kept "
            "from one step to the next, and are in no checkpoint; leave both out"
        )
    wanted = (config.generation_batch_size or 0) // config.num_generations
    if rows < wanted:
        raise UsageError(f"--batch-size: a step takes {wanted} rows, and there are {rows}; TRL would train on none; lower it")


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
