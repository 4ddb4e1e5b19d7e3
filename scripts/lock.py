"""requirements/GROUP.txt: what `make` installs, every file of it named by its hash. Run it after a change of constraints.txt.

    python scripts/lock.py            in an environment that holds all extras in the versions of constraints.txt

A group is what some extras need, and what those need in turn. The hashes are those that the index (pip's own, or PyPI) gives for
all files of a version that Python 3.11 to 3.13 can use, on any platform. torch is left out: which of its builds is right, the
machine decides; the Makefile installs it by constraints.txt, without a hash.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distribution
from pathlib import Path
from urllib.request import Request, urlopen

from packaging.requirements import Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
INDEX = os.environ.get("PIP_INDEX_URL", "https://pypi.org/simple")
# extras → what is installed for them. setuptools builds the package itself: nothing is fetched for that.
GROUPS = {"demo": ("embed", "metric", "train"), "dev": ("dev", "metric"), "docs": ("docs",), "release": ("release",)}
WITHOUT_HASH = {"torch"}
_INTERPRETER = re.compile(r"py3|py2\.py3|cp311|cp312|cp313")


def pinned() -> dict[str, str]:
    """Name → version, as constraints.txt has them."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines if "==" in line)}


def closure(extras: tuple[str, ...]) -> list[str]:
    """The names of all that is needed here for these extras of aloe-hub, in the alphabet's order."""
    found: set[tuple[str, str]] = set()
    todo = [("aloe-hub", extra) for extra in ("", *extras)] + [("setuptools", "")]
    while todo:
        name, extra = todo.pop()
        if (name, extra) in found:
            continue
        found.add((name, extra))
        for text in distribution(name).requires or ():
            need = Requirement(text)
            if need.marker is None or need.marker.evaluate({"extra": extra}):
                todo += [(canonicalize_name(need.name), more) for more in ("", *need.extras)]
    return sorted({name for name, _ in found} - {"aloe-hub"} - WITHOUT_HASH)


def files(name: str, version: str) -> Iterator[str]:
    """The hashes of a version's files."""
    asked = Request(f"{INDEX.rstrip('/')}/{name}/", headers={"Accept": "application/vnd.pypi.simple.v1+json"})
    with urlopen(asked, timeout=60) as answer:
        for file in json.load(answer)["files"]:
            if _is_of(file["filename"], version) and not file.get("yanked"):
                yield file["hashes"]["sha256"]


def _is_of(file: str, version: str) -> bool:
    """Whether it is the source of that version, or a wheel for one of our Pythons."""
    try:
        if not file.endswith(".whl"):
            return parse_sdist_filename(file)[1] == Version(version)
        _, found, _, tags = parse_wheel_filename(file)
    except (InvalidSdistFilename, InvalidWheelFilename):
        return False
    return found == Version(version) and any(_INTERPRETER.fullmatch(tag.interpreter) or tag.abi == "abi3" for tag in tags)


def main() -> None:
    versions = pinned()
    groups = {group: closure(extras) for group, extras in GROUPS.items()}
    names = sorted(set().union(*groups.values()))
    missing = [name for name in names if name not in versions]
    if missing:
        raise SystemExit(f"constraints.txt: no version of {', '.join(missing)}")
    with ThreadPoolExecutor(8) as pool:
        hashes = dict(zip(names, pool.map(lambda name: sorted(files(name, versions[name])), names), strict=True))
    (ROOT / "requirements").mkdir(exist_ok=True)
    for group, members in groups.items():
        lines = [f"# Made by scripts/lock.py from constraints.txt: {', '.join(GROUPS[group])}. Without torch: see the Makefile."]
        for name in members:
            if not hashes[name]:
                raise SystemExit(f"{name}=={versions[name]}: {INDEX} has no file of it")
            lines.append(" \\\n".join([f"{name}=={versions[name]}", *(f"    --hash=sha256:{one}" for one in hashes[name])]))
        (ROOT / "requirements" / f"{group}.txt").write_text("\n".join(lines) + "\n")
        print(f"requirements/{group}.txt: {len(members)} packages, {sum(len(hashes[name]) for name in members)} files")


if __name__ == "__main__":
    main()
