"""What `make` installs: the versions of constraints.txt, each file by its hash, torch alone without."""

import re
import runpy
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
GROUPS = {path.stem: path for path in sorted((ROOT / "requirements").glob("*.txt"))}


def pins(group):
    text = GROUPS[group].read_text().replace("\\\n", "")
    return {line.split("==")[0]: line for line in text.splitlines() if not line.startswith("#")}


@pytest.mark.parametrize("group", GROUPS)
def test_every_pin_is_that_of_the_constraints_and_has_hashes(group):
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    versions = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines if "==" in line)}
    for name, line in pins(group).items():
        assert re.fullmatch(rf"{name}=={re.escape(versions[name])}( +--hash=sha256:[0-9a-f]{{64}})+", line), line[:100]
    assert "torch" not in pins(group)


def test_every_dependency_is_locked():
    locked = set().union(*map(pins, GROUPS))
    needed = {canonicalize_name(Requirement(text).name) for text in distribution("aloe-hub").requires or ()}
    assert needed - {"aloe-hub", "torch"} <= locked


def test_the_demo_installs_less_than_the_tests():
    assert set(pins("demo")) < set(pins("dev"))
    assert {"pytest", "gradio", "ray", "playwright"} & set(pins("demo")) == set()


def test_the_versions_of_trl_that_are_tried_are_the_ends_of_the_range():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (allowed,) = (need.specifier for need in map(Requirement, extras["train"]) if need.name == "trl")
    tried = [Version(version) for version in runpy.run_path(str(ROOT / "scripts" / "compat.py"))["VERSIONS"]]
    assert all(version in allowed for version in tried)
    ends = {bound.operator: Version(bound.version).release[:2] for bound in allowed}
    assert min(tried).release[:2] == ends[">="]
    assert (max(tried).major, max(tried).minor + 1) == ends["<"]
    assert f"trl=={max(tried)}" in (ROOT / "constraints.txt").read_text().splitlines()
