"""How a demo Space is configured: environment variables, each with a default that needs no network.

The app reads them where it runs; publishing checks them before, and sends them along. An empty variable counts as not given. An
invalid one is an error when the Space starts, in one line that names the variable; what cannot be reached is none: the page says
so where it matters, and the rest works.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, Self

from aloe_hub.errors import UsageError
from aloe_hub.model_string import ModelString, has_scheme
from aloe_hub.source import POCKET

DEFAULT_BASE, DEFAULT_ADAPTER = "local:pocket", "pocket-sft"
TEMPERATURE, TOP_P = 0.7, 0.9  # of models that say the same again and again at 0


def _within(least: float, most: float, default: float | None) -> Any:  # noqa: ANN401 - as `field` has it
    return field(default=default, metadata={"bounds": (least, most)})


@dataclass(frozen=True, slots=True)
class DemoSettings:
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
    watch_turns: int = _within(1, 50, 10)
    chat_turns: int = _within(1, 200, 30)
    message_characters: int = _within(10, 100_000, 4000)
    reply_tokens: int = _within(1, 8192, 256)
    temperature: float | None = _within(0, 2, None)
    trees: int = _within(1, 10_000, 60)  # how many are read
    concurrency: int = _within(1, 256, 4)  # visitors who are answered at once
    queue: int = _within(1, 10_000, 40)  # visitors who wait

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """The settings that an environment gives.

        Raises:
            UsageError: an invalid variable; a base without the adapter that is shown beside it.
        """
        given = {one.name: text for one in fields(cls) if (text := environment.get(_variable(one.name), "").strip())}
        settings = cls(**{one.name: _value(one, given[one.name]) for one in fields(cls) if one.name in given})
        if settings.base != DEFAULT_BASE and "adapter" not in given:
            raise UsageError(f"ALOE_BASE={settings.base}: give ALOE_ADAPTER too, the model shown beside it")
        for name in ("base", "user", "inferrer", "judge"):
            model = getattr(settings, name)
            if not has_scheme(model):
                raise UsageError(f"{_variable(name)}={model}: not a model string, such as local:org/model or scripted")
            if name != "judge" and ModelString.recorded(model).only_judges:
                raise UsageError(f"{_variable(name)}={model}: it judges, and plays no other role; give it as ALOE_JUDGE alone")
        if not has_scheme(settings.adapter) and ModelString.recorded(settings.base).scheme != "local":
            raise UsageError(
                f"ALOE_ADAPTER={settings.adapter}: an adapter needs a base that is local:, and that is {settings.base}; "
                "give the aligned model as a model string"
            )
        return settings

    @property
    def aligned(self) -> str:
        """The model string of the aligned model."""
        return self.adapter if has_scheme(self.adapter) else f"{self.base}+{self.adapter}"

    @property
    def policy_temperature(self) -> float:
        """What is given; else 0 where one of the two models is of the scripted world, whose sentences have no slack."""
        if self.temperature is not None:
            return self.temperature
        return 0.0 if self._answers_of_the_world else TEMPERATURE

    @property
    def _answers_of_the_world(self) -> bool:
        return any(of_the_world(ModelString.recorded(model)) for model in (self.base, self.aligned))

    @property
    def is_test_bed(self) -> bool:
        """Whether all who take part are of the scripted world: nothing here is about people then, which has to be said."""
        models = self.base, self.adapter, self.user, self.inferrer, self.judge
        named = {model: ModelString.recorded(model) for model in models}
        return all(model in (DEFAULT_BASE, DEFAULT_ADAPTER) or one.is_scripted or one.only_judges for model, one in named.items())

    @property
    def who_is_scripted(self) -> str:
        """A sentence that names who around the two models is of the scripted world; "" where nobody is."""
        around = {"the user": self.user, "the note-taker": self.inferrer, "the judge": self.judge}
        names = [name for name, model in around.items() if ModelString.recorded(model).is_scripted]
        if not names:
            return ""
        said = f"{', '.join(names[:-1])} and {names[-1]} are" if names[1:] else f"{names[0]} is"
        alone = len(names) == len(around) and not self._answers_of_the_world
        return f"{said[0].upper()}{said[1:]} scripted{'; only the two models that answer are real' if alone else ''}."

    def environment(self) -> dict[str, str]:
        """The variables that give these settings; none for what is the default."""
        values = {one: getattr(self, one.name) for one in fields(self)}
        return {_variable(one.name): str(value) for one, value in values.items() if value != one.default}


def of_the_world(model: ModelString) -> bool:
    """Whether a model knows the sentences of the scripted world alone."""
    if model.inner is not None:  # whoever infers or selects beside it reads anything
        return of_the_world(model.inner)
    if model.is_scripted or model.base is None:
        return model.is_scripted
    folder = model.base.folder
    return POCKET in model.base.name.rpartition("/")[2] or (folder is not None and (folder / "pocket.json").is_file())


def _variable(name: str) -> str:
    return f"ALOE_{name.upper()}"


def _value(setting: Field[Any], text: str) -> Any:  # noqa: ANN401 - of the type of the default
    """The value that a variable's text gives to a setting, within its bounds."""
    kind: Any = float if setting.default is None else type(setting.default)
    if kind is str:
        return text
    try:
        value = kind(text)
    except ValueError:
        wanted = "a whole number" if kind is int else "a number"
        raise UsageError(f"{_variable(setting.name)}={text}: must be {wanted}") from None
    least, most = setting.metadata["bounds"]
    if not least <= value <= most:
        raise UsageError(f"{_variable(setting.name)}={value}: must be from {least:,} to {most:,}")
    return value
