"""What a user installs: the wheel and the sdist hold everything that the commands read."""

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = {
    "aloe_hub/py.typed",
    "aloe_hub/dataset_cards/aloe-prefs.md",
    "aloe_hub/pocket/adapter/adapter_config.json",
    "aloe_hub/pocket/adapter/adapter_model.safetensors",
    "aloe_hub/pocket/model.safetensors",
    "aloe_hub/prompts/benchmark_judge.md",
    "aloe_hub/recipes/demo.toml",
    "aloe_hub/recipes/paper.toml",
    "aloe_hub/report/report.html.j2",
    "aloe_hub/seeds/profiles.jsonl",
    "aloe_hub/spaces/aloe/aloe.py",
    "aloe_hub/spaces/aloe/page.html.j2",
    "aloe_hub/spaces/aloe_demo/app.py",
    "aloe_hub/spaces/aloe_demo/about.md",
    "aloe_hub/spaces/aloe_demo/pages.html.j2",
    "aloe_hub/spaces/aloe_demo/style.css",
    "aloe_hub/spaces/theme.py",
    "aloe_hub/world/lexicon.toml",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An sdist of a clean copy of the checkout, and the wheel that is made from that sdist."""
    folder = tmp_path_factory.mktemp("dist")
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    source = folder / "source"
    for name in filter(None, listed.stdout.splitlines()):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    backend = "from setuptools import build_meta as b; import sys; print(b.{}(sys.argv[1]))"
    run: dict[str, Any] = {"capture_output": True, "text": True, "check": True}
    subprocess.run([sys.executable, "-c", backend.format("build_sdist"), str(folder)], cwd=source, **run)
    with tarfile.open(next(folder.glob("*.tar.gz"))) as sdist:
        sdist.extractall(folder / "unpacked")  # our own; Python before 3.11.4 knows no filter
    unpacked = next((folder / "unpacked").iterdir())
    subprocess.run([sys.executable, "-c", backend.format("build_wheel"), str(folder)], cwd=unpacked, **run)
    return folder


def test_the_wheel_made_from_the_sdist_holds_all_data(built):
    names = set(zipfile.ZipFile(next(built.glob("*.whl"))).namelist())
    assert names >= DATA
    assert names >= {str(path.relative_to(ROOT)) for path in (ROOT / "aloe_hub").rglob("*.py")}
    assert not {name for name in names if name.startswith(("tests", "bench"))}


@pytest.mark.parametrize("form", ["wheel", "unpacked sdist"])
def test_the_command_works_from(built, form, tmp_path):
    if form == "wheel":
        place = tmp_path / "site"
        zipfile.ZipFile(next(built.glob("*.whl"))).extractall(place)
    else:
        place = next((built / "unpacked").iterdir())
    code = (
        "import aloe_hub, sys; assert aloe_hub.__file__.startswith(sys.argv[1]), aloe_hub.__file__;"
        "from aloe_hub.files.settings import read_recipe; assert read_recipe('demo')['personas'];"
        "from aloe_hub.shipped import shipped;"
        "assert all((shipped(f) / n).exists() for f, n in (('dataset_cards', 'aloe-prefs.md'), ('spaces', 'aloe/aloe.py')));"
        "from aloe_hub.stages.pool import seeds; assert len(seeds('profile')) == 20;"
        "from aloe_hub.cli.app import main; sys.exit(main(['--version']))"
    )
    environment = os.environ | {"PYTHONPATH": str(place)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)], capture_output=True, text=True, check=False, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("aloe-hub ")
