"""How a model is named: one string everywhere, turned into a `Chat` here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aloe_hub.chat.base import Chat
from aloe_hub.errors import AloeError, UsageError

if TYPE_CHECKING:
    from aloe_hub.chat.endpoint import Endpoint

REMOTE = ("hub", "http", "https")
TIMEOUT = 120.0  # seconds, for a reply of an endpoint


def is_endpoint(model: str) -> bool:
    """Whether a model string names a model that is asked over a network."""
    scheme, colon, _ = model.partition(":")
    return bool(colon) and scheme in REMOTE


def open_chat(model: str) -> Chat:
    """The `Chat` that a model string names.

    Raises:
        UsageError: an unknown scheme or policy, with the known ones; an address that cannot be meant.
        AloeError: a `local:` model that cannot be loaded; a `hub:` model, and no token.

    >>> open_chat("scripted:plain")
    Scripted(policy='plain')
    """
    if not isinstance(model, str):
        raise UsageError(f"model {model!r}: a model is named by a string, such as scripted")
    scheme, colon, rest = model.partition(":")
    if scheme == "scripted":
        from aloe_hub.chat.scripted import Scripted

        return Scripted(rest if colon else None)
    if scheme == "local" and colon:
        try:
            from aloe_hub.chat.local.model import open_local
        except ImportError as error:
            raise AloeError(f"model {model!r}: {error}; run: pip install 'aloe-hub[local]'") from error
        return open_local(rest)
    if is_endpoint(model):
        return open_endpoint(model, TIMEOUT)
    raise UsageError(
        f"model {model!r}: unknown scheme {scheme!r}; known: scripted, scripted:POLICY, local:MODEL, local:MODEL+ADAPTER, "
        "hub:org/model, hub:org/model:PROVIDER, http://host:port/v1#model"
    )


def open_endpoint(model: str, timeout: float) -> Endpoint:
    """The endpoint that a model string names; `timeout` in seconds. It asks once: see `traffic` for what makes that dependable.

    Raises:
        UsageError: an address that cannot be meant.
        AloeError: no token, or the client is not installed.
    """
    try:
        from aloe_hub.chat.endpoint import Endpoint
    except ImportError as error:
        raise AloeError(f"model {model!r}: {error}; run: pip install 'aloe-hub[hub]'") from error
    return Endpoint(model, timeout)
