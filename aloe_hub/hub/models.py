"""Adapters, merged and whole models, and the pocket model → the Hub: weights, tokenizer, card and `training.json` in one commit.

What is published can be loaded by its name alone: the base in `adapter_config.json` is one that the Hub has, with
the weights that the adapter was trained on. Publishing the same again makes no new commit.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypedDict, Unpack

from huggingface_hub import HfApi
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.hf_api import ModelInfo

from aloe_hub.errors import AloeError, DataError, UsageError
from aloe_hub.files.jsonl import disk_errors
from aloe_hub.hub import cards, model_cards
from aloe_hub.hub.base import POCKET_FILE, Base, base_of, found_on_the_hub, weights_on_the_hub
from aloe_hub.hub.eval_results import RESULTS, benchmarked
from aloe_hub.hub.model_cards import Form
from aloe_hub.hub.names import check_names
from aloe_hub.hub.push import Published, Upload, push, scratch
from aloe_hub.hub.trained import (
    ADAPTER,
    ADAPTER_CONFIG,
    CONFIG,
    FULL,
    TOKENIZER,
    Trained,
    json_bytes,
    json_of,
    loadable,
    read_trained,
    weights_in,
    without_paths,
)
from aloe_hub.hub_errors import hub_errors
from aloe_hub.loading import load_adapter, load_model
from aloe_hub.model_files import place_of
from aloe_hub.shipped import shipped
from aloe_hub.source import POCKET, Source
from aloe_hub.training.record import TRAINING


class Options(TypedDict, total=False):
    """How a trained model is published.

    base_repo: where the base is published, for an adapter that was trained on a folder or on `pocket`.
    run: a run whose benchmark holds this model; its curve goes into the card.
    merge: publish the base with the adapter merged into it, as a whole model.
    licence: None takes the base's, where its card names one.
    """

    base_repo: str | None
    run: Path | None
    merge: bool
    private: bool
    licence: str | None


def publish_adapter(folder: Path, repo: str, *, tag: str | None = None, **options: Unpack[Options]) -> Published:
    """Publish what `aloe train` wrote into `folder`: a LoRA adapter, or a model that was trained whole.

    Raises:
        DataError: the folder holds no trained model, or one that does not fit the base; the run did not benchmark it.
        UsageError: the base lies only on this machine, and no `base_repo` is given.
        AloeError: the Hub cannot be reached or refuses; nothing is there half-way, and the folder is as it was.
    """
    try:
        with prepared_adapter(folder, repo, **options) as upload:
            return push(upload, tag)
    except (UsageError, DataError):
        raise
    except AloeError as error:
        again = _command(folder, repo, {"tag": tag, **options})
        raise AloeError(f"{error}; the model is kept in {folder}, and this publishes it: {again}") from None


@contextmanager
def prepared_adapter(folder: Path, repo: str, *, ask_hub: bool = True, **options: Unpack[Options]) -> Iterator[Upload]:
    """What a publish would send, for as long as the context lasts.

    Without `ask_hub` the base is taken at its name: not looked up, and its licence not known.
    """
    trained, licence = read_trained(folder), options.get("licence")
    form = _form(trained, merge=options.get("merge", False))
    if licence is not None and not licence.strip():
        raise UsageError("--license: name the licence, or `other`")
    check_names(repo, licence)
    base = base_of(trained, options.get("base_repo"), needed=form == "adapter")
    if base.repo == repo:
        raise UsageError(f"--repo {repo}: is the base itself; what was trained on it needs a repo of its own")
    api = HfApi(library_name="aloe-hub")
    standing = None
    if ask_hub:
        with hub_errors(repo):
            standing = _standing(api, repo, form)
        with hub_errors(base.repo or repo):
            base = found_on_the_hub(api, base, trained)
    with _loadable(trained, base, form) as place:
        weights = weights_in(place)
        with hub_errors(repo):
            run = options.get("run")
            benchmark = benchmarked(run, repo, (weights_in(folder), weights), api) if run else None
        said = {"license": licence} if licence else base.licence
        card = model_cards.adapter_card(trained, base, repo, form, said, benchmark)
        own = ADAPTER if form == "adapter" else FULL
        replaced = {*own, *TOKENIZER, TRAINING}
        if standing and weights_on_the_hub(standing) != weights:
            replaced.add(RESULTS)  # scores of other weights must not stand beside these
        yield Upload(
            repo,
            "model",
            {**loadable(place, own), **loadable(folder, TOKENIZER), **_rewritten(trained, base, form)},
            lambda before: cards.merged(before, card, keep_licence=licence is None, owned=model_cards.OWNED),
            lambda path: any(fnmatchcase(path, pattern) for pattern in replaced),
            f"Publish {repo.rpartition('/')[2]} with aloe-hub",
            options.get("private", False),
        )


def publish_pocket(repo: str, *, private: bool = False, tag: str | None = None) -> Published:
    """Publish the pocket model that ships with aloe-hub, so that adapters that were trained on it have a base on the Hub.

    Raises:
        AloeError: this installation has no pocket model; or the Hub cannot be reached or refuses.
    """
    return push(pocket_upload(repo, private=private), tag)


def pocket_upload(repo: str, *, private: bool = False) -> Upload:
    """What publishing the pocket model would send."""
    folder = shipped(POCKET)
    if not (folder / POCKET_FILE).is_file():
        raise AloeError(f"{folder}: no pocket model in this installation; install a released aloe-hub")
    card = model_cards.pocket_card(json_of(folder / POCKET_FILE), repo)
    patterns = (*FULL, *TOKENIZER, POCKET_FILE)
    return Upload(
        repo,
        "model",
        dict(loadable(folder, patterns)),
        lambda before: cards.merged(before, card, keep_licence=True, owned=model_cards.OWNED),
        lambda path: any(fnmatchcase(path, pattern) for pattern in patterns),
        "Publish the pocket model with aloe-hub",
        private,
    )


def _form(trained: Trained, *, merge: bool) -> Form:
    if merge and not trained.is_adapter:
        raise UsageError(f"--merge: {trained.folder} holds a whole model already; publish it without")
    return "merge" if merge else "adapter" if trained.is_adapter else "finetune"


def _standing(api: HfApi, repo: str, form: Form) -> ModelInfo | None:
    """What stands in the repo now.

    Raises:
        DataError: a model of another kind, whose files would have to go.
    """
    try:
        info = api.model_info(repo, files_metadata=True)
    except RepositoryNotFoundError:
        return None
    files = {sibling.rfilename for sibling in info.siblings or ()}
    adapter_there, model_there = ADAPTER_CONFIG in files, CONFIG in files
    if form == "adapter" and model_there and not adapter_there:
        raise DataError(f"--repo {repo}: a whole model stands there, and this is an adapter; give another --repo")
    if form != "adapter" and adapter_there:
        raise DataError(f"--repo {repo}: an adapter stands there, and this is a whole model; give another --repo")
    return info


@contextmanager
def _loadable(trained: Trained, base: Base, form: Form) -> Iterator[Path]:
    """The folder with the weights and configs: the adapter's own, or one where it was merged, gone after the context."""
    if form != "merge":
        yield trained.folder
        return
    with scratch(trained.folder.resolve().parent, "merged") as folder:
        _merge_into(folder, trained, base)
        yield folder


def _merge_into(folder: Path, trained: Trained, base: Base) -> None:
    """Write the merged model into `folder`, without its tokenizer, in the precision that the base is stored in.

    Raises:
        AloeError: torch or transformers is not installed.
        UsageError: the base lies nowhere that it could be loaded from.
        DataError: the adapter does not fit the base, or the sums are not numbers.
    """
    try:
        import torch
        from transformers import AutoConfig
    except ImportError as error:
        raise AloeError(f"--merge: {error}; run: pip install 'aloe-hub[local]'") from None
    here = base.source is not None and (base.source.folder is not None or base.gguf is not None)
    source = base.source if here else Source(base.repo, base.revision) if base.repo else None
    if source is None:
        raise UsageError(f"--merge: the base {base.source} is not here any more; give --base-repo org/base")
    # Added in float32, and rounded once.
    model = load_adapter(load_model(source, dtype="float32", device="cpu"), Source(str(trained.folder)))
    try:
        merged = model.merge_and_unload(safe_merge=True)
    except ValueError as error:
        raise DataError(f"{trained.folder}: cannot be merged into {source} ({error}); train it again") from None
    stored = AutoConfig.from_pretrained(place_of(source, CONFIG).folder).dtype
    with disk_errors(folder):
        merged.to(stored or torch.float32).save_pretrained(folder)


def _rewritten(trained: Trained, base: Base, form: Form) -> dict[str, bytes]:
    """The files that name the base, with the name that others know it by, and without where folders lie on this machine."""
    files, known = {}, {"model": base.repo, "revision": base.revision}
    if form == "adapter":
        config = json_of(trained.folder / ADAPTER_CONFIG)
        files[ADAPTER_CONFIG] = json_bytes(config | {"base_model_name_or_path": base.repo, "revision": base.revision})
    if trained.training is not None:
        row = without_paths(json_of(trained.folder / TRAINING))
        files[TRAINING] = json_bytes(row | {"base": known} if base.repo else row)
    return files


def _command(folder: Path, repo: str, options: dict[str, Any]) -> str:
    parts = ["aloe", "publish", "adapter", "--adapter", str(folder), "--repo", repo]
    for name, value in options.items():
        option = f"--{'license' if name == 'licence' else name.replace('_', '-')}"
        parts += [option] if value is True else [option, str(value)] if value else []
    return shlex.join(parts)
