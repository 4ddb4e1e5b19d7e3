"""What was recorded of a chat, whatever the form it came in; and what has to be said of records that cannot be used."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from reprlib import repr as shortened
from typing import Any, Literal

from aloe_hub.errors import DataError
from aloe_hub.stages.import_files import usable_text
from aloe_hub.types import Message

SYSTEMS = ("system", "developer")
USERS = ("user", "human", "prompter")
ASSISTANTS = ("assistant", "gpt", "chatgpt", "model", "bot", "claude", "bard", "bing")
RATINGS = ("satisfaction", "rating", "score")  # what a message's rating is called


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply, and how it was rated; None: nobody said. True and False are thumbs up and down.

    unread: what stands where the rating is expected, and is none.
    """

    text: str
    rating: float | None = None
    model: str | None = None
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Said:
    """A user's message, the replies to it, and which of them the conversation went on from.

    best: the reply that somebody preferred, where ratings do not say it.
    """

    user: str
    answers: tuple[Answer, ...]
    spoken: int = 0
    best: int | None = None

    @property
    def is_fork(self) -> bool:
        return len({answer.text for answer in self.answers}) > 1


@dataclass(frozen=True, slots=True)
class Chat:
    """One conversation. unanswered: what the user said last, where nobody replied. cut: why what follows was left out.

    profile, personality: what is known of the user, "" where it is nothing.
    """

    turns: tuple[Said, ...]
    system: str = ""
    unanswered: str = ""
    cut: str = ""
    chat_id: str | None = None
    user_id: str | None = None
    model: str | None = None
    profile: str = ""
    personality: str = ""

    @property
    def messages(self) -> tuple[Message, ...]:
        """As it was spoken."""
        spoken = [
            message
            for turn in self.turns
            for message in (Message("user", turn.user), Message("assistant", turn.answers[turn.spoken].text))
        ]
        first = [Message("system", self.system)] if self.system else []
        last = [Message("user", self.unanswered)] if self.unanswered else []
        return (*first, *spoken, *last)

    @property
    def ratings(self) -> int:
        return sum(answer.rating is not None for turn in self.turns for answer in turn.answers)


class Unusable(DataError):
    """A record that cannot be used: the reason that many may share, and what this one is like."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


@dataclass(slots=True)
class Tally:
    """What has to be said: each reason once, with how often and where first. As many lines as there are reasons.

    "left out" is what the rest of its record does without.
    """

    _first: dict[tuple[str, str], str] = field(default_factory=dict)
    _times: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, action: Literal["refused", "repaired", "left out"], where: str, reason: str, detail: str = "") -> None:
        """`reason` is the same for all records that are counted together; `detail` is what the first of them is like."""
        key = action, reason
        self._times[key] = self._times.get(key, 0) + 1
        self._first.setdefault(key, f"{where}: {action}: {reason}{detail and f': {detail}'}")

    def refuse(self, where: str, error: DataError) -> None:
        reason, detail = (error.reason, error.detail) if isinstance(error, Unusable) else (str(error), "")
        self.add("refused", where, reason, detail)

    @property
    def refused(self) -> int:
        return sum(times for (action, _), times in self._times.items() if action == "refused")

    def lines(self) -> list[str]:
        said = {key: f" ({times} times, here first)" if times > 1 else "" for key, times in self._times.items()}
        return [first + said[key] for key, first in self._first.items()]


def chat_of(messages: object, **about: Any) -> Chat:  # noqa: ANN401 - fields of a `Chat`
    """The chat in a list of messages, under any of the usual names for role and text. Several messages in a row of one side are
    one. What cannot be used ends it: what was said before is kept.

    Raises:
        DataError: nothing is left.
    """
    if not isinstance(messages, list) or not messages:
        raise DataError("no list of messages")
    found, turns, heard = Chat((), **about), list[Said](), list[str]()
    for message in messages:
        try:
            role, text, rating = message_of(message)
            if role == "assistant" and not heard and not turns:
                raise DataError("it begins with a reply")
        except DataError as error:
            if not turns:
                raise
            # Half an exchange is no sign that nobody answered.
            return replace(found, turns=tuple(turns), cut=str(error))
        if role == "system":
            found = replace(found, system="\n\n".join(filter(None, (found.system, text))))
        elif role == "user":
            heard.append(text)
        elif heard:
            turns.append(Said("\n\n".join(heard), (answer_of(text, rating),)))
            heard.clear()
        else:
            (before,) = turns[-1].answers
            joined = answer_of(f"{before.text}\n\n{text}", rating)
            rated = before.rating if joined.rating is None else joined.rating
            joined = replace(joined, rating=rated, unread=before.unread or joined.unread)
            turns[-1] = replace(turns[-1], answers=(joined,))
    if not turns and not heard:
        raise DataError("nobody says anything")
    return replace(found, turns=tuple(turns), unanswered="\n\n".join(heard))


def message_of(message: object) -> tuple[str, str, object]:
    """(role, text, what stands for a rating) of a message. Raises: DataError: another role, or no text."""
    if not isinstance(message, Mapping):
        raise DataError("a message that is not a JSON object")
    said = str(message.get("role", message.get("from"))).strip().lower()
    names = {"user": USERS, "assistant": ASSISTANTS, "system": SYSTEMS}
    role = next((role for role, known in names.items() if said in known), None)
    if role is None:
        raise DataError("a message of another role than user, assistant and system")
    text = text_of(message.get("content", message.get("value")))
    if not text and role != "system":
        raise DataError(f"a message of the {role} without text")
    rating = next((message[name] for name in RATINGS if message.get(name) is not None), None)
    return role, text, rating if role == "assistant" else None


def text_of(value: object) -> str:
    """A text, or the texts among the parts of a message. Raises: DataError: a part that is not text, such as a picture."""
    if not isinstance(value, list):
        return usable_text(value)
    if not all(isinstance(part, Mapping) and isinstance(part.get("text"), str) for part in value):
        raise DataError("a message with parts that are not text")
    return usable_text("\n\n".join(part["text"] for part in value))


def answer_of(text: str, rating: object, model: str | None = None) -> Answer:
    """A reply with what stands for its rating; nothing and blanks are nobody's rating.

    >>> answer_of("Tea.", " 4 "), answer_of("Tea.", "good").unread
    (Answer(text='Tea.', rating=4, model=None, unread=''), "'good'")
    """
    found = rating_of(rating)
    nobody = found is not None or rating is None or (isinstance(rating, str) and not rating.strip())
    return Answer(text, found, model, "" if nobody else shortened(rating))


def rating_of(value: object) -> float | None:
    """A rating, also as a text; None for what is neither a number nor a thumb, which stays one.

    >>> rating_of("5"), rating_of(4.5), rating_of(True), rating_of("good"), rating_of(None)
    (5, 4.5, True, None, None)
    """
    if isinstance(value, bool):
        return value
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
    return (int(number) if number == int(number) else number) if math.isfinite(number) else None


def words(value: object, leave: Iterable[str] = ()) -> str:
    """A profile, or a part of one, as text: fields by name, lists with commas.

    >>> words({"age": 19, "likes": ["tea", "rain"], "task": 7}, leave=["task"])
    'age: 19; likes: tea, rain'
    """
    if isinstance(value, Mapping):
        parts = {str(name): words(part) for name, part in value.items() if name not in leave}
        return "; ".join(f"{name}: {text}" for name, text in parts.items() if text)
    if isinstance(value, list):
        return ", ".join(filter(None, map(words, value)))
    return usable_text(str(value)) if isinstance(value, int | float) else usable_text(value)
