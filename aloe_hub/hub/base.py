"""The model under an adapter, as others find it: an adapter is of use only to who can load the base that it was trained on.

So a base is looked up before its adapter is published: it must be on the Hub, with the very weights that lie here, or at least
with modules that the adapter fits.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from huggingface_hub import HfApi, ModelCard
from huggingface_hub.errors import EntryNotFoundError, HFValidationError
from huggingface_hub.hf_api import ModelInfo
from huggingface_hub.utils._validators import validate_repo_id

from aloe_hub.errors import DataError, UsageError
from aloe_hub.gguf import MARK
from aloe_hub.hub.push import last_change
from aloe_hub.hub.trained import ADAPTER, CONFIG, Trained, is_local, is_weights, json_of, weights_in
from aloe_hub.hub_errors import hub_errors
from aloe_hub.source import POCKET, Source

LICENCE_KEYS = ("license", "license_name", "license_link")
POCKET_FILE = "pocket.json"  # what tells the pocket model from another, wherever it lies
_LORA = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])\.weight")


@dataclass(frozen=True, slots=True)
class Base:
    """`source` is where it lies for us; `repo` and `revision`, where it lies for everybody: None when that is nowhere.

    gguf: the name of the GGUF file whose weights were trained on: those of the repo, rounded.
    """

    source: Source | None
    repo: str | None
    revision: str | None = None
    licence: Mapping[str, str] = field(default_factory=dict)
    is_pocket: bool = False
    gguf: str | None = None


def base_of(trained: Trained, base_repo: str | None, *, needed: bool) -> Base:
    """What is known of the base without asking the Hub.

    base_repo: under which name it is published, when it was trained on from a folder.
    needed: whether what is published is of no use without it.

    Raises:
        UsageError: it is needed, and lies only on this machine; or `base_repo` is not a name that the Hub takes.
    """
    if base_repo is not None:
        try:
            validate_repo_id(base_repo)
        except HFValidationError as error:
            raise UsageError(f"--base-repo {base_repo!r}: not a name that the Hub takes, such as org/base ({error})") from None
    source = trained.base
    if source is None:
        return Base(None, base_repo)
    gguf = _gguf_of(source)
    if gguf is not None:
        base_repo = base_repo or _made_from(source)
        if base_repo is None and needed:
            raise UsageError(
                f"--base-repo: the base {source} is a GGUF, which PEFT cannot load; name the model that it was made from: "
                f"aloe publish adapter --adapter {trained.folder} --base-repo org/base --repo org/adapter"
            )
        return Base(source, base_repo, gguf=gguf)
    pocket = source.name == POCKET or bool(source.folder and (source.folder / POCKET_FILE).exists())
    if not is_local(source) and base_repo in (None, source.name):
        return Base(source, source.name, source.revision)
    if base_repo is None and needed:
        first = "aloe publish pocket --repo org/aloe-pocket" if pocket else f"hf upload org/base {source.folder or source}"
        name = "org/aloe-pocket" if pocket else "org/base"
        raise UsageError(
            f"--base-repo: the base {source} lies only on this machine; publish it first ({first}), and then this: "
            f"aloe publish adapter --adapter {trained.folder} --base-repo {name} --repo org/adapter"
        )
    return Base(source, base_repo, is_pocket=pocket)


def found_on_the_hub(api: HfApi, base: Base, trained: Trained) -> Base:
    """The base with what the Hub says of it: its licence, and, of a folder's copy, the commit that holds the folder's weights.

    Raises:
        AloeError: the Hub has no such model.
        DataError: it has other weights than the folder, or modules that the adapter does not fit.
    """
    if base.repo is None:
        return base
    info = _info(api, base)
    files = {sibling.rfilename for sibling in info.siblings or ()}
    card = info.card_data.to_dict() if info.card_data else {}  # type: ignore[no-untyped-call]
    licence = {key: str(card[key]) for key in LICENCE_KEYS if card.get(key)}
    revision, folder = base.revision, base.source.folder if base.source else None
    if folder is not None and base.gguf is None:
        revision = _commit_of(api, base.repo, folder, info)
    elif trained.is_adapter:
        _check_fits(api, base.repo, revision, trained.folder)
    return replace(base, revision=revision, licence=licence, is_pocket=base.is_pocket or POCKET_FILE in files)


def weights_on_the_hub(info: ModelInfo) -> dict[str, str]:
    """SHA-256 by file name, as `weights_in` has it. `info` was asked for with `files_metadata`."""
    return {one.rfilename: one.lfs.sha256 for one in info.siblings or () if one.lfs and is_weights(one.rfilename)}


def _gguf_of(source: Source) -> str | None:
    mark = source.folder / MARK if source.folder else None
    return source.gguf or (str(json_of(mark)["file"]) if mark and mark.is_file() else None)


def _made_from(source: Source) -> str | None:
    """The model that a quantised one was made from, as the card in its folder says."""
    card = source.folder / "README.md" if source.folder else None
    if card is None or not card.is_file():
        return None
    said = ModelCard.load(card).data
    return said.base_model if said.base_model_relation == "quantized" and isinstance(said.base_model, str) else None


def _info(api: HfApi, base: Base) -> ModelInfo:
    assert base.repo is not None
    if base.is_pocket:
        todo = f"publish it first: aloe publish pocket --repo {base.repo}"
    elif base.source and base.source.folder:
        todo = f"upload it first: hf upload {base.repo} {base.source.folder}"
    else:
        todo = "give the base's own name with --base-repo"
    with hub_errors(str(Source(base.repo, base.revision)), "model", option="--base-repo", todo=todo):
        return api.model_info(base.repo, revision=base.revision, files_metadata=True)


def _commit_of(api: HfApi, repo: str, folder: Path, info: ModelInfo) -> str:
    """The commit that put the folder's weights there."""
    here, there = weights_in(folder), weights_on_the_hub(info)
    if here != there:
        raise DataError(
            f"--base-repo {repo}: holds other weights than {folder}, on which the adapter was trained; "
            "name the repo that holds these, or upload them to another one"
        )
    return last_change(api, repo, there, info.sha, "model")


def _check_fits(api: HfApi, repo: str, revision: str | None, adapter: Path) -> None:
    """Whether the base has the modules that the LoRA matrices stand beside. Of other kinds of adapters nothing is known."""
    from safetensors import safe_open

    try:
        config = api.hf_hub_download(repo, CONFIG, revision=revision)
    except EntryNotFoundError:
        raise DataError(f"base {repo}: no {CONFIG} in it, so no model of transformers; check the name") from None
    modules = _modules(Path(config).parent)
    if modules is None:
        return
    with safe_open(adapter / ADAPTER[1], framework="numpy") as file:
        for key in file.keys():  # noqa: SIM118 - it is no dict
            found = _LORA.fullmatch(key)
            if found is None:
                continue
            name, (rows, columns) = found["module"], file.get_slice(key).get_shape()
            size, shape = columns if found["side"] == "A" else rows, modules.get(name.removesuffix(".base_layer"), ())
            if shape is not None and size not in shape:
                raise DataError(
                    f"{adapter}: an adapter for another base: {name} is {shape or 'not there'} in {repo}, "
                    f"and the adapter's {size} fits no side of it; give its own base with --base-repo"
                )


def _modules(folder: Path) -> dict[str, tuple[int, ...] | None] | None:
    """The shape of each module's weight, None where it has none; and None for all where the architecture is not known here."""
    try:
        import torch
        from transformers import AutoConfig, AutoModelForCausalLM

        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))  # type: ignore[no-untyped-call]
    except (ValueError, KeyError, OSError, ImportError):
        return None
    shapes = {name: getattr(module, "weight", None) for name, module in model.named_modules()}
    return {name: None if weight is None else tuple(weight.shape) for name, weight in shapes.items()}
