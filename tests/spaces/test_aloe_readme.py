"""The card of the metric Space: its front matter, its examples, and the pins beside it."""

import doctest
import importlib.metadata
import json
import os
import re
import sys
from pathlib import Path

import pytest

from aloe_hub.hub.metric_space import COPIED
from aloe_hub.scoring import curve

yaml = pytest.importorskip("yaml")
pytest.importorskip("evaluate")

ROOT = Path(__file__).parents[2]
SPACE = ROOT / "spaces" / "aloe"
README = (SPACE / "README.md").read_text(encoding="utf-8")
PINS = dict(line.split("==") for line in (SPACE / "requirements.txt").read_text().splitlines())


def test_the_front_matter_is_that_of_a_metric_space():
    start, front, _ = README.split("---\n", 2)
    assert not start
    card = yaml.safe_load(front)
    assert (card["sdk"], card["app_file"], card["pinned"], card["tags"]) == ("gradio", "app.py", False, ["evaluate", "metric"])
    assert card["sdk_version"] == importlib.metadata.version("gradio")
    assert (SPACE / card["app_file"]).is_file()
    colours = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}  # the Hub takes no others
    assert {card["colorFrom"], card["colorTo"]} <= colours
    assert {"title", "description", "license"} <= card.keys()
    # The Hub's own default is Python 3.10, for which the pinned numpy does not exist.
    assert card["python_version"] == "3.11"


def test_every_example_of_the_card_is_true(monkeypatch, tmp_path):
    (tmp_path / "scores").mkdir()
    rows = [
        {"profile_id": "cook", "personality_id": "shy", "scores": [3] * 9 + [None]},
        {"profile_id": "nurse", "personality_id": "bold", "scores": [4] * 10},
    ]
    (tmp_path / "scores" / "tailored.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)
    assert {language for language, _ in blocks} == {"python", "bibtex"}
    code = "\n".join(block for language, block in blocks if language == "python")
    # Nobody's Space is named so; the folder that would be published stands in for it.
    assert code.count('"org/aloe"') == 1
    code = code.replace('"org/aloe"', repr(os.fspath(SPACE)))
    examples = doctest.DocTestParser().get_doctest(code, {}, "README.md", None, 0)
    assert len(examples.examples) == len(re.findall(r"^>>> ", code, flags=re.MULTILINE)) > 10
    assert doctest.DocTestRunner().run(examples).failed == 0


def test_the_bound_of_n_ir_that_the_card_gives_is_reached_by_a_step():
    bound = float(curve([0] * 5 + [1] * 5).n_ir)
    assert "no further from 0 than 0.152" in README
    assert 0.151 < bound < 0.152


def test_the_card_cites_as_the_metric_does():
    (entry,) = re.findall(r"```bibtex\n(.*?)```", README, flags=re.DOTALL)
    assert entry in (SPACE / "aloe.py").read_text(encoding="utf-8")


def test_the_requirements_are_third_party_pins_of_the_installed_versions():
    assert {name: importlib.metadata.version(name) for name in PINS} == PINS
    assert not any("aloe" in name for name in PINS)
    constraints = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert {name: version for name, version in PINS.items() if constraints.get(name, version) != version} == {}


def test_the_requirements_cover_all_that_the_files_import():
    own = {"scoring", "clusters", "matrix", "drawing", "theme", *(path.stem for path in SPACE.glob("*.py"))}
    code = "\n".join(
        path.read_text(encoding="utf-8") for path in [*SPACE.glob("*.py"), *COPIED.values(), ROOT / "spaces" / "theme.py"]
    )
    imported = set(re.findall(r"^ *(?:import|from) (\w+)", code, flags=re.MULTILINE))
    assert imported - own - sys.stdlib_module_names - {"aloe_hub"} == PINS.keys()
