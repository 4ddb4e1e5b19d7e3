"""A model string, turned into a `Chat`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial

from aloe_hub.chat.base import Chat
from aloe_hub.chat.policies import open_policy
from aloe_hub.errors import AloeError
from aloe_hub.model_string import ModelString
from aloe_hub.types import Persona

TIMEOUT = 120.0  # seconds, for a reply of an endpoint


def open_chat(model: str, timeout: float = TIMEOUT) -> Chat:
    """The `Chat` that a model string names. An endpoint asks once: see `traffic` for what makes that dependable.

    timeout: seconds for a reply of an endpoint.

    Raises:
        UsageError: an unknown scheme or policy, with the known ones; an address or a name that is invalid.
        AloeError: a `local:` model that cannot be loaded; a `hub:` model, and no token; what speaks to it is not installed.

    >>> open_chat("scripted:plain")
    Scripted(policy='plain', told=None)
    """
    named = ModelString.parse(model)
    if named.inner is not None:
        return open_policy(named, lambda one: open_chat(one, timeout))
    extra = "hub" if named.is_remote and named.scheme != "litellm" else named.scheme
    try:
        if named.scheme == "scripted":
            from aloe_hub.chat.scripted import Scripted

            return Scripted(named.policy)
        if named.scheme == "semantic":
            from aloe_hub.chat.semantic import open_semantic

            return open_semantic()
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


def told(model: str) -> Callable[[Persona], Chat] | None:
    """How to open a policy that is told a persona, `scripted:leak` or `scripted:stranger`; None for any other model string.

    The benchmark alone tells one: `open_chat` refuses these, and so does whatever opens its models by it.
    """
    named = ModelString.recorded(model)
    if named.scheme != "scripted" or named.policy is None:
        return None
    from aloe_hub.chat.scripted import HANDED, Scripted

    return partial(Scripted, named.policy) if named.policy in HANDED else None


def world_of(models: Iterable[str]) -> dict[str, int]:
    """The setting `world` of a run in which the scripted world plays a role: its version. Of other runs, no setting.

    >>> world_of(["hub:org/model"])
    {}
    """
    if not any(one.is_scripted for model in models for one in ModelString.recorded(model).models):
        return {}
    from aloe_hub.chat.scripted import WORLD_VERSION

    return {"world": WORLD_VERSION}


def template_date_of(models: Iterable[str]) -> dict[str, str]:
    """The setting `template_date` of a run in which a model of this process speaks: the day that chat templates are told.

    >>> template_date_of(["scripted", "reminder(local:org/model)"])
    {'template_date': '2024-07-26'}
    """
    from aloe_hub.loading import DAY

    local = any(one.scheme == "local" for model in models for one in ModelString.recorded(model).models)
    return {"template_date": DAY.date().isoformat()} if local else {}


def judged_by(model: str, recorded: object) -> tuple[str, dict[str, int]]:
    """The judge to open for a run, and the setting of it that says which version judges: `world_judge` of the world's judge,
    `semantic_judge` of the one by embeddings. A model has none.

    recorded: what `run.toml` says of the stage, None where it has not begun. What an earlier judge began it ends; before there
    were versions it was the first.

    >>> judged_by("scripted", None)
    ('scripted', {'world_judge': 2})
    >>> judged_by("scripted", {"judge": "scripted"})
    ('scripted:judge-1', {})
    >>> judged_by("semantic", None)
    ('semantic', {'semantic_judge': 1})
    >>> judged_by("hub:org/model", None)
    ('hub:org/model', {})
    """
    named = ModelString.recorded(model)
    if named.only_judges:
        from aloe_hub.chat.semantic import VERSION

        return model, {"semantic_judge": VERSION}
    if not named.is_scripted:
        return model, {}
    from aloe_hub.chat.scripted import EARLIER_JUDGES, JUDGE_VERSION

    if isinstance(recorded, Mapping) and "world_judge" not in recorded and named.scheme == "scripted" and named.policy is None:
        return f"{model}:{min(EARLIER_JUDGES)}", {}
    asked = (named.policy if named.scheme == "scripted" else (named.name or "").partition(":")[2]) or ""
    return model, {"world_judge": EARLIER_JUDGES.get(asked, JUDGE_VERSION)}
