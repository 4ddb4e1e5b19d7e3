"""What stands in a card's front matter, read with a real YAML parser and brought to values that JSON can say.

The text is a stranger's: anchors that expand without end, nesting that no stack holds and tags that no type fits are errors,
not crashes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import yaml

from aloe_hub.local_hub.refusal import shown

MOST_BYTES = 256 * 1024
_MOST_VALUES = 50_000
_FRONT_MATTER = re.compile(r"\A\s*^---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_TEXTS = (
    *("license", "language", "tags", "datasets", "metrics"),
    *("base_model", "task_categories", "size_categories", "library_name"),
)


def front_matter(text: str) -> dict[str, Any]:
    """The card's metadata; empty when it has none.

    Raises:
        ValueError: YAML that cannot be read, or that is not a mapping.
    """
    found = _FRONT_MATTER.match(text)
    metadata = read_yaml(found[1]) if found else None
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise ValueError(f"metadata must be a mapping, found {shown(metadata)}")
    return metadata


def read_yaml(text: str) -> object:
    """One YAML document as plain JSON values: dates become strings, infinities None.

    Raises:
        ValueError: in one line, whatever was wrong.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"YAML is longer than {MOST_BYTES} characters")
    try:
        value = yaml.safe_load(text)
    except Exception as error:  # PyYAML raises KeyError, AttributeError and more on tags that do not fit their value
        raise ValueError(f"bad YAML: {' '.join(str(error).split()) or type(error).__name__}") from None
    return _plain(value, iter(range(_MOST_VALUES)))


def problems(text: str) -> tuple[list[str], list[str]]:
    """Errors, for which the Hub refuses a card, and warnings."""
    try:
        metadata = front_matter(text)
    except ValueError as error:
        return [str(error)], []
    if not metadata:
        return [], ["empty or missing yaml metadata in repo card"]
    errors = [
        f'"{key}" must be a string or a list of strings, found {shown(metadata[key])}'
        for key in _TEXTS
        if key in metadata and not _is_text(metadata[key])
    ]
    configs = metadata.get("configs", [])
    if not isinstance(configs, list) or not all(isinstance(config, dict) and "config_name" in config for config in configs):
        errors.append('"configs" must be a list of mappings, each with a "config_name"')
    return errors, []


def _plain(value: object, left: Iterator[int], depth: int = 0) -> object:
    """A copy, each value of which takes one of those `left`: an anchor may stand for the same value many times over."""
    if next(left, None) is None or depth > 50:
        raise ValueError(f"YAML with more than {_MOST_VALUES} values, or nested deeper than 50")
    if isinstance(value, dict):
        return {_key(key): _plain(item, left, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item, left, depth + 1) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) >= 2**63:
        raise ValueError("YAML with a number beyond 64 bits")
    return value if isinstance(value, int | float | None) else _text(value)


def _key(key: object) -> str:
    if not isinstance(key, str | int | float | date | None) or (isinstance(key, int) and abs(key) >= 2**63):
        raise ValueError("YAML with a key that is not a string")
    return _text(key)


def _text(value: object) -> str:
    """Valid Unicode: YAML can escape half of a surrogate pair."""
    text = value.isoformat() if isinstance(value, date) else str(value)
    return text.encode("utf-8", "replace").decode()


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str) or (isinstance(value, list) and all(isinstance(item, str) for item in value))
