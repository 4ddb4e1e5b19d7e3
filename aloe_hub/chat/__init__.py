"""How a model is named: one string everywhere, turned into a `Chat` here."""

from __future__ import annotations

from aloe_hub.chat.base import Chat
from aloe_hub.errors import AloeError, UsageError

LATER = ("hub", "http", "https")


def open_chat(model: str) -> Chat:
    """The `Chat` that a model string names.

    Raises:
        UsageError: an unknown scheme or policy, with the known ones.
        AloeError: a `local:` model that cannot be loaded.

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
            from aloe_hub.chat.local import open_local
        except ImportError as error:
            raise AloeError(f"model {model!r}: {error}; run: pip install 'aloe-hub[local]'") from error
        return open_local(rest)
    if scheme in LATER and colon:
        raise UsageError(f"model {model!r}: this version of aloe-hub speaks only to `scripted`; {scheme}: comes with a later one")
    raise UsageError(
        f"model {model!r}: unknown scheme {scheme!r}; known: scripted, scripted:POLICY, local:MODEL, local:MODEL+ADAPTER"
    )
