"""A JSON value inside an answer, alone, in a code fence or among words."""

from __future__ import annotations

import json
import re
from typing import Any

_OPENING = re.compile(r"^[{\[]", re.MULTILINE)


def find_json(text: str) -> tuple[Any, str]:
    """The object or the list that begins the first or the last line which opens one, and the text around it; (None, text): none.

    >>> find_json('Here:\\n{"score": 4}')
    ({'score': 4}, 'Here:\\n')
    """
    starts = [found.start() for found in _OPENING.finditer(text)]
    for start in dict.fromkeys((*starts[:1], *starts[-1:])):
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        return value, text[:start] + text[end:]
    return None, text


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a field twice")
    return fields


_DECODER = json.JSONDecoder(object_pairs_hook=_once)
