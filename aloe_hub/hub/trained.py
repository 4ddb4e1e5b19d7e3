"""A folder with a trained model: what of it is published, and what `training.json` says of how it was made.

`aloe train` writes one (RUN/adapters/NAME); a folder that PEFT or transformers has saved is one too, without `training.json`.
Only files that a loader reads are published: no checkpoint, no optimiser, no pickle, and no card but ours.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import file_digest
from pathlib import Path
from typing import Any

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import build_row, loads
from aloe_hub.hub.cards import without_folders
from aloe_hub.source import POCKET, Source
from aloe_hub.training.record import TRAINING, TrainingRecord
from aloe_hub.types import Row

ADAPTER_CONFIG, CONFIG = "adapter_config.json", "config.json"
ADAPTER = (ADAPTER_CONFIG, "adapter_model.safetensors")
FULL = (CONFIG, "generation_config.json", "model.safetensors.index.json", "model*.safetensors")
TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "vocab.txt", "merges.txt", "chat_template.jinja", "additional_chat_templates/*.jinja",
)  # fmt: skip
PICKLED = ("adapter_model.bin", "pytorch_model*.bin")


@dataclass(frozen=True, slots=True)
class Trained:
    """A folder that can be published. `base` is what the adapter is for, or what the whole model was made from, if known."""

    folder: Path
    is_adapter: bool
    base: Source | None
    training: TrainingRecord | None


def read_trained(folder: Path) -> Trained:
    """The folder, when it holds a whole adapter or a whole model.

    Raises:
        DataError: it holds neither, its weights are missing, pickled or damaged, or one of its files cannot be read.
    """
    is_adapter = (folder / ADAPTER_CONFIG).is_file()
    if not is_adapter and not (folder / CONFIG).is_file():
        raise DataError(f"{folder}: no {ADAPTER_CONFIG} and no {CONFIG} in it, so no trained model; give RUN/adapters/NAME")
    _check_weights(folder, is_adapter=is_adapter)
    if not (folder / "tokenizer_config.json").is_file():
        raise DataError(f"{folder}: no tokenizer in it; save the one that it was trained with: tokenizer.save_pretrained(...)")
    path = folder / TRAINING
    training = TrainingRecord.read(path) if path.is_file() else None
    base = training.base if training else None
    if is_adapter:
        named = build_row(_read(folder / ADAPTER_CONFIG), str(folder / ADAPTER_CONFIG), _base_of)
        if base and base.name != named.name and not (is_local(base) or is_local(named)):
            raise DataError(
                f"{folder}: {TRAINING} says that the base is {base}, and {ADAPTER_CONFIG} that it is {named}; "
                "these are files of two adapters: give the folder that aloe train wrote"
            )
        base = base or named
    return Trained(folder, is_adapter, base, training)


def is_local(source: Source) -> bool:
    """Whether it is a folder (it may be gone by now), which nobody else has under that name."""
    return source.name == POCKET or source.folder is not None or source.name != without_folders(source.name)


def loadable(folder: Path, patterns: tuple[str, ...]) -> dict[str, Path]:
    return {str(path.relative_to(folder)): path for pattern in patterns for path in sorted(folder.glob(pattern))}


def is_weights(path: str) -> bool:
    return fnmatchcase(path, "model*.safetensors") or path == ADAPTER[1]


def weights_in(folder: Path) -> dict[str, str]:
    """SHA-256 by file name, of the adapter if the folder holds one: what tells one model from another, whatever it is called."""
    found = loadable(folder, ADAPTER if (folder / ADAPTER_CONFIG).is_file() else FULL)
    return {name: _sha256(path) for name, path in found.items() if is_weights(name)}


def without_paths(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The same JSON without where folders lie on the machine that it was made on."""
    if isinstance(value, dict):
        return {key: without_paths(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_paths(item) for item in value]
    return without_folders(value) if isinstance(value, str) else value


def _check_weights(folder: Path, *, is_adapter: bool) -> None:
    from safetensors import SafetensorError, safe_open

    found = [path for name, path in loadable(folder, ADAPTER if is_adapter else FULL).items() if is_weights(name)]
    if not found:
        pickled = next((path for pattern in PICKLED for path in sorted(folder.glob(pattern))), None)
        if pickled:
            raise DataError(f"{pickled}: pickled weights are never published; load the model and save_pretrained it again")
        raise DataError(f"{folder}: no {'adapter_' if is_adapter else ''}model.safetensors in it; the training is not finished")
    for path in found:
        try:
            with safe_open(path, framework="numpy"):
                pass
        except (SafetensorError, OSError) as error:
            raise DataError(f"{path}: damaged, or no safetensors ({error}); train or save it again") from None


def _base_of(config: Row) -> Source:
    name, revision = config["base_model_name_or_path"], config.get("revision")
    if not isinstance(name, str) or not name:
        raise ValueError(f"base_model_name_or_path is {name!r}, and not the name of a model")
    return Source(name, revision)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def json_of(path: Path) -> Row:
    """Raises: DataError: no file, or no JSON object."""
    return loads(_read(path), str(path))


def json_bytes(value: Any) -> bytes:  # noqa: ANN401 - JSON
    return json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n"
