"""The folder alone: copied elsewhere under another name, in a process that cannot import aloe_hub, it trains."""

import shutil
import subprocess
from pathlib import Path

import aloe_hub.training.tree
from tests.preloaded import PYTHON

SCRIPT = """
import sys

sys.modules["aloe_hub"] = None  # whoever imports it fails
import tiny_trees as tiny
from trl import DPOConfig

from lifted import TreeDPOTrainer

trainer = TreeDPOTrainer(
    model=tiny.model(),
    args=DPOConfig(output_dir="out", max_steps=1, bf16=False, use_cpu=True, report_to=[], disable_tqdm=True, logging_steps=1),
    train_dataset=tiny.pairs(),
    processing_class=tiny.tokenizer(),
    peft_config=tiny.lora(),
)
trainer.train()
logged = trainer.state.log_history[0]
assert trainer.state.global_step == 1
assert 0 < logged["tree/tokens"] < logged["tree/tokens_exploded"], logged
"""


def test_the_folder_trains_without_the_rest_of_the_package(tmp_path):
    shutil.copytree(Path(aloe_hub.training.tree.__file__).parent, tmp_path / "lifted")
    shutil.copy(Path(__file__).parents[1] / "tiny_trees.py", tmp_path)
    done = subprocess.run([*PYTHON, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
