"""The metric Space: what is uploaded, and the metric in evaluate's own module cache.

On the Hub the metric stands alone: copies of the package's modules that it uses lie beside it, and the import lines of `aloe.py`
say so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from aloe_hub.errors import AloeError
from aloe_hub.files.jsonl import atomic_file
from aloe_hub.hub import cards
from aloe_hub.hub.push import Published, Upload, push
from aloe_hub.shipped import shipped

PACKAGE = Path(__file__).parents[1]
COPIED = {
    "scoring.py": PACKAGE / "scoring" / "levels.py",
    "clusters.py": PACKAGE / "scoring" / "clusters.py",
    "matrix.py": PACKAGE / "scoring" / "matrix.py",
    "drawing.py": PACKAGE / "report" / "drawing.py",
}
ALONE = {b"from aloe_hub.scoring import ": b"from .scoring import ", b"from aloe_hub.scoring.": b"from ."}
MODULE = ("aloe.py", "scoring.py", "clusters.py", "matrix.py")  # what `evaluate.load` needs of the Space


def app_files(name: str) -> dict[str, bytes]:
    """The files of a Space's app by their path in it, and the theme that all Spaces share."""
    spaces = shipped("spaces")
    found = [
        path for path in sorted((spaces / name).iterdir()) if path.suffix in (".py", ".txt", ".css", ".md", ".j2", ".js", ".json")
    ]
    return {path.name: path.read_bytes() for path in [*found, spaces / "theme.py"] if path.name != "README.md"}


def metric_files() -> dict[str, bytes]:
    """The files of the metric Space by their path in it; its README is the card and not among them."""
    found = app_files("aloe")
    for here, alone in ALONE.items():
        found["aloe.py"] = found["aloe.py"].replace(here, alone)
    return found | {name: path.read_bytes() for name, path in COPIED.items()}


def app_card(name: str, **used: list[str]) -> str:
    """The README of a Space; our part of it stands between the markers of cards.py. `used`: the repos that it uses, by kind."""
    front, body = cards.parts((shipped("spaces") / name / "README.md").read_text(encoding="utf-8"), "the Space's template")
    return cards.new_card(front | {kind: repos for kind, repos in used.items() if repos}, body)


def app_upload(repo: str, what: str, files: Mapping[str, bytes | Path], card: str, private: bool) -> Upload:
    """What publishing a Space would send. Of what was there, the package's old modules go, if it holds the package."""
    return Upload(
        repo,
        "space",
        files,
        lambda before: cards.merged(before, card, keep_licence=True),
        lambda path: path.startswith("aloe_hub/"),
        f"Publish {what} with aloe-hub",
        private,
    )


def metric_card() -> str:
    """The README of the metric Space."""
    return app_card("aloe")


def publish_metric(repo: str, *, private: bool = False, tag: str | None = None) -> Published:
    """Publish the metric as a Space: `evaluate.load("org/aloe")` and a small app.

    Raises:
        AloeError: the Hub cannot be reached or refuses; nothing is there half-way.
    """
    return push(app_upload(repo, "the ALOE metric", metric_files(), metric_card(), private), tag)


def install_metric() -> Path:
    """Put the metric into evaluate's module cache, so that `evaluate.load("aloe")` works on this machine, online or not.

    Returns the folder. evaluate takes the newest of the folders there, each named by 64 hex digits.

    Raises:
        AloeError: evaluate is not installed.
    """
    try:
        from evaluate.config import HF_MODULES_CACHE
    except ImportError:
        raise AloeError("--install needs evaluate; run: pip install 'aloe-hub[metric]'") from None
    files = {name: content for name, content in metric_files().items() if name in MODULE}
    module = Path(HF_MODULES_CACHE) / "evaluate_modules" / "metrics" / "evaluate-metric--aloe"
    folder = module / hashlib.sha256(b"".join(files.values())).hexdigest()
    for path in (module / "__init__.py", folder / "__init__.py"):
        with atomic_file(path):
            pass
    for name, content in files.items():
        with atomic_file(folder / name) as file:
            file.write(content)
    folder.touch()
    return folder
