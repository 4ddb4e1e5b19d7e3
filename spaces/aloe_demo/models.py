"""The five models that take part. One that cannot be opened is a reason to show, and no reason not to start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from aloe_hub.chat import open_chat
from aloe_hub.chat.base import Chat, ChatReply, ChatRequest
from aloe_hub.errors import AloeError, ChatError
from aloe_hub.hub.demo_settings import DemoSettings

TITLES = {
    "base": "the base model",
    "aligned": "the aligned model",
    "user": "the simulated user",
    "inferrer": "the inferrer",
    "judge": "the judge",
}


@dataclass(frozen=True, slots=True)
class Missing:
    """A `Chat` in place of one that could not be opened."""

    problem: str

    async def complete(self, request: ChatRequest) -> ChatReply:
        raise ChatError(self.problem)


@dataclass(frozen=True, slots=True)
class Part:
    """Who plays it: a model string, the model, and why it is not there, if it is not."""

    title: str
    model: str
    chat: Chat
    problem: str = ""

    @classmethod
    def opened(cls, title: str, model: str) -> Self:
        try:
            return cls(title, model, open_chat(model))
        except Exception as error:  # whatever a stranger's model does: the page starts without it
            reason = error if isinstance(error, AloeError) else f"{model}: {type(error).__name__}: {error}"
            return cls.missing(title, model, _line(f"{title} is not there: {reason}"))

    @classmethod
    def missing(cls, title: str, model: str, problem: str) -> Self:
        return cls(title, model, Missing(problem), problem)

    def failed(self, error: BaseException) -> str:
        """Why it says nothing, in one line for a visitor."""
        text = _line(str(error) if isinstance(error, AloeError) else f"{type(error).__name__}: {error}")
        return text if text.startswith(self.title) else f"{self.title} failed: {text}"


@dataclass(frozen=True, slots=True)
class Models:
    """Who answers: the base on the left, the aligned model on the right. And the three others, who surround a conversation."""

    base: Part
    aligned: Part
    user: Part
    inferrer: Part
    judge: Part

    @classmethod
    def of(cls, settings: DemoSettings) -> Self:
        return cls(**{name: Part.opened(title, getattr(settings, name)) for name, title in TITLES.items()})

    @property
    def parts(self) -> dict[str, Part]:
        return {name: getattr(self, name) for name in TITLES}

    def problems(self, *names: str) -> tuple[str, ...]:
        """Why those of these names that are not there are not; without names, of all."""
        return tuple(part.problem for name, part in self.parts.items() if part.problem and name in (names or TITLES))


def _line(text: str) -> str:
    return " ".join(text.split())
