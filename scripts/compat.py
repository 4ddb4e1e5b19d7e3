"""The tests of training against other versions of TRL, each in an environment of its own: `make compat`.

    python scripts/compat.py [--in DIR] [VERSION…]

An environment holds TRL alone; all else is that of the interpreter that runs this. A version that has the private names of the
one pass is compared with TRL's own trainers by all tests; with one that lacks them, the trainers must say so once and train as
TRL does, and only the tests that need no such name are collected (tests/training/tree/conftest.py). By default: the oldest
version of the range, the oldest that has the names, and the newest.

TRL 1.15 needs Triton even for its own trainers. Where torch brings none (on a machine without CUDA) it is installed beside it,
and interpreted, for the tests of the tree trainers alone.
"""

from __future__ import annotations

import argparse
import os
import re
import site
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("1.13.0", "1.15.0", "1.16.0")
OBSTACLE = "from aloe_hub.training.tree.forward import trl_obstacle; print(trl_obstacle() or 'trains on trees')"
NEEDS = {} if find_spec("triton") else {"1.15": ["triton"]}
TESTS = "tests/training"
INTERPRETED = "tests/training/tree"  # the interpreter is several times slower


def environment(folder: Path, version: str) -> Path:
    """A Python in which TRL is `version`, and everything else what it is here."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=False)
        packages = next(folder.glob("lib/python*/site-packages"))
        here = "; ".join(f"site.addsitedir({path!r})" for path in site.getsitepackages())
        (packages / "here.pth").write_text(f"import site; {here}\n")
        wanted = [f"trl=={version}", *_needs(version)]
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*install, "--target", str(packages), *wanted], check=True)
    return python


def tried(python: Path, version: str) -> tuple[int, str]:
    """The exit status of the tests, and what is said of them: what the version can do, what failed, and the last line."""
    around, tests = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}, TESTS
    if _needs(version):
        around["TRITON_INTERPRET"], tests = "1", INTERPRETED
    asked = subprocess.run([str(python), "-c", OBSTACLE], env=around, capture_output=True, text=True, check=True)
    pytest = [str(python), "-m", "pytest", "-p", "no:cacheprovider", "-m", "not torture", tests]
    done = subprocess.run(pytest, cwd=ROOT, env=around, capture_output=True, text=True, check=False)
    lines = re.findall(r"^(?:E  |FAILED|ERROR).*", done.stdout, flags=re.MULTILINE)[:20] if done.returncode else []
    last = (done.stdout.strip().splitlines() or [done.stderr.strip()])[-1]
    return done.returncode, "\n".join([asked.stdout.strip(), *lines, last])


def _needs(version: str) -> list[str]:
    """The packages that this version of TRL needs, beyond what is here."""
    return NEEDS.get(version.rpartition(".")[0], [])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("versions", nargs="*", default=VERSIONS)
    options.add_argument("--in", dest="folder", type=Path, default=ROOT / ".compat", help="where the environments are kept")
    given = options.parse_args()
    failed = False
    for version in given.versions:
        status, said = tried(environment(given.folder / version, version), version)
        print(f"TRL {version}: {said}", flush=True)
        failed |= status != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
