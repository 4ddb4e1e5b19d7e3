"""Libraries of the extra `audit`, imported when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from aloe_hub.errors import AloeError


def library(name: str) -> Any:  # noqa: ANN401 - a module
    """Raises: AloeError: it is not installed."""
    try:
        return import_module(name)
    except ImportError as error:
        raise AloeError(f"{error}; run: pip install 'aloe-hub[audit]'") from error
