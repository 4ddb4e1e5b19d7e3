"""Why a call to an endpoint failed, in one line: a `TransientError` where asking again may help, else a `ChatError`."""

from __future__ import annotations

import json
import math
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from aloe_hub.chat.keys import KEY
from aloe_hub.errors import AloeError, ChatError, Refused, TransientError
from aloe_hub.text import valid

_MAY_PASS = {408, 409, 425, 429}
_SAID = 300  # characters of a server's own words that an error repeats
_PARAMETERS = ("max_tokens", "temperature", "top_p", "seed", "stop", "response_format", "stream_options")
_SPENT = re.compile(
    r"insufficient[_ ](?:quota|balance|credit|funds)|exceeded your (?:current |monthly )?(?:quota|included credits)", re.I
)


@asynccontextmanager
async def readable(model: str, hidden: Callable[[str], str]) -> AsyncIterator[None]:
    """Whatever goes wrong in a call, as one line of ours that begins with the model and never holds the key."""

    def transient(text: str, *, sent: bool = True) -> TransientError:
        return TransientError(hidden(f"{model}: {text}"), maybe_billed=sent)

    try:
        yield
    except AloeError as error:
        error.args = (hidden(f"{model}: {error}"),)
        raise error from None
    except (httpx2.TimeoutException, TimeoutError) as error:
        if isinstance(error, httpx2.ConnectTimeout):
            raise transient("cannot be reached in time; is the server up?", sent=False) from None
        raise transient("no answer in time") from None
    except httpx2.ConnectError as error:
        raise transient(f"cannot be reached; is the server up? ({_cause(error, hidden)})", sent=False) from None
    except httpx2.TransportError as error:
        raise transient(f"the connection broke ({_cause(error, hidden)})") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        answered = (
            error.doc if isinstance(error, json.JSONDecodeError) else "" if isinstance(error, RecursionError) else error.object
        )
        answered = answered if isinstance(answered, str) else answered[: 4 * _SAID].decode("utf-8", "replace")
        raise transient(f"the answer is not a chat completion: {shown(hidden(answered))!r}") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, ValueError) as error:  # a number too long to be read, too
        raise transient(f"no chat completion came of it ({_cause(error, hidden)})") from None


def refusal(status: int, said: bytes, retry_after: str | None, on_the_hub: bool = False) -> ChatError:
    """The error that an answer with another status than 200 is, in the server's own words."""
    words = _server_says(said)
    text = f"{status} {words}".rstrip()
    if status == 402 or _SPENT.search(words) or _SPENT.search(said[:2000].decode("utf-8", "replace")):
        return Refused(f"{text}; nothing is left to spend there")
    invalid = status in (400, 422) or "validation error" in words  # which llama-cpp-python's server calls an error of its own
    if not invalid and (status in _MAY_PASS or status >= 500):
        return TransientError(text, retry_after=_seconds(retry_after))
    if invalid and (named := _parameter_in(words)):
        other = '"max_completion_tokens"' if named == "max_tokens" and "max_completion_tokens" in words else "null"
        return Refused(f"{text}; what is sent can be changed: --extra-body '{{\"{named}\": {other}}}'")
    if status in (401, 403):
        where = "the Hub takes it from HF_TOKEN or `hf auth login`" if on_the_hub else f"endpoints take it from {KEY}"
        return Refused(f"{text}; is the token right? {where}")
    return Refused(text) if status == 404 or (on_the_hub and status == 400) else ChatError(text)


def _parameter_in(words: str) -> str | None:
    """The parameter that a server will not take; a prompt that is too long is another matter, though it may name `max_tokens`."""
    if re.search(r"context|too long|too large", words, re.I):
        return None
    return next((name for name in _PARAMETERS if re.search(rf"(?<!\w){name}(?!\w)", words)), None)


def _server_says(said: bytes) -> str:
    """The server's own message, in OpenAI's form, in a few others, or the beginning of what it sent."""
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        text = said[: 8 * _SAID].decode("utf-8", "replace")
        return shown(re.sub(r"<[^<>]{0,200}>", " ", text) if text.lstrip().startswith("<") else text)
    for key in ("error", "message", "detail"):
        if isinstance(found, dict) and key in found:
            found = found[key]
    return shown(found if isinstance(found, str) else json.dumps(found)) if found else ""


def _seconds(retry_after: str | None) -> float | None:
    """Seconds, from either form of the header (RFC 9110, section 10.2.3); None where it says neither."""
    if retry_after is None:
        return None
    try:
        seconds = float(retry_after)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        when = parsedate_to_datetime(retry_after)
        return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())
    except (ValueError, OverflowError):
        return None


def _cause(error: Exception, hidden: Callable[[str], str]) -> str:
    return shown(hidden(str(error))) or type(error).__name__


def shown(text: str) -> str:
    """A server's words on one line, not too many of them. What a cut leaves of a key is hidden where it tells."""
    text = " ".join(valid(text).split())
    return text if len(text) <= _SAID else text[:_SAID] + "…"
