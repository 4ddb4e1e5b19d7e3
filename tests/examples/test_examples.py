"""Each example runs as a reader would run it: offline, in a process of its own, in an empty folder."""

import os
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.version import Version

from tests.preloaded import PYTHON

EXAMPLES = Path(__file__).parents[2] / "examples"
SAYS = {
    "benchmark_a_function.py": ["scripted:tailored", "#repeats", "report.html"],
    "grow_and_read.py": ["user      ", "preferred", "forks"],
    "judge_transcripts.py": ["scores: [["],
    "score_and_compare.py": ["learns - plain:", "by evaluate: AVG", "1 missing"],
    "train_on_own_rows.py": ["loss "],
}
if Version(version("trl")) >= Version("1.15"):  # an older one trains row by row
    SAYS["train_on_own_rows.py"].append("times fewer tokens than row by row")


def run(name: str, folder: Path, *arguments: object) -> str:
    environment = os.environ | {
        "CUDA_VISIBLE_DEVICES": "",
        "HF_HOME": str(folder / "home"),
        "HF_ENDPOINT": "http://127.0.0.1:9",  # nobody is there
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(EXAMPLES.parent),
    }
    command = [*PYTHON, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_listed():
    listed = {line.split("`")[1] for line in (EXAMPLES / "README.md").read_text().splitlines() if line.startswith("| `")}
    assert listed == SAYS.keys() == {path.name for path in EXAMPLES.glob("*.py")}


@pytest.mark.parametrize("name", [name for name in SAYS if name != "grow_and_read.py"])
def test_an_example_runs_and_leaves_nothing_behind(name, tmp_path):
    output = run(name, tmp_path)
    assert [text for text in SAYS[name] if text not in output] == []
    assert {path.name for path in tmp_path.iterdir()} <= {"home"}


def test_an_example_keeps_what_it_made_where_it_is_told_to(tmp_path):
    output = run("grow_and_read.py", tmp_path, "run")
    assert [text for text in SAYS["grow_and_read.py"] if text not in output] == []
    assert {"trees.jsonl", "pairs.jsonl", "personas.jsonl"} <= {path.name for path in (tmp_path / "run").iterdir()}


def test_transcripts_of_a_file_are_judged(tmp_path):
    line = (
        '{"profile": "He is a cook.", "personality": "He is shy.", "messages": '
        '[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}'
    )
    (tmp_path / "talks.jsonl").write_text(f"{line}\n{line}\n")
    assert "scores: [[" in run("judge_transcripts.py", tmp_path, "talks.jsonl")
