"""The options of `scripted:NAME?option=value&…`, as numbers and words; what is none is refused in one line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aloe_hub.errors import UsageError

Range = tuple[float, float]
Known = Mapping[str, Range | Sequence[str]]  # by name, the least and the greatest number, or the words that there are


def read(of: str, options: Iterable[tuple[str, str]], known: Known) -> dict[str, Any]:
    """The options of `scripted:OF?…` by name: numbers as such, words as they stand.

    Raises:
        UsageError: an option or a value that there is not.

    >>> read("biased", [("noise", ".5")], {"noise": (0, 10)})
    {'noise': 0.5}
    """
    found: dict[str, Any] = {}
    for name, value in options:
        model = f"model 'scripted:{of}?{name}={value}'"
        if name not in known:
            raise UsageError(f"{model}: no such option; known: {', '.join(known)}")
        if isinstance(known[name][0], str):
            if value not in known[name]:
                raise UsageError(f"{model}: expected {name}={' or '.join(map(str, known[name]))}")
            found[name] = value
            continue
        low, high = map(float, known[name])
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = float("nan")
        if not low <= found[name] <= high:
            raise UsageError(f"{model}: expected a number from {low:g} to {high:g}")
    return found
