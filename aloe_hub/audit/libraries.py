"""Libraries of the extra `audit`, imported when they are needed."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from aloe_hub.errors import AloeError


def sklearn(module: str) -> Any:  # noqa: ANN401 - scikit-learn has no types
    """Raises: AloeError: scikit-learn is not installed."""
    try:
        return import_module(f"sklearn.{module}")
    except ImportError as error:
        raise AloeError(f"{error}; run: pip install 'aloe-hub[audit]'") from error
