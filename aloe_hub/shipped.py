"""Where recipes, cards and Spaces lie: at the top of the repository, for a reader; inside the package, in a wheel."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def shipped(name: str) -> Path:
    """The folder `name`: inside the package (a wheel), else beside it (a checkout, an editable install, an unpacked sdist).

    >>> (shipped("recipes") / "demo.toml").exists()
    True
    """
    package = Path(str(files("aloe_hub")))
    return package / name if (package / name).is_dir() else package.parent / name
