"""Two processes on CPU (DDP over gloo) train as one does with the same global batch.

This file is also the script that the processes run: `torchrun … test_processes.py BATCH OUTPUT`. Not `accelerate launch`,
whose `--cpu --num_processes 2` (1.15) starts one process, without a word.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import torch
from trl import DPOConfig, SFTConfig

from aloe_hub.training import TreeDPOTrainer, TreeSFTTrainer

sys.path.insert(0, str(Path(__file__).parents[3]))  # as a script it does not find it by itself
from tests.preloaded import PYTHON
from tests.training import tiny_trees as tiny


def trained(batch: int, folder: Path) -> dict[str, dict[str, Any]]:
    """Train both ways, `batch` rows a process, and return the weights and the last count of tokens."""
    datasets.disable_progress_bars()
    torch.set_num_threads(1)
    results = {}
    for kind, config, data in ((TreeDPOTrainer, DPOConfig, tiny.pairs), (TreeSFTTrainer, SFTConfig, tiny.completions)):
        trainer = kind(
            model=tiny.model(),
            args=config(
                output_dir=str(folder / kind.__name__),
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
            train_dataset=data(trees=8, turns=3),
            processing_class=tiny.tokenizer(),
            peft_config=tiny.lora(),
        )
        trainer.train()
        weights = {name: weight.detach() for name, weight in trainer.model.named_parameters() if weight.requires_grad}
        logs = [log for log in trainer.state.log_history if "loss" in log]
        results[kind.__name__] = {"weights": weights, "logs": logs}
    return results


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
            assert expected["tree/tokens"] <= found["tree/tokens"] < found["tree/tokens_exploded"]


if __name__ == "__main__":
    batch, output = int(sys.argv[1]), Path(sys.argv[2])
    results = trained(batch, output)
    if torch.distributed.get_rank() == 0:
        torch.save(results, output / "trained.pt")
    torch.distributed.destroy_process_group()
