"""The metric Space stands alone, and the metric in evaluate's module cache works anywhere, online or not."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import SpaceCard

from aloe_hub import scoring
from aloe_hub.hub import cards, metric_space
from tests.hub.taken import taken
from tests.preloaded import PYTHON

pytest.importorskip("evaluate")

ROOT = Path(__file__).parents[2]
CASES: list[dict[str, Any]] = [
    {"predictions": [[2, 3, None, 5], [1, 3, 3, 4], [2, None, 4, 4]], "cluster_ids": ["cook", "cook", "nurse"]},
    {"predictions": [[3, 3, 3]], "n_resamples": 0},
    {
        "predictions": [[2, 3, 5], [1, None, 4], [2, 4, 4], [1, 2, 2]],
        "cluster_ids": ["cook", "cook", "nurse", "nurse"],
        "personality_ids": ["shy", "bold", "shy", "bold"],
    },
    {"predictions": [[None, 1.5, 4], [None, 2, 3]], "scale": [0, 100], "confidence": 0.9, "n_resamples": 50, "seed": 3},
]
EXPECTED = [json.dumps(scoring.score(case["predictions"], **dict(list(case.items())[1:])).to_dict()) for case in CASES]
# A process in which `aloe_hub` cannot be imported.
ALONE = """
import json, sys
sys.modules["aloe_hub"] = None
import evaluate
metric = evaluate.load(sys.argv[1])
for case in json.loads(sys.argv[2]):
    print("RESULT", json.dumps(metric.compute(**case)))
"""


@pytest.fixture
def offline(tmp_path):
    """Variables of a process that reaches no Hub and has never been here."""
    nowhere = {"HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path / "home")}
    own = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHONPATH"))}
    return own | nowhere | {"CUDA_VISIBLE_DEVICES": ""}


def results(name: str, environment: dict[str, str], folder: Path) -> list[str]:
    """What the metric returns in a fresh process, as JSON (in which NaN is equal to NaN)."""
    command = [*PYTHON, "-c", ALONE, name, json.dumps(CASES)]
    done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [line.removeprefix("RESULT ") for line in done.stdout.splitlines() if line.startswith("RESULT ")]


def test_the_vendored_scoring_is_the_packages_own_and_the_imports_of_the_metric_say_so():
    files = metric_space.metric_files()
    assert files["scoring.py"] == Path(scoring.levels.__file__).read_bytes()
    for name in ("clusters.py", "matrix.py"):
        assert files[name] == Path(scoring.levels.__file__).with_name(name).read_bytes()
    here = (ROOT / "spaces/aloe/aloe.py").read_text().splitlines()
    alone = files["aloe.py"].decode().splitlines()
    changed = [(one, other) for one, other in zip(here, alone, strict=True) if one != other]
    assert changed == [
        ("from aloe_hub.scoring import score", "from .scoring import score"),
        ("from aloe_hub.scoring.clusters import Ids", "from .clusters import Ids"),
        ("from aloe_hub.scoring.matrix import Conversations", "from .matrix import Conversations"),
    ]


def test_the_space_holds_the_metric_the_app_and_its_requirements_and_nothing_of_a_checkout():
    files = metric_space.metric_files()
    assert {"aloe.py", "scoring.py", "app.py", "requirements.txt"} <= set(files)
    assert "README.md" not in files  # it is the card, which is merged
    assert not [name for name in files if "__pycache__" in name or name.startswith((".", "test"))]
    requirements = files["requirements.txt"].decode().splitlines()
    pins = [line for line in requirements if line.strip() and not line.startswith("#")]
    assert pins
    for line in pins:  # third-party releases only: no address, no path, not ourselves
        assert re.fullmatch(r"[A-Za-z0-9_.\[\]-]+\s*[=<>~!][^@/]*", line), line
        assert not line.lower().replace("_", "-").startswith("aloe"), line


def test_the_spaces_card_is_a_metric_spaces():
    card = metric_space.metric_card()
    taken(card, SpaceCard)
    front, text = cards.parts(card, "the card")
    assert front["sdk"] == "gradio"
    assert re.fullmatch(r"\d+\.\d+(\.\d+)?", str(front["sdk_version"]))
    assert front["app_file"] == "app.py"
    assert {"evaluate", "metric"} <= set(front["tags"])
    assert front["title"]
    assert (text.count(cards.BEGIN), text.count(cards.END)) == (1, 1)
    first = cards.merged(None, card, keep_licence=True)
    assert cards.merged(first, card, keep_licence=True) == first
    assert yaml.safe_load(first.split("---\n")[1]) == front


def test_the_files_of_the_space_stand_alone(tmp_path, offline):
    folder = tmp_path / "aloe"
    folder.mkdir()
    for name, content in metric_space.metric_files().items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    assert results(str(folder), offline, tmp_path) == EXPECTED


def test_the_app_runs_from_the_files_of_the_space(tmp_path, offline):
    pytest.importorskip("gradio")
    for name, content in metric_space.metric_files().items():
        (tmp_path / name).write_bytes(content)
    code = "import sys; sys.modules['aloe_hub'] = None; sys.path.insert(0, '.'); import app; print(app.score.__module__)"
    done = subprocess.run([sys.executable, "-c", code], env=offline, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "scoring"), done.stderr


def test_the_installed_metric_is_what_evaluate_load_aloe_means_without_any_hub(tmp_path, offline, monkeypatch):
    command = [sys.executable, "-m", "aloe_hub.cli.app", "publish", "metric", "--install"]
    done = subprocess.run(command, env=offline, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert 'evaluate.load("aloe")' in done.stdout.replace("'", '"')
    folder = Path(done.stdout.splitlines()[0].removeprefix("installed in "))
    assert folder.is_relative_to(tmp_path / "home")
    assert sorted(path.name for path in folder.iterdir()) == ["__init__.py", "aloe.py", "clusters.py", "matrix.py", "scoring.py"]
    # Another version, installed since: evaluate takes the newest.
    later = folder.with_name("f" * 64)
    later.mkdir()
    for name in ("__init__.py", "aloe.py"):
        (later / name).write_text("raise SystemExit('an old version')\n" if name == "aloe.py" else "")
    monkeypatch.setattr("evaluate.config.HF_MODULES_CACHE", str(tmp_path / "home/modules"))
    assert metric_space.install_metric() == folder
    assert results("aloe", offline, tmp_path) == EXPECTED


@pytest.mark.parametrize("what", ["personas", "prefs"])
def test_only_the_metric_can_be_installed(aloe, what):
    status, _, errors = aloe("publish", what, "--install")
    assert (status, errors.count("\n")) == (2, 1)
    assert f"--install: only the metric can be installed, not {what}" in errors
