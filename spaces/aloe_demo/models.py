"""The five models that take part. One that cannot be opened is a reason to show, and no reason not to start.

Models of this process are loaded while the page is there already, one after the other: whoever asks one waits until it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Self

from aloe_hub.chat import open_chat
from aloe_hub.chat.base import Chat, ChatReply, ChatRequest, heard
from aloe_hub.errors import AloeError, ChatError
from aloe_hub.hub.demo_settings import DemoSettings
from aloe_hub.model_string import ModelString

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
class Loading:
    """A `Chat` that is a `Missing` one if it turns out that it cannot be opened."""

    opening: Future[Chat]

    @property
    def problem(self) -> str:
        """Why it is not there, as far as that is known by now."""
        return getattr(self.opening.result(), "problem", "") if self.opening.done() else ""

    async def complete(self, request: ChatRequest) -> ChatReply:
        return await (await asyncio.wrap_future(self.opening)).complete(request)

    async def stream(self, request: ChatRequest, say: Callable[[str], None]) -> ChatReply:
        return await heard(await asyncio.wrap_future(self.opening), request, say)


@dataclass(frozen=True, slots=True)
class Part:
    """Who plays it: a model string, and the model."""

    title: str
    model: str
    chat: Chat

    @classmethod
    def opened(cls, title: str, model: str) -> Self:
        if any(one.scheme == "local" for one in ModelString.recorded(model).models):
            return cls(title, model, Loading(_LOADER.submit(_opened, title, model)))
        return cls(title, model, _opened(title, model))

    @property
    def problem(self) -> str:
        """Why it is not there, if it is not."""
        return getattr(self.chat, "problem", "")

    @property
    def ready(self) -> Chat:
        """The model, when it has been loaded."""
        return self.chat.opening.result() if isinstance(self.chat, Loading) else self.chat

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


_LOADER = ThreadPoolExecutor(1, "loading models")


def _opened(title: str, model: str) -> Chat:
    try:
        return open_chat(model)
    except Exception as error:  # whatever a stranger's model does: the page starts without it
        reason = error if isinstance(error, AloeError) else f"{model}: {type(error).__name__}: {error}"
        return Missing(_line(f"{title} is not there: {reason}"))


def _line(text: str) -> str:
    return " ".join(text.split())
