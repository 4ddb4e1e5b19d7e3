"""OpenAI's chat completions as a server reads and writes them: a body → what was asked, a reply → a body. No HTTP here.

What is not known to us is ignored, as other servers do; what is known and invalid is refused with the parameter's name.
What is not said is as in our own calls (`Sampling`), and without `seed` every request gets a fresh one: it varies.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from reprlib import Repr
from typing import Any, TypeVar

from aloe_hub.chat.base import ChatReply, ChatRequest, Sampling
from aloe_hub.types import Message

MOST_TOKENS = 1_000_000
SEED_BITS = 31

Body = dict[str, Any]
T = TypeVar("T")

_short = Repr()  # however long or deep a value is
_short.maxstring = 80
shown = _short.repr


class RequestError(Exception):
    """A request that is not answered: the status, one line, and the parameter that it is about."""

    def __init__(self, line: str, param: str | None = None, *, status: int = 400, code: str | None = None) -> None:
        super().__init__(line)
        self.status = status
        self.body: Body = {
            "error": {
                "message": line,
                "type": "invalid_request_error" if status < 500 else "server_error",
                "param": param,
                "code": code,
            }
        }


@dataclass(frozen=True, slots=True)
class CompletionRequest:
    """A call as the model gets it, and how the answer is wanted."""

    call: ChatRequest
    stream: bool
    usage: bool  # told at the end of a stream; an answer in one piece always tells it


def read(body: bytes, served: str) -> CompletionRequest:
    """What a body asks of the model `served`.

    Raises:
        RequestError: with 404 for another model, with 400 for what is invalid.
    """
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise RequestError(f"the body {shown(given)}: an object is wanted")
    if (model := given.get("model")) != served:
        if not isinstance(model, str):
            raise RequestError(f"model {shown(model)}: a name is wanted; here it is {served!r}", "model")
        raise RequestError(
            f"model {shown(model)} does not exist; here is {served!r}", "model", status=404, code="model_not_found"
        )
    if given.get("n") not in (None, 1):
        raise RequestError(f"n {shown(given['n'])}: only 1 answer a request", "n")
    most = "max_completion_tokens" if given.get("max_completion_tokens") is not None else "max_tokens"
    usual = Sampling()
    whole = f"a whole number from 1 to {MOST_TOKENS}"
    sampling = Sampling(
        _value(given, "temperature", float, usual.temperature, "a number from 0 to 2", lambda value: 0 <= value <= 2),
        _value(given, "top_p", float, usual.top_p, "a number above 0, at most 1", lambda value: 0 < value <= 1),
        _value(given, most, int, usual.max_tokens, whole, lambda value: 1 <= value <= MOST_TOKENS),
        _stop(given.get("stop")),
    )
    seed = _value(given, "seed", int, secrets.randbits(SEED_BITS), "a whole number")
    options = _value(given, "stream_options", dict, {}, "an object")
    return CompletionRequest(
        ChatRequest(_messages(given.get("messages")), sampling, seed & (2**SEED_BITS - 1), role="policy"),
        stream=_value(given, "stream", bool, False, "true or false"),
        usage=options.get("include_usage") is True,
    )


def _value(given: Body, name: str, kind: type[T], usual: T, wanted: str, fits: Callable[[T], bool] = lambda value: True) -> T:
    value: Any = given.get(name)
    if value is None:
        return usual
    kinds = (int, float) if kind is float else (kind,)
    if type(value) not in kinds or not fits(value):  # where a number is wanted, true is none
        raise RequestError(f"{name} {shown(value)}: {wanted} is wanted", name)
    return kind(value)  # type: ignore[call-arg]


def _stop(stop: object) -> tuple[str, ...]:
    if stop is None:
        return ()
    found = [stop] if isinstance(stop, str) else stop
    if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
        raise RequestError(f"stop {shown(stop)}: a text, or a list of texts, is wanted, none of them empty", "stop")
    return tuple(found)


def _messages(messages: object) -> tuple[Message, ...]:
    if not isinstance(messages, list) or not messages:
        raise RequestError(f"messages {shown(messages)}: a list of at least one message is wanted", "messages")
    return tuple(_message(message, f"messages[{number}]") for number, message in enumerate(messages))


def _message(message: object, place: str) -> Message:
    if not isinstance(message, dict):
        raise RequestError(f"{place} {shown(message)}: an object with role and content is wanted", "messages")
    role = message.get("role")
    if role not in ("system", "user", "assistant"):
        raise RequestError(f"{place}.role {shown(role)}: system, user or assistant is wanted", "messages")
    return Message(role, _content(message.get("content"), f"{place}.content"))


def _content(content: object, place: str) -> str:
    """A text, or the texts of a list of parts, a line each."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if not isinstance(parts, list) or not parts:
        raise RequestError(f"{place} {shown(content)}: a text, or a list of parts of text, is wanted", "messages")
    texts = []
    for part in parts:
        text = part.get("text") if isinstance(part, dict) and part.get("type") == "text" else None
        if not isinstance(text, str):
            raise RequestError(f"{place}: a part {shown(part)}; only parts of text are read", "messages")
        texts.append(text)
    whole = "\n".join(texts)
    try:
        whole.encode()
    except UnicodeEncodeError as error:
        raise RequestError(f"{place} {shown(whole)}: not valid Unicode at character {error.start}", "messages") from None
    return whole


def completion(model: str, reply: ChatReply) -> Body:
    """An answer in one piece."""
    choice = {"index": 0, "message": {"role": "assistant", "content": reply.text}, "finish_reason": _finish(reply)}
    return _head("chat.completion", model) | {"choices": [choice]} | _usage(reply)


class Chunks:
    """The chunks of one streamed answer: a beginning, a piece each, an end."""

    def __init__(self, model: str, usage: bool) -> None:
        self._head = _head("chat.completion.chunk", model)
        self._with_usage = usage

    def begun(self) -> bytes:
        return self._chunk({"role": "assistant", "content": ""})

    def piece(self, text: str) -> bytes:
        return self._chunk({"content": text})

    def ended(self, reply: ChatReply) -> bytes:
        last = self._chunk({}, _finish(reply))
        if self._with_usage and (usage := _usage(reply)):
            last += event(self._head | {"choices": []} | usage)
        return last + DONE

    def _chunk(self, delta: Mapping[str, str], finish: str | None = None) -> bytes:
        return event(self._head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


DONE = b"data: [DONE]\n\n"


def event(body: Body) -> bytes:
    """A body as a server-sent event."""
    return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def models(model: str) -> Body:
    """The list of the one model."""
    return {"object": "list", "data": [{"id": model, "object": "model", "created": int(time.time()), "owned_by": "aloe-hub"}]}


def _head(kind: str, model: str) -> Body:
    return {"id": f"chatcmpl-{secrets.token_hex(12)}", "object": kind, "created": int(time.time()), "model": model}


def _finish(reply: ChatReply) -> str:
    return "length" if reply.cut else "stop"


def _usage(reply: ChatReply) -> Body:
    """Nothing if the model does not tell its tokens."""
    if reply.tokens_in is None or reply.tokens_out is None:
        return {}
    both = {"prompt_tokens": reply.tokens_in, "completion_tokens": reply.tokens_out}
    return {"usage": both | {"total_tokens": reply.tokens_in + reply.tokens_out}}
