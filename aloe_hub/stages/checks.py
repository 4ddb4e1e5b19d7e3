"""Settings that cannot be meant are refused before anything is made."""

from __future__ import annotations

from aloe_hub.errors import UsageError


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
