"""How a demo Space is configured: environment variables, each with a default that needs no network.

An empty variable is one that was not given. What cannot be meant is an error when the Space starts, in one line that names the
variable; what cannot be reached is none: the page says so where it matters, and the rest works.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

from aloe_hub.errors import UsageError
from aloe_hub.model_string import ModelString, has_scheme

PREFIX = "ALOE_"
DEFAULT_BASE = "local:pocket"
DEFAULT_ADAPTER = "pocket-sft"
# The least and the most that each number may be.
_BOUNDS: dict[str, tuple[float, float]] = {
    "watch_turns": (1, 50),
    "chat_turns": (1, 200),
    "message_characters": (10, 100_000),
    "reply_tokens": (1, 8192),
    "temperature": (0, 2),
    "trees": (1, 10_000),
    "concurrency": (1, 256),
    "queue": (1, 10_000),
}


@dataclass(frozen=True, slots=True)
class SpaceSettings:
    """Each field is the environment variable `ALOE_` + its name in capitals; spaces/aloe_demo/README.md explains them."""

    base: str = DEFAULT_BASE
    adapter: str = DEFAULT_ADAPTER  # on a base that is `local:`; or a model string of its own
    user: str = "scripted"
    inferrer: str = "scripted"
    judge: str = "scripted"
    personas: str = ""  # a dataset on the Hub
    prefs: str = ""
    run: str = ""  # a run folder, in place of both
    votes: str = "~/.cache/aloe-hub/votes"  # a folder
    votes_repo: str = ""
    watch_turns: int = 10
    chat_turns: int = 30
    message_characters: int = 4000
    reply_tokens: int = 256
    temperature: float = 0.7
    trees: int = 60  # how many are read
    concurrency: int = 4  # visitors who are answered at once
    queue: int = 40  # visitors who wait

    def __post_init__(self) -> None:
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise UsageError(f"{_variable(name)}={value}: must be from {least:,} to {most:,}")
        for name in ("base", "user", "inferrer", "judge"):
            model = getattr(self, name)
            if not has_scheme(model):
                raise UsageError(f"{_variable(name)}={model}: not a model string, such as local:org/model or scripted")
        if not has_scheme(self.adapter) and ModelString.recorded(self.base).scheme != "local":
            raise UsageError(
                f"{_variable('adapter')}={self.adapter}: an adapter needs a base that is local:, and that is {self.base}; "
                "give the aligned model as a model string"
            )

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """The settings that an environment gives.

        Raises:
            UsageError: a variable that cannot be meant; a base without the adapter that is shown beside it.
        """
        given: dict[str, str | int | float] = {}
        for field in fields(cls):
            text = environment.get(_variable(field.name), "").strip()
            if text:
                given[field.name] = _read(field.name, text, type(field.default))
        if given.get("base", DEFAULT_BASE) != DEFAULT_BASE and "adapter" not in given:
            raise UsageError(f"{_variable('base')}={given['base']}: give {_variable('adapter')} too, the model shown beside it")
        return cls(**given)  # type: ignore[arg-type]

    @property
    def aligned(self) -> str:
        """The model string of the aligned model."""
        return self.adapter if has_scheme(self.adapter) else f"{self.base}+{self.adapter}"

    @property
    def is_test_bed(self) -> bool:
        """Whether all who take part are of the scripted world: nothing here is about people then, which has to be said."""
        models = self.base, self.adapter, self.user, self.inferrer, self.judge
        return all(model in (DEFAULT_BASE, DEFAULT_ADAPTER) or ModelString.recorded(model).is_scripted for model in models)

    def environment(self) -> dict[str, str]:
        """The variables that give these settings; none for what is the default."""
        return {
            _variable(field.name): str(getattr(self, field.name))
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _read(name: str, text: str, kind: type) -> str | int | float:
    if kind is str:
        return text
    try:
        value: int | float = kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise UsageError(f"{_variable(name)}={text}: must be {wanted}") from None
    return value
