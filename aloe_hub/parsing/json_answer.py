"""A JSON value inside an answer, alone, in a code fence or among words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Found:
    """The JSON value, and the text around it."""

    value: Any
    around: str


def find_json(text: str) -> Found | None:
    """The object or the list that begins the first or the last line which opens one.

    >>> find_json('Here:\\n{"score": 4}').value
    {'score': 4}
    """
    first, last = (place(text, "\n{", "\n[") for place in (_first, _last))
    for start in dict.fromkeys(place for place in (first, last) if place is not None):
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        return Found(value, text[:start] + text[end:])
    return None


def _first(text: str, *openings: str) -> int | None:
    if text[:1] and text[0] in "{[":
        return 0
    return min((place + 1 for opening in openings if (place := text.find(opening)) >= 0), default=None)


def _last(text: str, *openings: str) -> int | None:
    return max((place + 1 for opening in openings if (place := text.rfind(opening)) >= 0), default=None)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field twice")
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_once)
