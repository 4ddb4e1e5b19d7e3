"""A model string, turned into a `Chat`."""

from __future__ import annotations

from collections.abc import Iterable

from aloe_hub.chat.base import Chat
from aloe_hub.chat.policies import open_policy
from aloe_hub.errors import AloeError
from aloe_hub.model_string import ModelString

TIMEOUT = 120.0  # seconds, for a reply of an endpoint


def open_chat(model: str, timeout: float = TIMEOUT) -> Chat:
    """The `Chat` that a model string names. An endpoint asks once: see `traffic` for what makes that dependable.

    timeout: seconds for a reply of an endpoint.

    Raises:
        UsageError: an unknown scheme or policy, with the known ones; an address or a name that is invalid.
        AloeError: a `local:` model that cannot be loaded; a `hub:` model, and no token; what speaks to it is not installed.

    >>> open_chat("scripted:plain")
    Scripted(policy='plain')
    """
    named = ModelString.parse(model)
    if named.inner is not None:
        return open_policy(named, lambda one: open_chat(one, timeout))
    extra = "hub" if named.is_remote and named.scheme != "litellm" else named.scheme
    try:
        if named.scheme == "scripted":
            from aloe_hub.chat.scripted import Scripted

            return Scripted(named.policy)
        if named.scheme == "local":
            from aloe_hub.chat.local.model import open_local

            return open_local(named)
        if named.scheme == "litellm":
            from aloe_hub.chat.litellm import LiteLLM

            return LiteLLM(named, timeout)
        from aloe_hub.chat.endpoint import Endpoint

        return Endpoint(named, timeout)
    except ImportError as error:
        raise AloeError(f"model {model!r}: {error}; run: pip install 'aloe-hub[{extra}]'") from error


def world_of(models: Iterable[str]) -> dict[str, int]:
    """The setting `world` of a run in which the scripted world plays a role: its version. Of other runs, no setting.

    >>> world_of(["hub:org/model"])
    {}
    """
    if not any(one.is_scripted for model in models for one in ModelString.recorded(model).models):
        return {}
    from aloe_hub.chat.scripted import WORLD_VERSION

    return {"world": WORLD_VERSION}
