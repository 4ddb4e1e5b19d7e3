"""Settings that cannot be meant are refused before anything is made."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aloe_hub.errors import UsageError

NUMBERS = {"temperature": (0, 2), "top_p": (0, 1), "max_tokens": (1, 10**6)}


def at_least(option: str, value: int, least: int) -> None:
    """Raises: UsageError: `value` is below `least`."""
    if value < least:
        raise UsageError(f"{option} {value}: must be at least {least}")


def conversations(turns: int, seed: int, limit: int | None, temperature: float | None) -> None:
    """What trees and benchmark conversations have in common. Raises: UsageError."""
    at_least("--turns", turns, 1)
    at_least("--seed", seed, 0)
    if limit is not None:
        at_least("--limit", limit, 1)
    if temperature is not None and not 0 <= temperature <= 2:
        raise UsageError(f"--temperature {temperature}: must be between 0 (always the likeliest token) and 2")


def sampling(changes: Mapping[str, Mapping[str, Any]] | None, roles: Iterable[str]) -> None:
    """A recipe's tables `[STAGE.sampling.ROLE]`. Raises: UsageError: a role, a name or a value that there is not."""
    roles = list(roles)
    for role, table in (changes or {}).items():
        where = f"sampling.{role}"
        if role not in roles or not isinstance(table, Mapping):
            raise UsageError(f"recipe: {where}: expected a table for one of {', '.join(roles)}")
        if role == "policy" and "temperature" in table:
            raise UsageError(
                f"recipe: {where}.temperature: the policy's temperature is a setting of its own: temperature, --temperature"
            )
        for name, value in table.items():
            if name == "stop":
                if not isinstance(value, list) or not all(isinstance(text, str) and text for text in value):
                    raise UsageError(f"recipe: {where}.stop = {value!r}: expected a list of texts")
            elif name not in NUMBERS:
                raise UsageError(f"recipe: {where}: unknown setting {name!r}; known: {', '.join(NUMBERS)}, stop")
            else:
                least, most = NUMBERS[name]
                kinds = (int,) if name == "max_tokens" else (int, float)
                if type(value) not in kinds or not least <= value <= most:
                    raise UsageError(f"recipe: {where}.{name} = {value!r}: expected a number from {least} to {most}")
