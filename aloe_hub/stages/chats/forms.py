"""The forms of recorded chats, each a pure function from a record to a `Chat`. The first that fits a file's record is the file's.

What is known of who talked with whom stands beside the messages under its usual names, in every form.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from reprlib import repr as shortened
from typing import Any

from aloe_hub.errors import DataError, UsageError
from aloe_hub.rubrics import FIVE, Scale
from aloe_hub.stages.chats.base import Chat, Said, Unusable, chat_of, text_of, words
from aloe_hub.stages.chats.rated_forms import prism, recllmsim, ultrafeedback
from aloe_hub.trl_forms import messages_of, preference, transcript
from aloe_hub.types import Row

CHAT_IDS = ("conversation_id", "conversation_hash", "chat_id", "prompt_id", "question_id", "id")
USER_IDS = ("user_id", "user", "hashed_ip")
MODELS = ("model", "chat_model", "model_name")
OTHER_NAMES = {"openai": "messages", "trl": "preference"}
NO_CHATS = ("aloe", "personas")  # forms of what `stages.imports` reads
TIES = ("tie", "tie (bothbad)", "both_bad", "tie (inconsistent)")  # as arenas and MT-Bench call them
VOTES: dict[str, int | None] = {"model_a": 0, "model_b": 1, **dict.fromkeys(TIES)}
_LIKE_JSON = re.compile(r"\s*(\[\s*)?\{")


@dataclass(frozen=True, slots=True)
class Form:
    """How chats may lie in a record. wanted: for a person who has another. scale: of its ratings, where the form says it."""

    name: str
    wanted: str
    fits: Callable[[Row], bool]
    read: Callable[[Row, dict[str, Any]], Chat]
    scale: Scale | None = None


def of_list(key: str) -> Callable[[Row, dict[str, Any]], Chat]:
    return lambda row, about: chat_of(row[key], **about)


def first_of(row: Row, key: str) -> Mapping[str, Any]:
    """The first of the objects under `key`; an empty one where there is none."""
    found = row.get(key)
    return found[0] if isinstance(found, list) and found and isinstance(found[0], Mapping) else {}


def are_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def ultrachat(row: Row, about: dict[str, Any]) -> Chat:
    said = ({"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(row["data"]))
    return chat_of(list(said), **about)


def pair(row: Row, about: dict[str, Any]) -> Chat:
    """Two replies to one beginning, the preferred one first."""
    found = preference(row)
    if found is None:
        raise DataError("no pair of `chosen` and `rejected`")
    prompt, *ends = found
    return forked(prompt, ends, about)


def forked(prompt: object, ends: list[Any], about: dict[str, Any], best: int | None = 0) -> Chat:
    """A conversation at whose end are two replies. Raises: DataError: they differ by more, or in nothing."""
    if not isinstance(prompt, list) or not all(isinstance(end, list) and len(end) == 1 for end in ends):
        raise DataError("the two conversations differ in more than their last reply, or in nothing")
    first, second = (chat_of([*prompt, *end], **about) for end in ends)
    if any(chat.cut or chat.unanswered or not chat.turns for chat in (first, second)):
        raise DataError(first.cut or second.cut or "it does not end with a reply")
    *before, last = first.turns
    fork = Said(last.user, (*last.answers, *second.turns[-1].answers), 0 if best is None else best, best)
    return replace(first, turns=(*before, fork))


def arena(row: Row, about: dict[str, Any]) -> Chat:
    """Two models' conversations and who won. They must be alike up to the last reply."""
    winner, first, second = row["winner"], row["conversation_a"], row["conversation_b"]
    if not isinstance(first, list) or not isinstance(second, list) or not first or first[:-1] != second[:-1]:
        raise DataError("the two conversations differ in more than their last reply, or in nothing")
    about["user_id"] = about["user_id"] or text_of(row.get("judge")) or None  # a vote's judge is the user
    if not isinstance(winner, str) or winner not in VOTES:
        raise Unusable(f"`winner` is none of {', '.join(VOTES)}", shortened(winner))
    return forked(first[:-1], [first[-1:], second[-1:]], about, VOTES[winner])


def completion(row: Row, about: dict[str, Any]) -> Chat:
    prompt, said = messages_of(row["prompt"], "user"), messages_of(row["completion"], "assistant")
    if not isinstance(prompt, list) or not isinstance(said, list):
        raise DataError("no prompt or no completion")
    return chat_of([*prompt, *said], **about)


def _is_transcript(row: Row) -> bool:
    return all(isinstance(row.get(name), str) and transcript(row[name]) for name in ("chosen", "rejected"))


def _said_by(key: str, *names: str) -> Callable[[Row], bool]:
    return lambda row: any(name in first_of(row, key) for name in names)


FORMS = (
    Form("recllmsim", "history: [{role, content, satisfaction}], profile, chat_model",
         _said_by("history", "role"), recllmsim, FIVE),
    Form("prism", "conversation_history: [{turn, role, content, model_name, score, if_chosen}], user_id",
         _said_by("conversation_history", "role"), prism, (1, 100)),
    Form("ultrafeedback", "instruction, completions: [{response, fine-grained_score, model}]",
         _said_by("completions", "response"), ultrafeedback, FIVE),
    Form("arena", "conversation_a, conversation_b, winner",
         lambda row: {"conversation_a", "conversation_b", "winner"} <= row.keys(), arena),
    Form("hh-rlhf", "chosen, rejected: transcripts of Human: and Assistant:", _is_transcript, pair),
    Form("preference", "chosen, rejected, and perhaps prompt: texts or messages",
         lambda row: {"chosen", "rejected"} <= row.keys(), pair),
    Form("wildchat", "conversation: [{role, content}], model, conversation_hash, hashed_ip",
         lambda row: _said_by("conversation", "role")(row) and "conversation_hash" in row, of_list("conversation")),
    Form("lmsys", "conversation: [{role, content}], model, conversation_id",
         _said_by("conversation", "role"), of_list("conversation")),
    Form("sharegpt", "conversations: [{from, value}]", _said_by("conversations", "from", "role"), of_list("conversations")),
    Form("ultrachat", "data: a list of texts", lambda row: are_texts(row.get("data")), ultrachat),
    Form("messages", "messages: [{role, content}]", _said_by("messages", "role"), of_list("messages")),
    Form("prompt-completion", "prompt, completion: texts or messages",
         lambda row: {"prompt", "completion"} <= row.keys(), completion),
)  # fmt: skip
NAMES = tuple(form.name for form in FORMS)


def form_named(name: str) -> Form:
    """Raises: UsageError: there is none."""
    wanted = OTHER_NAMES.get(name, name)
    if wanted not in NAMES:
        raise UsageError(f"--form {name!r}: no such form; known: {', '.join((*NAMES, *OTHER_NAMES, *NO_CHATS))}")
    return FORMS[NAMES.index(wanted)]


def form_of(record: object) -> Form | None:
    """Which form a record has."""
    row = as_row(record)
    return next((form for form in FORMS if form.fits(row)), None) if row is not None else None


def as_row(record: object) -> Row | None:
    """A record as an object; a bare list of messages is one under `messages`."""
    if isinstance(record, list):
        return {"messages": record}
    return record if isinstance(record, dict) else None


def chat_in(record: object, form: Form) -> Chat:
    """Raises: DataError: the record is not of this form, or nothing in it can be used."""
    row = as_row(record)
    if row is None or not form.fits(row):
        raise Unusable(f"not of the form {form.name}", f"found {keys_of(record)}; wanted {form.wanted}")
    return form.read(row, dict(_about(row)))


def keys_of(record: object) -> str:
    """What a record is like, for a person who has to mend it."""
    if not isinstance(record, dict):
        return shortened(record)
    texts = [key for key, value in record.items() if isinstance(value, str) and _LIKE_JSON.match(value)]
    why = f", and {texts[0]!r} is text: write a list, in a cell of a table as JSON" if texts else ""
    return f"the keys {shortened(sorted(record))}{why}"


def _about(row: Row) -> Iterator[tuple[str, Any]]:
    """Who talked with whom, and what is known of the user."""
    for name, keys in (("chat_id", CHAT_IDS), ("user_id", USER_IDS), ("model", MODELS)):
        yield name, next((text for key in keys if (text := _named(row.get(key)))), None)
    persona = row.get("persona")
    parts = persona if isinstance(persona, Mapping) else {"profile": persona}
    for name in ("profile", "personality"):
        yield name, words(row.get(name)) or words(parts.get(name))


def _named(value: object) -> str:
    """An id as text; whole numbers are floats in tables where one of them is missing."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return text_of(str(value)) if isinstance(value, str | int) and not isinstance(value, bool) else ""
