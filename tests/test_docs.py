"""README and docs: every block of code runs or says why not, the README stays short, the site builds without a warning."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import aloe_hub
from tests.docs.blocks import DATA, RUN, SHOWN, blocks, pages
from tests.preloaded import PYTHON

ROOT = Path(__file__).resolve().parents[1]
PAGES = pages(ROOT)
BLOCKS = [block for page in PAGES for block in blocks(ROOT, page)]
SMALL = """
[personas]
profiles = 6
personalities = 4
profile_threshold = 0.85
personality_threshold = 0.85
pairings = 2
test_profiles = 2
test_personalities = 1

[trees]
turns = 3

[train]
batch_size = 6
eval_share = 0.2

[train.grpo]
num_generations = 2

[evaluate]
policies = ["scripted:tailored", "scripted:plain"]
turns = 2
temperature = 0.0
"""


def run_pages(work: Path, *arguments: str) -> dict[str, str]:
    """By block, what went wrong; the blocks that ran."""
    from aloe_hub.local_hub.process import client_environment, running

    (work / "small.toml").write_text(SMALL)
    (work / "bin").mkdir()
    for name, module in (("aloe", "-m aloe_hub.cli.app"), ("python", "")):
        program = work / "bin" / name
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" {module} "$@"\n')
        program.chmod(0o755)
    with running(work / "hub") as hub:
        environment = client_environment(hub, os.environ) | {
            "HOME": str(work / "home"),
            "PATH": f"{work / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "CUDA_VISIBLE_DEVICES": "",
            "OMP_NUM_THREADS": "1",
            "MPLBACKEND": "Agg",
        }
        command = [*PYTHON, str(ROOT / "tests" / "docs" / "run_pages.py"), str(ROOT), str(work), *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    log = (work / "log.txt").read_text(errors="replace")[-2000:] if done.returncode else ""
    assert done.returncode == 0, done.stderr + log
    return {row["block"]: row["error"] for row in map(json.loads, done.stdout.splitlines())}


@pytest.fixture(scope="module")
def ran(tmp_path_factory) -> dict[str, str]:
    """All pages in one process, once."""
    return run_pages(tmp_path_factory.mktemp("docs"), *PAGES)


@pytest.mark.parametrize(
    "block",
    [block for block in BLOCKS if block.language in RUN and block.word in (None, "setup")],
    ids=lambda block: block.name,
)
def test_a_block_runs(ran, block):
    assert ran[block.name] == ""


@pytest.mark.torture
def test_the_heavy_blocks_run(tmp_path):
    heavy = [block for block in BLOCKS if block.word == "torture"]
    found = run_pages(tmp_path, "--torture", *dict.fromkeys(block.page for block in heavy))
    assert {block.name for block in heavy} <= found.keys()
    assert {name: error for name, error in found.items() if error} == {}


def test_blocks_say_what_they_are():
    assert {block.language for block in BLOCKS} <= {*RUN, *DATA, *SHOWN}
    for block in BLOCKS:
        if block.word in ("not run", "torture"):
            assert block.language in RUN, block.name
            assert len((block.note or "").split()) >= 3, f"{block.name}: say why"


@pytest.mark.parametrize("page", PAGES)
def test_no_code_hides_in_an_indented_block(page):
    text = re.sub(r"^```.*?^```$", "", (ROOT / page).read_text(), flags=re.MULTILINE | re.DOTALL)
    assert not re.findall(r"(?<=\n\n)    (?![:\s]|options:).*", text)
    assert text.count("```") == 0


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in DATA], ids=lambda block: block.name)
def test_data_can_be_read(block):
    {"toml": tomllib.loads, "yaml": yaml.safe_load, "json": json.loads}[block.language](block.code)


def test_the_readme_is_one_that_one_finishes():
    text = (ROOT / "README.md").read_text()
    assert len(text.split()) <= 900
    assert text.index("make demo") < text.index("make test") < 300


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "RELEASE.md", "SECURITY.md"])
def test_links_of_pages_outside_the_site_lead_somewhere(page):
    """MkDocs looks after those inside."""
    for target in re.findall(r"\]\((?!https?:|mailto:)([^)#]+)", (ROOT / page).read_text()):
        assert (ROOT / target).exists(), target


def test_every_public_name_is_on_the_page_of_the_api():
    page = (ROOT / "docs" / "reference" / "api.md").read_text()
    shown = {name.rpartition(".")[2] for name in re.findall(r"^::: (\S+)", page, flags=re.MULTILINE)}
    assert set(getattr(aloe_hub, "__all__", ())) - {"__version__"} <= shown


def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    for page in tmp_path.rglob("*.html"):  # nothing is fetched from elsewhere
        assert not re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?:[^"]+)"', page.read_text()), page


def test_the_page_of_the_command_line_has_every_command(tmp_path):
    pytest.importorskip("mkdocs", reason="needs the extra docs")
    sys.path.insert(0, str(ROOT / "scripts"))
    from docs_hooks import cli_page

    from aloe_hub.cli.app import app

    page = cli_page()
    for info in app.registered_commands:
        assert info.callback is not None
        assert f"## aloe {info.name or info.callback.__name__}\n" in page
    assert "## aloe hub exec\n" in page
    assert page.count("```bash\naloe ") == len(app.registered_commands) + 2
