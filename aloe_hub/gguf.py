"""A GGUF file → a folder with safetensors, as `save_pretrained` makes it, kept in the cache.

transformers reads GGUF, but slowly each time, and neither PEFT nor TRL can train on what it then holds: so a file is read
once, and from then on its copy is. The copy is float32, since quantised weights, unpacked, are exact in nothing shorter.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import file_digest
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aloe_hub.errors import AloeError, DataError

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MARK = "gguf.json"  # in the copy: which file it was
_log = getLogger(__name__)


def unpacked(file: Path, name: str) -> Path:
    """The folder with the copy, made now if there is none. Processes that need it at the same time make it once.

    It lies in the Hub's cache of assets (HF_HOME moves it, HF_ASSETS_CACHE too), under the SHA-256 of the file and the version
    of transformers that read it, and is there as a whole or not at all, whenever the process is killed.

    name: what the user calls the model, for errors.

    Raises:
        DataError: no GGUF, damaged, or of an architecture that transformers cannot read.
        AloeError: the package gguf is not installed, or the copy cannot be stored.
    """
    import transformers
    from huggingface_hub import cached_assets_path
    from huggingface_hub.utils import WeakFileLock

    try:
        sha256 = _sha256(file)
    except OSError as error:
        raise DataError(f"{name}: {file} cannot be read ({error.strerror})") from None
    try:
        cache = cached_assets_path("aloe-hub", "gguf", "safetensors")
        folder = cache / f"{sha256}-transformers-{transformers.__version__}"
        if (folder / MARK).is_file():
            return folder
        with WeakFileLock(f"{folder}.lock"):
            if not (folder / MARK).is_file():
                _log.warning("%s: reading the GGUF, which takes up to some minutes, this once", name)
                write_unpacked(file, folder, name)
                size = sum(path.stat().st_size for path in folder.iterdir())
                _log.warning("%s: kept as safetensors in %s, %.0f MB", name, folder, size / 1e6)
    except (OSError, ValueError) as error:  # a ValueError, where a file lies in the way of the cache's folder
        raise AloeError(f"{name}: its unpacked weights cannot be stored ({error}); make room, or set HF_HOME") from None
    return folder


def write_unpacked(file: Path, folder: Path, name: str) -> None:
    """Write the copy of a GGUF file into `folder`, which must not be there yet, and has that name only when it is whole.

    Raises:
        DataError: no GGUF, damaged, or of an architecture that transformers cannot read.
        AloeError: the package gguf is not installed.
        OSError: it cannot be written.
    """
    import transformers

    mark = {"file": file.name, "sha256": _sha256(file), "transformers": transformers.__version__}
    with _reading(name):
        tokenizer = transformers.AutoTokenizer.from_pretrained(file.parent, gguf_file=file.name, trust_remote_code=False)
        model = _model_in(file, name)
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)  # left by a process that was killed
    partial.mkdir(parents=True)
    tokenizer.save_pretrained(partial)
    model.save_pretrained(partial)
    (partial / MARK).write_text(json.dumps(mark, indent=2) + "\n")
    for path in partial.iterdir():
        with path.open("rb") as written:
            os.fsync(written.fileno())
    partial.rename(folder)


def _model_in(file: Path, name: str) -> PreTrainedModel:
    """The model in a GGUF file, as if it had never been quantised: the one that transformers has read refuses to be saved."""
    import torch
    from transformers import AutoModelForCausalLM

    read: Any = AutoModelForCausalLM.from_pretrained(
        file.parent,
        gguf_file=file.name,
        dtype=torch.float32,
        trust_remote_code=False,
        output_loading_info=True,
        **_whole_weights(),
    )
    model, loaded = read
    if lost := sorted(loaded["missing_keys"]):  # transformers fills them with random numbers
        raise DataError(
            f"{name}: {len(lost)} of its weights are missing, such as {lost[0]}; a GGUF in parts must be merged first"
        )
    config = model.config
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    with torch.device("meta"):
        plain: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    plain.load_state_dict(model.state_dict(), assign=True)
    plain.tie_weights()
    plain.generation_config = model.generation_config
    return plain


def _whole_weights() -> dict[str, Any]:
    """For versions of transformers that would leave the weights of some architectures packed."""
    import transformers

    config: Any = getattr(transformers, "GgufConfig", None)
    return {} if config is None else {"quantization_config": config(dequantize=True)}


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """What transformers says of a file that it cannot read, as one line."""
    import transformers
    from transformers.utils.import_utils import is_gguf_available

    if not is_gguf_available():
        raise AloeError(f"{name}: a GGUF is read with the package gguf; run: pip install 'aloe-hub[local]'")
    try:
        yield
    except AloeError:
        raise
    except Exception as error:  # the reader goes by offsets that the file states: of a damaged one, any of Python's may come
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise DataError(
            f"{name}: transformers {transformers.__version__} cannot read this GGUF ({said}); check the file; or take the "
            "model's safetensors, or serve the file with llama.cpp and name it http://host:port/v1#model"
        ) from error


def _sha256(file: Path) -> str:
    """Read once for what changes with a file's content: it is asked for more than once when a model is loaded."""
    state = file.stat()
    return _read_sha256(file.resolve(), state.st_size, state.st_mtime_ns)


@lru_cache
def _read_sha256(file: Path, size: int, changed: int) -> str:
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()
