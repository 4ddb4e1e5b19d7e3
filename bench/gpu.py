"""Training on whole trees on a GPU, beside TRL's own trainers at the settings that suit them best.

    python bench/gpu.py [--out FOLDER] [--minutes 8] [--dry-run] [CELL ...]

A model of the shape of Qwen2-0.5B with random weights, bfloat16, LoRA on every linear layer or all weights; trees of 10 and 20
turns, about 40 tokens a user message and 60 a reply. A figure is of one tree: forward, reference and backward, with collating,
after a warm-up. TRL gets its rows sorted by length, several batch sizes, and in SFT also rows without padding over
FlexAttention and over the flash kernels that torch ships with. `exact` compares losses and gradients with TRL's in float32.

Every cell is written to gpu.json as soon as it is measured. A cell that fails says so in a line; one that takes its process down
(an error of CUDA stays with a process) costs only itself; what no longer fits into the minutes is skipped and named. `--dry-run`
does the same with a tiny model on a CPU. CELL: only cells whose name has one of these words in it.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import math
import os
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TREES = {10: 16, 20: 8}  # by their turns; enough for batches that fill a GPU
LEAST = 15.0  # seconds that a cell may take; with fewer left, none is begun


@dataclass(frozen=True, slots=True)
class Cell:
    """One measurement. `batch`: trees a pass for ours, rows a pass for TRL's."""

    kind: str
    turns: int
    who: str = "exact"
    batch: int = 1
    full: bool = False
    checkpointing: bool = False

    @property
    def name(self) -> str:
        more = " full" * self.full + " checkpointing" * self.checkpointing
        return f"{self.kind} {self.turns} {self.who}" + ("" if self.who == "exact" else f" x{self.batch}") + more

    @property
    def ours(self) -> bool:
        return self.who.startswith("tree")


def cells(dry: bool) -> list[Cell]:
    """What matters most first."""
    if dry:
        found = [Cell(kind, 2, who, 2) for kind in ("dpo", "sft") for who in ("exact", "tree", "trl")]
        return [*found, Cell("sft", 2, "trl-unpadded", 2)]
    first = {
        ("dpo", 10): (("tree", 8), ("trl", 8), ("tree", 16), ("trl", 12), ("tree", 1)),
        ("sft", 10): (("tree", 16), ("trl-flash", 24), ("trl", 16), ("tree", 8), ("trl-flash", 10)),
        ("dpo", 20): (("tree", 4), ("trl", 6), ("tree", 8)),
        ("sft", 20): (("tree", 8), ("trl-flash", 12)),
    }
    found = [Cell(kind, turns, who, batch) for (kind, turns), each in first.items() for who, batch in each]
    found += [Cell("dpo", 10), Cell("sft", 1), Cell("sft", 10)]
    found += [Cell("dpo", 10, "tree", 4, full=True), Cell("dpo", 10, "trl", 8, full=True)]
    found += [Cell("dpo", 20, "tree", 8, checkpointing=True), Cell("dpo", 20, "trl", 12, checkpointing=True)]
    found += [Cell("sft", 10, "tree", 4, full=True), Cell("sft", 10, "trl", 16, full=True), Cell("sft", 10, "trl-flex", 10)]
    found += [Cell("dpo", 10, "tree-branches", 1), Cell("dpo", 10, "tree", 4), Cell("dpo", 10, "trl", 4)]
    found += [Cell("sft", 20, "trl", 8), Cell("dpo", 20), Cell("sft", 20)]
    return [*found, Cell("dpo", 10, "trl", 1), Cell("dpo", 20, "tree", 1), Cell("dpo", 20, "trl", 2)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path(tempfile.gettempdir(), "bench-gpu"))
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("--until", type=float, help=argparse.SUPPRESS)
    parser.add_argument("words", nargs="*", metavar="CELL")
    asked = parser.parse_args()
    path = asked.out / "gpu.json"
    if asked.until is not None:
        work(cells(asked.dry_run), path, asked.until, dry=asked.dry_run)
        return
    begun = time.time()
    until = begun + 60 * asked.minutes
    asked.out.mkdir(parents=True, exist_ok=True)
    wanted = [cell for cell in cells(asked.dry_run) if not asked.words or any(word in cell.name for word in asked.words)]
    write(path, {"cells": {cell.name: None for cell in wanted}})
    command = [
        sys.executable,
        str(Path(__file__)),
        "--out",
        str(asked.out),
        "--until",
        str(until),
        *["--dry-run"] * asked.dry_run,
    ]
    while left := [name for name, found in read(path)["cells"].items() if found is None]:
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(command, timeout=max(until - time.time(), 1) + 5, check=False)
        died = next((name for name in left if read(path)["cells"][name] is None), None)
        if died is not None:
            keep(path, died, {"error": "its process died" if time.time() < until else "was still running when time was up"})
    print_table(read(path))
    print(f"{time.time() - begun:.0f} s in all; {path}")


# --- results


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def write(path: Path, results: dict[str, Any]) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(results, indent=2) + "\n")
    partial.replace(path)


def keep(path: Path, name: str, found: dict[str, Any]) -> None:
    results = read(path)
    results["cells"][name] = found
    write(path, results)
    shown = ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in found.items())
    print(f"{name}: {shown}", flush=True)


def print_table(results: dict[str, Any]) -> None:
    print("\n" + ", ".join(f"{name} {value}" for name, value in results.get("machine", {}).items()))
    print(f"{'':34}{'s a tree':>10}{'peak MB':>10}{'tokens':>9}{'warm-up s':>11}{'compiled':>10}")
    for name, found in results["cells"].items():
        if "seconds" in found:
            figures = f"{found['seconds']:10.4f}{found['peak_mb']:10.0f}{found['tokens']:9.0f}{found['warm_up']:11.1f}"
            print(f"{name:34}{figures}{found['compiled']:10}")
        else:
            print(
                f"{name:34}  "
                + ", ".join(
                    f"{key} {value:.2g}" if isinstance(value, float) else f"{key}: {value}" for key, value in found.items()
                )
            )
    best: dict[str, dict[str, float]] = {}
    for cell in [cell for dry in (False, True) for cell in cells(dry)]:
        found = results["cells"].get(cell.name) or {}
        if "seconds" in found:
            of = f"{cell.kind} {cell.turns}" + " full" * cell.full + " checkpointing" * cell.checkpointing
            side = best.setdefault(of, {"ours": math.inf, "TRL": math.inf})
            side["ours" if cell.ours else "TRL"] = min(side["ours" if cell.ours else "TRL"], found["seconds"])
    for of, side in best.items():
        if math.isfinite(ratio := side["TRL"] / side["ours"]) and ratio > 0:
            print(f"{of}: {ratio:.2f} times as fast as TRL at its best ({side['ours']:.4f} s, {side['TRL']:.4f} s)")


# --- the process that measures


def work(every: list[Cell], path: Path, until: float, *, dry: bool) -> None:
    import logging
    import warnings

    import datasets
    import torch

    warnings.simplefilter("ignore")
    logging.disable(logging.INFO)
    datasets.disable_progress_bars()
    if dry:
        torch.set_num_threads(1)
    results = read(path)
    results["machine"] = machine()
    write(path, results)
    for cell in every:
        if cell.name not in results["cells"] or results["cells"][cell.name] is not None:
            continue
        if time.time() + (0 if dry else LEAST) > until:
            keep(path, cell.name, {"skipped": "no time left"})
            continue
        try:
            found = exact(cell, dry) if cell.who == "exact" else measured(cell, dry)
        except torch.OutOfMemoryError:
            found = {"error": "out of memory"}
        except Exception as error:  # the next cell may do better
            traceback.print_exc()
            found = {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"}
        keep(path, cell.name, found)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if "CUDA error" in str(found.get("error")):
            os._exit(1)  # nothing works in this process any more


def machine() -> dict[str, str]:
    from importlib.metadata import version

    import torch

    device = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}" if torch.cuda.is_available() else "CPU"
    return {"device": device} | {name: version(name) for name in ("torch", "transformers", "trl", "peft")}


def measured(cell: Cell, dry: bool) -> dict[str, Any]:
    """Seconds and tokens a tree, the peak of the GPU's memory, and how many graphs torch had to compile for it."""
    import torch
    from gpu_trainers import attention_of, trainer_of  # type: ignore[import-not-found]  # beside this file
    from torch._dynamo.utils import counters

    trees = 1 if dry else TREES[cell.turns]
    compiled = counters["stats"]["unique_graphs"]
    with attention_of(cell):
        trainer = trainer_of(cell, dry, trees=trees)
        batches = list(trainer.get_train_dataloader())
        began = time.perf_counter()
        for batch in [*batches[:2], batches[-1]]:
            step(trainer, batch)
        synchronize()
        warm_up = time.perf_counter() - began
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        rounds: list[float] = []
        while not rounds or (sum(rounds) < 2 and len(rounds) < 5):
            began = time.perf_counter()
            for batch in trainer.get_train_dataloader():
                step(trainer, batch)
            synchronize()
            rounds.append(time.perf_counter() - began)
    tokens = sum(len(batch["tree"]) if "tree" in batch else batch["input_ids"].numel() for batch in batches)
    if cell.ours and any("tree" not in batch for batch in batches):
        return {"error": "it trained as plain TRL"}
    return {
        "seconds": min(rounds) / trees,
        "rounds": [round(seconds / trees, 5) for seconds in rounds],
        "peak_mb": torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0.0,
        "tokens": tokens / trees,
        "warm_up": warm_up,
        "compiled": counters["stats"]["unique_graphs"] - compiled,
    }


def exact(cell: Cell, dry: bool) -> dict[str, Any]:
    """How far loss and gradient of one tree are from TRL's in float32, as shares of those. TRL in bfloat16 is the yardstick."""
    loss, gradient = loss_and_gradient(Cell(cell.kind, cell.turns, "trl", 2), dry, "float32")
    found: dict[str, Any] = {}
    for who, dtype in (("tree", "float32"), ("tree-branches", "float32"), ("tree", "bfloat16"), ("trl", "bfloat16")):
        if dry and dtype == "bfloat16":
            continue
        its_loss, its_gradient = loss_and_gradient(Cell(cell.kind, cell.turns, who, 1 if who != "trl" else 2), dry, dtype)
        found[f"{who} {dtype} loss"] = abs(its_loss - loss) / abs(loss)
        found[f"{who} {dtype} gradient"] = float((its_gradient - gradient).norm() / gradient.norm())
    return found


def loss_and_gradient(cell: Cell, dry: bool, dtype: str) -> tuple[float, Any]:
    import torch
    from gpu_trainers import attention_of, trainer_of

    with attention_of(cell):
        trainer = trainer_of(cell, dry, dtype=dtype, trees=1)
        batches = [trainer._prepare_inputs(batch) for batch in trainer.get_train_dataloader()]
        labels = sum(int((batch["labels"] != -100).sum()) for batch in batches) if cell.kind == "sft" else None
        total = 0.0
        for batch in batches:
            # As `Trainer` weighs them: DPO's loss is a mean over pairs, SFT's one over the tokens of all batches.
            share = len(batch["input_ids"]) / 2 / cell.turns if cell.kind == "dpo" else 1
            total += float(step(trainer, batch, labels, share))
        if cell.ours and not trainer._packs:
            raise RuntimeError("it trained as plain TRL")
    return total, torch.cat([weight.grad.double().flatten() for weight in trainer.model.parameters() if weight.grad is not None])


def step(trainer: Any, batch: Any, labels: int | None = None, share: float = 1) -> Any:  # noqa: ANN401
    """Forward, reference and backward of one batch; its loss."""
    inputs = trainer._prepare_inputs(dict(batch))
    with trainer.compute_loss_context_manager():
        loss = trainer.compute_loss(trainer.model, inputs, num_items_in_batch=labels) * share
    loss.backward()
    return loss.detach()


def synchronize() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
