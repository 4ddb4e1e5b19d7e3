"""Two processes on CPU (DDP over gloo) train as one does with the same global batch.

This file is also the script that the processes run: `torchrun … test_processes.py BATCH OUTPUT`. Not `accelerate launch`,
whose `--cpu --num_processes 2` (1.15) starts one process, without a word.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest
import torch
from datasets import Dataset
from trl import DPOConfig, SFTConfig

from aloe_hub.training import RankConfig, TreeDPOTrainer, TreeRankTrainer, TreeSFTTrainer

sys.path.insert(0, str(Path(__file__).parents[3]))  # as a script it does not find it by itself
from tests.preloaded import PYTHON
from tests.training import tiny_trees as tiny


def trained(batch: int, folder: Path) -> dict[str, dict[str, Any]]:
    """Train in each way, `batch` rows a process, and return the weights and the logs."""
    datasets.disable_progress_bars()
    torch.set_num_threads(1)
    results = {}
    rows = [row | {"weight": 1.0 + number % 3} for number, row in enumerate(tiny.rows(trees=8, turns=3))]
    forks = [row | {"completions": [row["chosen"], row["rejected"], row["chosen"] * 2], "ranks": [1, 3, 2]} for row in rows]
    kinds: dict[str, tuple[Any, Any, list[dict[str, Any]], dict[str, Any]]] = {
        "dpo": (TreeDPOTrainer, DPOConfig, tiny.rows(trees=8, turns=3), {}),
        "sft": (TreeSFTTrainer, SFTConfig, list(tiny.completions(trees=8, turns=3)), {}),
        "lcpo": (TreeDPOTrainer, DPOConfig, rows, {"loss_type": "lcpo", "label_smoothing": 0.2}),
        "rank": (TreeRankTrainer, RankConfig, forks, {}),
    }
    for name, (kind, config, data, options) in kinds.items():
        trainer = kind(
            model=tiny.model(),
            args=config(
                **options,
                output_dir=str(folder / name),
                per_device_train_batch_size=batch,
                gradient_accumulation_steps=2,
                num_train_epochs=2,
                learning_rate=1e-2,
                logging_steps=1,
                save_strategy="no",
                bf16=False,
                use_cpu=True,
                report_to=[],
                disable_tqdm=True,
            ),
            train_dataset=Dataset.from_list(data),
            processing_class=tiny.tokenizer(),
            peft_config=tiny.lora(),
        )
        trainer.train()
        weights = {name: weight.detach() for name, weight in trainer.model.named_parameters() if weight.requires_grad}
        logs = [log for log in trainer.state.log_history if "loss" in log]
        results[name] = {"weights": weights, "logs": logs}
    return results


@pytest.mark.torture
def test_two_processes_train_as_one_with_the_same_global_batch(tmp_path):
    launch = [*PYTHON, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "--no-python", *PYTHON]
    done = subprocess.run([*launch, __file__, "3", str(tmp_path)], capture_output=True, text=True, cwd=Path(__file__).parent)
    assert done.returncode == 0, done.stderr[-3000:]
    together = torch.load(tmp_path / "trained.pt", weights_only=False)
    for name, alone in trained(6, tmp_path).items():
        one, two = (torch.cat([weight.flatten() for weight in each["weights"].values()]) for each in (alone, together[name]))
        assert (one - two).norm() <= 1e-5 * one.norm()
        for expected, found in zip(alone["logs"], together[name]["logs"], strict=True):
            # Each process packs its own rows: less is shared, the rows are the same.
            assert found["tree/tokens_exploded"] == expected["tree/tokens_exploded"] == found["num_tokens"]
            assert found.get("noise/reliability", 0) == pytest.approx(expected.get("noise/reliability", 0), abs=1e-5)
            assert found.get("rewards/accuracies", 0) == pytest.approx(expected.get("rewards/accuracies", 0), abs=1e-5)
            assert expected["tree/tokens"] <= found["tree/tokens"] < found["tree/tokens_exploded"]


if __name__ == "__main__":
    batch, output = int(sys.argv[1]), Path(sys.argv[2])
    results = trained(batch, output)
    if torch.distributed.get_rank() == 0:
        torch.save(results, output / "trained.pt")
    torch.distributed.destroy_process_group()
