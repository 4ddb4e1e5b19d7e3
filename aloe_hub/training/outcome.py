"""What came of a training: the report of its record, and what a stopped training must remember to give it whole."""

from __future__ import annotations

import math
import platform
import resource
import sys
import time
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

import torch

# What says where the training is and how fast this machine, and not how good the model.
_BESIDE = (
    "step", "epoch", "learning_rate", "grad_norm", "num_tokens", "tokens", "tokens_exploded",
    "runtime", "samples_per_second", "steps_per_second",
)  # fmt: skip
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
    measured: Mapping[str, float | int],
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
    return {"steps": steps, **measured, "log": log, "final": final, "ranking_accuracy": ranking, "tokens": tokens}


def versions() -> dict[str, str]:
    return {name: version(package) for name, package in _PACKAGES.items()}


def device_name(device: torch.device, processes: int) -> str:
    """Such as `NVIDIA H100 x 8`, or `CPU (x86_64)`."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{device.type.upper()} ({platform.machine()})"
    return f"{name} x {processes}" if processes > 1 else name


def _numbers(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The entry as JSON can hold it: what is no number is null."""
    return {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in entry.items()}
