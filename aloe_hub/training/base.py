"""What a training starts from, known exactly before any weight is loaded: the base at a commit, and an adapter on it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import file_digest
from typing import Any

from transformers import AutoConfig, GenerationConfig, PreTrainedTokenizerBase

from aloe_hub.errors import DataError
from aloe_hub.loading import load_tokenizer
from aloe_hub.model_files import at_commit, file_of, place_of
from aloe_hub.source import Source

_SHAPE = ("r", "lora_alpha", "target_modules", "lora_dropout")


@dataclass(frozen=True, slots=True)
class Base:
    """A chat model: how many tokens it takes (None: it does not say), and which of them end its turn."""

    source: Source
    tokenizer: PreTrainedTokenizerBase
    positions: int | None
    stops: frozenset[int]


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter to go on from. `sha256` is of its weights, which in a folder may have changed since."""

    source: Source
    sha256: str
    lora: Mapping[str, Any]


def find_base(text: str) -> Base:
    """The base of `--base`.

    Raises:
        DataError: no model, or one without a chat template.
        AloeError: the Hub cannot be reached or refuses.
    """
    source = Source.parse(text)
    tokenizer = load_tokenizer(source)
    place = place_of(source, "config.json")
    try:
        config = AutoConfig.from_pretrained(place.folder, trust_remote_code=False).get_text_config()
        generation = file_of(Source(place.name, place.commit), "generation_config.json")
        sampling = GenerationConfig.from_pretrained(generation.parent) if generation else None
    except (ValueError, KeyError, OSError) as error:
        raise DataError(f"{source}: its config.json cannot be used ({' '.join(str(error).split())[:200]})") from None
    ends = [getattr(one, "eos_token_id", None) for one in (tokenizer, config, sampling)]
    # A model may name one token, or several, or none.
    stops = frozenset(one for end in ends if end is not None for one in (end if isinstance(end, list) else [end]))
    return Base(place.source, tokenizer, getattr(config, "max_position_embeddings", None), stops)


def find_adapter(text: str, option: str = "--adapter") -> Adapter:
    """The adapter of `--adapter`, or of another option.

    Raises:
        DataError: no adapter of PEFT, or one whose weights are not safetensors.
        AloeError: the Hub cannot be reached or refuses.
    """
    source = Source.parse(text)
    config, weights = file_of(source, "adapter_config.json"), file_of(source, "adapter_model.safetensors")
    if config is None or weights is None:
        raise DataError(f"{option} {source}: no adapter_config.json with an adapter_model.safetensors in it; save it with PEFT")
    try:
        shape = json.loads(config.read_bytes())
        lora = {name: _short(shape[name]) for name in _SHAPE if name in shape}
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{option} {source}: its adapter_config.json cannot be read ({error}); save it again") from None
    with weights.open("rb") as file:
        return Adapter(at_commit(source, config), file_digest(file, "sha256").hexdigest(), lora)


def _short(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Each module once, by its own name: PEFT lists them layer by layer."""
    return sorted({str(module).rpartition(".")[2] for module in value}) if isinstance(value, list) else value
