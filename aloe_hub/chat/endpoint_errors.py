"""What comes back from an endpoint: a reply, or one line that says why there is none.

A `TransientError` where asking again may help, a `ChatError` where it will not. An answer is not trusted to have the form that it
should: whatever it lacks is a fault that may pass.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2
from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError, OfflineModeIsEnabled

from aloe_hub.chat.base import ChatReply
from aloe_hub.errors import ChatError, Refused, TransientError
from aloe_hub.text import valid

KEY = "ALOE_API_KEY"
_MAY_PASS = {408, 409, 425, 429}
_SAID = 300  # characters of a server's own words that an error repeats


@asynccontextmanager
async def readable(model: str, hidden: Callable[[str], str]) -> AsyncIterator[None]:
    """Whatever a client raises, as one line of ours."""
    try:
        yield
    except (InferenceTimeoutError, TimeoutError):
        raise TransientError(f"{model}: no answer in time", maybe_billed=True) from None
    except HfHubHTTPError as error:
        raise _refusal(model, error.response, hidden) from None
    except OfflineModeIsEnabled:
        raise ChatError(f"{model}: HF_HUB_OFFLINE is set, and the client then sends nothing; unset it") from None
    except httpx2.TransportError as error:
        sent = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)
        what = "the connection broke" if sent else "cannot be reached; is the server up?"
        raise TransientError(f"{model}: {what} ({_shown(str(error)) or type(error).__name__})", maybe_billed=sent) from None
    except httpx2.HTTPError as error:
        raise TransientError(f"{model}: {_shown(str(error)) or type(error).__name__}", maybe_billed=True) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        answered = error.doc if isinstance(error, json.JSONDecodeError) else error.object.decode(errors="replace")
        text = hidden(f"{model}: the answer is not a chat completion: {_shown(answered)!r}")
        raise TransientError(text, maybe_billed=True) from None
    except (AttributeError, KeyError, TypeError, ValueError, AssertionError, RecursionError) as error:
        # The client trusts the form of an answer: one of another form breaks it in any of these ways. What it will not send, too.
        text = hidden(f"{model}: the answer could not be read ({type(error).__name__}: {_shown(str(error))})")
        raise TransientError(text, maybe_billed=True) from None


def _refusal(model: str, response: httpx2.Response, hidden: Callable[[str], str]) -> ChatError:
    status = response.status_code
    text = hidden(f"{model}: {status} {_server_says(response)}")
    if status in _MAY_PASS or status >= 500:
        return TransientError(text, retry_after=_retry_after(response.headers.get("Retry-After")))
    if status in (401, 403):
        text += f"; is the token right? Endpoints take it from {KEY}, the Hub from HF_TOKEN or `hf auth login`"
    return Refused(text) if status in (401, 403, 404) else ChatError(text)


def _server_says(response: httpx2.Response) -> str:
    """The server's own message, in OpenAI's form, in a few others, or the beginning of what it sent."""
    try:
        body = response.json()
    except (ValueError, httpx2.ResponseNotRead):
        try:
            return _shown(response.text) or response.reason_phrase
        except httpx2.ResponseNotRead:
            return response.reason_phrase
    found = body
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and key in found:
            found = found[key]
    return _shown(found if isinstance(found, str) else json.dumps(found)) or response.reason_phrase


def _retry_after(header: str | None) -> float | None:
    """Seconds, from either form of the header (RFC 9110, section 10.2.3); None where it says neither."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return None
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def reply_of(model: str, answer: Any) -> ChatReply:  # noqa: ANN401 - the client makes of an answer whatever the server sent
    """The reply in an answer that came in one piece. Raises: TransientError: there is none."""
    choices = answer.choices if isinstance(getattr(answer, "choices", None), list) else []
    message = getattr(choices[0], "message", None) if choices else None
    if message is None:
        raise TransientError(f"{model}: the answer has no choices", maybe_billed=True)
    return whole(model, getattr(message, "content", None), choices[0].finish_reason == "length", getattr(answer, "usage", None))


def whole(model: str, text: object, cut: bool, usage: object) -> ChatReply:
    """A reply from its parts. Raises: TransientError: it is empty, and was not cut off before it began."""
    if not isinstance(text, str | None):
        raise TransientError(f"{model}: the reply is not a text: {_shown(str(text))!r}", maybe_billed=True)
    if not (text or "").strip() and not cut:
        raise TransientError(f"{model}: the reply is empty", maybe_billed=True)
    tokens = _counts(getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens"))
    return ChatReply.received(valid(text or ""), cut, *tokens)


def _counts(values: Iterable[object]) -> list[int | None]:
    return [value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None for value in values]


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SAID else text[:_SAID] + "…"
