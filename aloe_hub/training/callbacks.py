"""What is done beside TRL's training loop: show its progress, stop at NaN, and mark whole checkpoints."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from aloe_hub.errors import AloeError
from aloe_hub.training.folder import mark_whole


class ShowProgress(TrainerCallback):
    """Tells how many steps are done of how many."""

    def __init__(self, show: Callable[[int, int], None]) -> None:
        self._show = show

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: object) -> None:
        self._show(state.global_step, state.max_steps)

    on_train_begin = on_step_end


class LogWithSaves(TrainerCallback):
    """Logs wherever a checkpoint is saved.

    The losses since the last log are in no checkpoint: a resumed run could not log the same ones unless saves and logs meet.
    """

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: object) -> None:
        control.should_log |= control.should_save

    on_epoch_end = on_step_end


class MarkCheckpoints(TrainerCallback):
    """Marks a checkpoint as whole after every process has written its part of it."""

    def __init__(self, barrier: Callable[[], None], keep: Callable[[], Mapping[str, Any]]) -> None:
        self._barrier = barrier
        self._keep = keep

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: object) -> None:
        self._barrier()
        if state.is_world_process_zero:
            mark_whole(Path(str(args.output_dir)) / f"checkpoint-{state.global_step}", self._keep())


class StopOnNaN(TrainerCallback):
    """Stops before a step that would make the weights NaN, so that no checkpoint ever holds them.

    Looked for in the gradients, where every NaN or infinity of the loss arrives, and each process sees the same ones. With
    fp16 an infinite gradient is the loss scaler's everyday work, so there the logged loss is all that is looked at.
    """

    def __init__(self, last_checkpoint: Callable[[], Path | None]) -> None:
        self._last_checkpoint = last_checkpoint

    def on_pre_optimizer_step(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:  # noqa: ANN401
        if args.fp16:
            return
        gradients = [weights.grad for weights in others["model"].parameters() if weights.grad is not None]
        if not torch.isfinite(torch.nn.utils.get_total_norm(gradients)):
            self._stop("the gradient", state.global_step + 1)

    def on_log(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **others: Any) -> None:  # noqa: ANN401
        loss = others["logs"].get("loss", 0.0)
        if not math.isfinite(loss):
            self._stop(f"the loss ({loss})", state.global_step)

    def _stop(self, what: str, step: int) -> None:
        kept = self._last_checkpoint()
        raise AloeError(
            f"step {step}: {what} is not a number any more; lower --lr, and give another --name; "
            + (f"the last good checkpoint is kept: {kept}" if kept else "no checkpoint had been made")
        )
