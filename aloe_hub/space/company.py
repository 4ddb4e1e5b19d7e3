"""The five models that take part. One that cannot be opened is a reason to show, and no reason not to start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from aloe_hub.chat import open_chat
from aloe_hub.chat.base import Chat
from aloe_hub.errors import AloeError, ChatError
from aloe_hub.space.settings import SpaceSettings


@dataclass(frozen=True, slots=True)
class Part:
    """Who plays it: a model string, and the model, or why it is not there."""

    title: str
    model: str
    chat: Chat | None
    problem: str = ""

    @classmethod
    def opened(cls, title: str, model: str) -> Self:
        try:
            return cls(title, model, open_chat(model))
        except AloeError as error:
            reason = str(error)
        except Exception as error:  # whatever else a stranger's model does: the page starts without it
            reason = f"{model}: {type(error).__name__}: {error}"
        return cls(title, model, None, " ".join(f"{title} is not there: {reason}".split()))

    @property
    def there(self) -> Chat:
        """The model.

        Raises:
            ChatError: it could not be opened.
        """
        if self.chat is None:
            raise ChatError(self.problem)
        return self.chat


@dataclass(frozen=True, slots=True)
class Company:
    base: Part
    aligned: Part
    user: Part
    inferrer: Part
    judge: Part

    @classmethod
    def of(cls, settings: SpaceSettings) -> Self:
        return cls(
            base=Part.opened("the base model", settings.base),
            aligned=Part.opened("the aligned model", settings.aligned),
            user=Part.opened("the simulated user", settings.user),
            inferrer=Part.opened("the inferrer", settings.inferrer),
            judge=Part.opened("the judge", settings.judge),
        )

    @property
    def policies(self) -> tuple[Part, Part]:
        """Who answers: the base on the left, the aligned model on the right."""
        return self.base, self.aligned

    @property
    def parts(self) -> tuple[Part, ...]:
        return self.base, self.aligned, self.user, self.inferrer, self.judge

    @property
    def problems(self) -> tuple[str, ...]:
        return tuple(part.problem for part in self.parts if part.problem)
