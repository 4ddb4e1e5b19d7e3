"""The tests of the tree trainers against other versions of TRL, each in an environment of its own: `make compat`.

    python scripts/compat.py [--in DIR] [VERSION…]

An environment holds TRL alone; all else is that of the interpreter that runs this. A version that has the private names of the
one pass is compared with TRL's own trainers by all tests; with one that lacks them, the trainers must say so once and train as
TRL does. By default: the oldest version of the range, the oldest that has the names, and the newest.

On a machine without CUDA, TRL 1.15 needs Triton even for its own trainers: it is installed beside it, and interpreted.
"""

from __future__ import annotations

import argparse
import os
import re
import site
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("1.13.0", "1.15.0", "1.16.0")
NAMES = "import trl.trainer.utils as utils; raise SystemExit(not hasattr(utils, 'FusedCausalLMOutput'))"
NEEDS = {"1.15": ["triton"]}
WITHOUT = ["tests/training/test_tree_versions.py"]
WITH = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests" / "training").glob("test_tree_*.py"))
WITH.append("tests/training/test_trainers.py")


def environment(folder: Path, version: str) -> Path:
    """A Python in which TRL is `version`, and everything else what it is here."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=False)
        packages = next(folder.glob("lib/python*/site-packages"))
        here = "; ".join(f"site.addsitedir({path!r})" for path in site.getsitepackages())
        (packages / "here.pth").write_text(f"import site; {here}\n")
        wanted = [f"trl=={version}", *NEEDS.get(version.rpartition(".")[0], [])]
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*install, "--target", str(packages), *wanted], check=True)
    return python


def tried(python: Path) -> tuple[int, str]:
    """The exit status of the tests, and their last line."""
    around = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TRITON_INTERPRET": "1"}
    named = subprocess.run([str(python), "-c", NAMES], env=around, check=False).returncode == 0
    pytest = [str(python), "-m", "pytest", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*pytest, *(WITH if named else WITHOUT)], cwd=ROOT, env=around, capture_output=True, text=True, check=False
    )
    lines = re.findall(r"^(?:E  |FAILED|ERROR).*", done.stdout, flags=re.MULTILINE)[:20] if done.returncode else []
    how = "one pass" if named else "without the names, as TRL"
    return done.returncode, "\n".join([how, *lines, (done.stdout.strip().splitlines() or [done.stderr.strip()])[-1]])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("versions", nargs="*", default=VERSIONS)
    options.add_argument("--in", dest="folder", type=Path, default=ROOT / ".compat", help="where the environments are kept")
    given = options.parse_args()
    failed = False
    for version in given.versions:
        status, said = tried(environment(given.folder / version, version))
        print(f"TRL {version}: {said}", flush=True)
        failed |= status != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
