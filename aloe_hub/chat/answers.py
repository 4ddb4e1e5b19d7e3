"""What a server's answer comes to: a reply, or an error that names why there is none.

An answer is not trusted to have the form that it should. Asked again, a server may mend a broken answer (`TransientError`); a
refusal, a filter or a missing credit it will repeat (`ChatError`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from aloe_hub.chat.base import ChatReply
from aloe_hub.chat.endpoint_errors import refusal, shown
from aloe_hub.chat.keys import Key
from aloe_hub.chat.pieces import Pieces, answered
from aloe_hub.errors import ChatError, TransientError

# What servers call an answer that is whole. Whatever is not listed is not: half an answer would become training data.
_WHOLE = {
    "stop",
    "eos",
    "eos_token",
    "end_turn",
    "stop_sequence",
    "stop_sequences",
    "stop_token",
    "end",
    "complete",
    "completed",
    "done",
}
_FILTERED = {
    "content_filter",
    "refusal",
    "safety",
    "blocklist",
    "prohibited_content",
    "recitation",
    "spii",
    "sensitive",
    "blocked",
}
_BROKEN = {"error", "abort", "aborted", "cancelled", "timeout", "network_error", "malformed_response", "unknown"}
_STATUS = {str(status) for status in range(400, 600)}
_REASONING = ("reasoning_content", "reasoning", "thinking", "reasoning_details")
_THOUGHTS = {"thinking", "reasoning", "redacted_thinking", "thought"}


def reply_of(answer: Any, key: Key) -> ChatReply:  # noqa: ANN401 - whatever JSON the server sent
    """The reply in an answer that is there in one piece.

    Raises:
        TransientError: it is broken; asked again, the server may answer.
        ChatError: the server answered that it will not, or with something else than text; or the reply holds the key.
    """
    if not isinstance(answer, dict):
        raise TransientError(f"the answer is not a chat completion: {shown(json.dumps(answer))!r}", maybe_billed=True)
    choices = answer.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else None
    for place in (answer, choice or {}):
        if error := place.get("error"):
            raise _said_in_200(error)
    message = choice.get("message") if choice else None
    if choice is None or not isinstance(message, dict):
        raise TransientError("the answer has no choices", maybe_billed=True)
    finish = str(choice.get("finish_reason") or choice.get("native_finish_reason") or "stop").lower()
    cut = "length" in finish or "max" in finish or finish == "model_context_window_exceeded"
    text, thoughts = _text_of(message.get("content"))
    thoughts += sum(bool(message.get(name)) for name in _REASONING)
    _check_end(finish, cut, message, text, thoughts)
    tokens_in, tokens_out = _counts(answer.get("usage"))
    reply = ChatReply.received(text, cut=cut, thoughts=thoughts, tokens_in=tokens_in, tokens_out=tokens_out)
    if key.is_in(reply.text):
        raise ChatError("the reply holds the key that it was asked with; it is not kept")
    return reply


def _said_in_200(error: Any) -> ChatError:  # noqa: ANN401 - whatever stands there
    """An error that came with status 200 is what its code says."""
    code = str(error.get("code")) if isinstance(error, dict) else ""
    status = int(code) if code in _STATUS else 502
    return refusal(status, json.dumps({"error": error}).encode(), None)


def _check_end(finish: str, cut: bool, message: dict[str, Any], text: str, thoughts: int) -> None:
    """Raises: ChatError: there is no answer, or only a part of one, for a reason other than `max_tokens`."""
    declined = message.get("refusal")
    if finish in _FILTERED or (declined and not text.strip()):
        raise ChatError(f"refused to answer (finish_reason {finish}): {shown(str(declined or text)) or 'no reason given'}")
    if finish in _BROKEN:
        raise TransientError(f"broke off its answer (finish_reason {finish})", maybe_billed=True)
    if finish in ("tool_calls", "function_call", "tool_use") or (message.get("tool_calls") and not text.strip()):
        raise ChatError("called a tool instead of answering; serve the model without tools")
    if finish not in _WHOLE and not cut:
        raise ChatError(f"ended its answer with finish_reason {shown(finish)!r}, which is not known to mean a whole answer")
    if not text.strip() and not cut:
        if thoughts:
            raise ChatError(
                "only reasoning came, and no answer; turn thinking off with --extra-body, or leave it more max_tokens"
            )
        raise TransientError("the reply is empty", maybe_billed=True)


def _text_of(content: object) -> tuple[str, int]:
    """The text of a message's content, and how many of its parts were thoughts. Raises: TransientError: it is no text."""
    if isinstance(content, str | None):
        return content or "", 0
    parts = content if isinstance(content, list) else [content]
    texts, thoughts = [], 0
    for part in parts:
        fields = part if isinstance(part, dict) else {}
        kind = fields.get("type")
        if kind in _THOUGHTS:
            thoughts += 1
        elif kind in ("text", "output_text") and isinstance(fields.get("text"), str):
            texts.append(fields["text"])
        else:
            raise TransientError(f"the reply is no text: {shown(json.dumps(content))!r}", maybe_billed=True)
    return "".join(texts), thoughts


def _counts(usage: object) -> Iterable[int | None]:
    values = [usage.get(name) if isinstance(usage, dict) else None for name in ("prompt_tokens", "completion_tokens")]
    return [value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40 else None for value in values]


class Heard:
    """A streamed answer, event by event; `say` gets the text as it comes, less what may still turn out not to be of it."""

    _HELD_BACK = 40  # characters: an end token, or the beginning of a tag, may be coming
    _LOOKS = 50  # while the text doubles, about: each look is at the whole of it, and pieces may be of one character

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self._say = say
        self._text: list[str] = []
        self._pieces = Pieces()
        self._length = self._looked_at = 0  # characters that came, and that had come when the text was last looked at
        self._message: dict[str, Any] = {}
        self._answer: dict[str, Any] = {}
        self._choice: dict[str, Any] = {}

    def line(self, line: bytes) -> None:
        """One line of the stream: `data: {…}`, or something that is none of it. Raises: JSONDecodeError."""
        name, _, data = line.strip().partition(b":")
        if name != b"data" or data.strip() in (b"", b"[DONE]"):
            return
        chunk = json.loads(data)
        if not isinstance(chunk, dict):
            return
        self._answer |= {name: value for name, value in chunk.items() if name in ("usage", "error") and value}
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            self._choice |= {name: value for name, value in choice.items() if name in ("finish_reason", "error") and value}
            delta = choice.get("delta") or choice.get("message")
            for name, value in delta.items() if isinstance(delta, dict) else ():
                if name == "content":
                    text, thoughts = _text_of(value)
                    self._text.append(text)
                    self._length += len(text)
                    self._message |= {"thinking": True} if thoughts else {}
                elif value:
                    self._message[name] = value
        self._tell()

    def whole(self) -> dict[str, Any]:
        """The answer as it would have come in one piece."""
        if not self._choice and not self._text and not self._message:
            return self._answer
        message = self._message | {"content": "".join(self._text)}
        return self._answer | {"choices": [self._choice | {"message": message}]}

    def end(self, text: str) -> None:
        """The reply is `text`: say what of it was not heard yet."""
        if self._say and text.startswith(self._pieces.said) and (rest := self._pieces.rest(text)):
            self._say(rest)

    def _tell(self) -> None:
        if self._say is None or self._length - self._looked_at <= self._looked_at // self._LOOKS:
            return
        self._looked_at = self._length
        if piece := self._pieces.grown(answered("".join(self._text))[: -self._HELD_BACK]):
            self._say(piece)
