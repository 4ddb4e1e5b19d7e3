"""The benchmark for a GPU, dry: a tiny model on a CPU goes through all of it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.torture
def test_the_dry_run_measures_every_cell_and_is_exact(tmp_path):
    script = Path(__file__).parents[2] / "bench" / "gpu.py"
    command = [sys.executable, str(script), "--dry-run", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    cells = json.loads((tmp_path / "gpu.json").read_text())["cells"]
    assert list(cells) == [
        "dpo 2 exact", "dpo 2 tree x2", "dpo 2 trl x2", "sft 2 exact", "sft 2 tree x2", "sft 2 trl x2", "sft 2 trl-unpadded x2"
    ]  # fmt: skip
    for name, found in cells.items():
        if name.endswith("exact"):
            assert len(found) == 4
            assert all(apart < 1e-5 for apart in found.values())
        else:
            assert found["seconds"] > 0
            assert name in done.stdout
    assert cells["dpo 2 tree x2"]["tokens"] < cells["dpo 2 trl x2"]["tokens"]
