"""The fields of a row, as what they are meant to be, or an error of one line that shows what is there.

A field that is missing is a KeyError with its name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def one_of(row: Mapping[str, Any], name: str, allowed: tuple[Any, ...]) -> Any:  # noqa: ANN401 - one of a `Literal`
    """Raises: ValueError: the value is none of those."""
    if row[name] not in allowed:
        raise ValueError(f"{name} is {row[name]!r}, and not one of {', '.join(map(repr, allowed))}")
    return row[name]


def number(row: Mapping[str, Any], name: str) -> float:
    """The number as it is, whole or not. Raises: ValueError: not a number, or not a finite one."""
    value = row[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{name} is {value!r}, and not a number")
    return value


def number_or_none(row: Mapping[str, Any], name: str) -> float | None:
    """Raises: ValueError: neither null nor a number."""
    return None if row[name] is None else number(row, name)


def numbers(values: Sequence[object], name: str) -> list[float | None]:
    """All of them. Raises: ValueError: one is neither null nor a number."""
    return [number_or_none({name: value}, name) for value in values]


def text(row: Mapping[str, Any], name: str) -> str:
    """Raises: ValueError: not a text."""
    value = row[name]
    if not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}, and not a text")
    return value


def rows(row: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Raises: ValueError: not a list of objects."""
    value = row[name]
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError(f"{name} is {value!r}, and not a list of objects")
    return value
