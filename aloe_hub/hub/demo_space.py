"""The demo Space: what is uploaded. A Space installs its requirements.txt and nothing else, so the package comes along.

Only what the app imports is taken, found by following its imports; beside it the data of those rooms and the pocket model. The
settings with which it is published, such as `ALOE_PREFS`, lie in `defaults.env`; variables of the Space win over them.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile

from aloe_hub.errors import UsageError
from aloe_hub.hub import cards
from aloe_hub.hub.push import Published, Upload, hub_errors, push
from aloe_hub.model_string import POCKET, POCKET_SFT, ModelString
from aloe_hub.shipped import shipped
from aloe_hub.space.settings import SpaceSettings

PACKAGE = Path(__file__).parents[1]
DEFAULTS = "defaults.env"
_CODE = (".py", ".txt", ".css")
_DATA = (".md", ".toml", ".j2", ".jsonl")
_WEIGHTS = (".json", ".jinja", ".safetensors")
POCKET_REPO = "aloe-pocket"  # the names under which the same owner has published, if they did
PERSONAS_REPO, PREFS_REPO = "aloe-personas", "aloe-prefs"


def demo_files(settings: SpaceSettings) -> dict[str, bytes | Path]:
    """The files of the Space by their path in it; its README is the card and not among them."""
    app = shipped("spaces") / "aloe_demo"
    files: dict[str, bytes | Path] = {path.name: path.read_bytes() for path in sorted(app.iterdir()) if path.suffix in _CODE}
    code = imported(path for path in app.iterdir() if path.suffix == ".py")
    rooms = {path.parent for path in code} - {PACKAGE}
    data = [path for room in rooms for path in room.iterdir() if path.suffix in _DATA]
    files |= {f"aloe_hub/{path.relative_to(PACKAGE).as_posix()}": path.read_bytes() for path in sorted([*code, *data])}
    pocket = shipped(POCKET)
    weights = [path for path in sorted(pocket.rglob("*")) if path.suffix in _WEIGHTS]
    files |= {f"aloe_hub/pocket/{path.relative_to(pocket).as_posix()}": path for path in weights}
    lines = (f"{name}={value}\n" for name, value in settings.environment().items())
    return files | {DEFAULTS: "".join(lines).encode()}


def imported(files: Iterable[Path]) -> set[Path]:
    """The files of the package that these import, directly or by what they import, anywhere in them."""
    found: set[Path] = set()
    waiting = list(files)
    while waiting:
        for name in _imports(waiting.pop()):
            for path in _modules(name):
                if path not in found:
                    found.add(path)
                    waiting.append(path)
    return found


def demo_card(settings: SpaceSettings, models: Iterable[str] = ()) -> str:
    """The README of the Space, with the repos that it uses. `models`: more of them than the settings name."""
    front, body = cards.parts((shipped("spaces") / "aloe_demo" / "README.md").read_text(encoding="utf-8"), "the Space's template")
    used = {"models": [*dict.fromkeys((*models, *_models(settings)))], "datasets": _datasets(settings)}
    return cards.new_card(front | {name: repos for name, repos in used.items() if repos}, body)


def demo_upload(repo: str, settings: SpaceSettings, *, private: bool = False, models: Iterable[str] = ()) -> Upload:
    """What publishing the demo would send.

    Raises:
        UsageError: a setting that means something on this machine alone.
    """
    card = demo_card(settings, models)
    return Upload(
        repo,
        "space",
        demo_files(settings),
        lambda before: cards.merged(before, card, keep_licence=True),
        lambda path: path.startswith("aloe_hub/"),  # a module of an earlier version
        "Publish the ALOE demo with aloe-hub",
        private,
    )


def publish_demo(
    repo: str, variables: Mapping[str, str], *, private: bool = False, tag: str | None = None
) -> tuple[Published, SpaceSettings]:
    """Publish the demo as a Space, with the settings that `variables` give.

    Where they name no datasets, those are taken that the same owner has published as aloe-personas and aloe-prefs.

    Raises:
        UsageError: a variable that cannot be meant, or not on another machine.
        AloeError: the Hub cannot be reached or refuses; nothing is there half-way.
    """
    api, owner = HfApi(library_name="aloe-hub"), repo.partition("/")[0]
    settings = SpaceSettings.read(variables)
    with hub_errors(repo, api.endpoint):
        if not settings.personas and api.repo_exists(f"{owner}/{PERSONAS_REPO}", repo_type="dataset"):
            settings = replace(settings, personas=f"{owner}/{PERSONAS_REPO}")
        if not settings.prefs and api.repo_exists(f"{owner}/{PREFS_REPO}", repo_type="dataset"):
            settings = replace(settings, prefs=f"{owner}/{PREFS_REPO}")
        models = [f"{owner}/{POCKET_REPO}"] if _is_our_pocket(api, f"{owner}/{POCKET_REPO}") else []
    return push(demo_upload(repo, settings, private=private, models=models), tag), settings


def _is_our_pocket(api: HfApi, repo: str) -> bool:
    """Whether the very weights that come along lie there too: then the Space may say that it shows that model."""
    try:
        found = next(iter(api.get_paths_info(repo, ["model.safetensors"])), None)
    except RepositoryNotFoundError:
        return False
    weights = (shipped(POCKET) / "model.safetensors").read_bytes()
    return isinstance(found, RepoFile) and found.lfs is not None and found.lfs.sha256 == hashlib.sha256(weights).hexdigest()


def _models(settings: SpaceSettings) -> Iterator[str]:
    """The Hub's name of each model that the settings name.

    Raises:
        UsageError: a folder of this machine.
    """
    for model in (settings.base, settings.aligned, settings.user, settings.inferrer, settings.judge):
        named = ModelString.parse(model)
        if named.scheme == "hub" and named.name:
            yield named.name
        for source in named.sources:
            if source.name in (POCKET, POCKET_SFT):
                continue
            if source.folder is not None:
                raise UsageError(
                    f"model {model!r}: a folder of this machine, which the Space does not have; publish it, and name its repo"
                )
            yield source.name


def _datasets(settings: SpaceSettings) -> list[str]:
    if settings.run:
        raise UsageError(
            f"ALOE_RUN={settings.run}: a folder of this machine, which the Space does not have; publish it, and name the datasets"
        )
    return [repo for repo in (settings.personas, settings.prefs) if repo]


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _modules(name: str) -> Iterator[Path]:
    """The files that importing a module of the package runs: its own, and those of the packages around it."""
    parts = name.split(".")
    if parts[0] != "aloe_hub":
        return
    for length in range(1, len(parts) + 1):
        place = PACKAGE.joinpath(*parts[1:length])
        yield from (path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file())
