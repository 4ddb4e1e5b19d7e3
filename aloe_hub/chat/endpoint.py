"""A model behind an endpoint: `hub:org/model[:provider]` and `http://host:port/v1#model`, both by huggingface_hub's own client.

A call is one request, sent once. Whatever comes back that is not an answer is one line: a `TransientError` where asking again may
help, a `ChatError` where it will not. Sending again, waiting and counting are the business of the wrappers.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from os import environ
from typing import Any
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import AsyncInferenceClient, get_token
from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError, OfflineModeIsEnabled

from aloe_hub.chat.base import ChatReply, ChatRequest
from aloe_hub.errors import AloeError, ChatError, Refused, TransientError, UsageError

KEY = "ALOE_API_KEY"
# The client keeps this many idle connections open; with more requests in flight on it, each further one costs a new one.
IN_FLIGHT_EACH = 20
_MAY_PASS = {408, 409, 425, 429}
_SAID = 300  # characters of a server's own words that an error repeats
# Without a key of its own the client would send the user's Hugging Face token to whatever server is named.
_NO_KEY = "none"


@dataclass(frozen=True, slots=True)
class Address:
    """Where requests go, and what they call the model there."""

    model: str
    base_url: str | None = None
    provider: str | None = None

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that a model string names.

        Raises:
            UsageError: it has no model, or is no address; says what one looks like.

        >>> Address.parse("http://127.0.0.1:8000/v1#org/model")
        Address(model='org/model', base_url='http://127.0.0.1:8000/v1', provider=None)
        >>> Address.parse("hub:org/model:novita")
        Address(model='org/model', base_url=None, provider='novita')
        """
        if text.startswith("hub:"):
            found = re.fullmatch(r"hub:([\w.-]+/[\w.-]+)(?::([\w-]+))?", text, re.ASCII)
            if found is None:
                raise UsageError(f"model {text!r}: expected hub:org/model or hub:org/model:provider")
            return cls(found[1], provider=found[2])
        url, _, model = text.partition("#")
        try:
            parts = urlsplit(url)
            valid = bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise UsageError(f"model {text!r}: no address of a server; expected http://host:port/v1#model")
        if parts.username is not None or parts.password is not None or parts.query:
            # Not repeated: it may be a secret, and a model string stands in run.toml.
            raise UsageError(f"model at {parts.hostname}: no user, password or query in its address; a key is given by {KEY}")
        if not model:
            raise UsageError(f"model {text!r}: which model of that server? Expected {url}#model")
        return cls(model, base_url=url.rstrip("/"))


class Endpoint:
    """A `Chat` over HTTP, in the event loop that first asks it; `close` ends its connections."""

    def __init__(self, model: str, timeout: float) -> None:
        """`model` is a model string; `timeout` is in seconds: for a whole reply, or for each silence of one that is streamed.

        Raises:
            UsageError: the string cannot be meant.
            AloeError: a model of the Hub, and no token to ask it with.
        """
        self.model = model
        self._address = Address.parse(model)
        self._timeout = timeout
        self._free: list[AsyncInferenceClient] = []
        self._clients: list[AsyncInferenceClient] = []
        self._key = _key_for(self._address, model)

    async def complete(self, request: ChatRequest) -> ChatReply:
        async with self._client() as client, _readable(self.model, self._hidden), asyncio.timeout(self._timeout):
            answer = await client.chat_completion(**self._arguments(request))
        return _reply(self.model, answer)

    async def stream(self, request: ChatRequest, say: Callable[[str], None]) -> ChatReply:
        said, cut, usage = [], False, None
        client = self._new_client()  # of its own: it keeps what it has streamed until it is closed
        try:
            async with _readable(self.model, self._hidden):
                options = {"include_usage": True}
                chunks = await client.chat_completion(**self._arguments(request), stream=True, stream_options=options)  # type: ignore[call-overload]
                async for chunk in chunks:
                    usage = chunk.usage or usage
                    for choice in chunk.choices or ():
                        cut = cut or choice.finish_reason == "length"
                        if choice.delta.content:
                            said.append(choice.delta.content)
                            say(choice.delta.content)
        finally:
            await client.close()  # type: ignore[no-untyped-call]
        return _whole(self.model, "".join(said), cut, usage)

    async def close(self) -> None:
        clients, self._clients, self._free = self._clients, [], []
        for client in clients:
            await client.close()  # type: ignore[no-untyped-call]

    def _hidden(self, text: str) -> str:
        """A server may repeat the key that it refuses."""
        return text.replace(self._key, "***") if self._key != _NO_KEY else text

    def _arguments(self, request: ChatRequest) -> dict[str, Any]:
        sampling = request.sampling
        return {
            "messages": [{"role": message.role, "content": message.content} for message in request.messages],
            "model": self._address.model,
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stop": list(sampling.stop) or None,
            "seed": request.seed,
        }

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[AsyncInferenceClient]:
        """A client with a connection to spare."""
        if not self._free:
            client = self._new_client()
            self._clients.append(client)
            self._free.extend([client] * IN_FLIGHT_EACH)
        client = self._free.pop()
        try:
            yield client
        finally:
            self._free.append(client)

    def _new_client(self) -> AsyncInferenceClient:
        if self._address.base_url is not None:
            return AsyncInferenceClient(base_url=self._address.base_url, api_key=self._key, timeout=self._timeout)
        provider: Any = self._address.provider
        try:
            return AsyncInferenceClient(provider=provider, api_key=self._key, timeout=self._timeout)
        except ValueError as error:
            raise UsageError(f"model {self.model!r}: {error}") from None


def _key_for(address: Address, model: str) -> str:
    """The key of that very server, else the one for all servers; the Hub's token goes to the Hub alone."""
    if address.base_url is None:
        token = get_token()
        if token is None:
            raise AloeError(f"model {model!r}: no token; log in with `hf auth login`, or set HF_TOKEN")
        return token
    host = re.sub(r"\W", "_", urlsplit(address.base_url).hostname or "").upper()
    return environ.get(f"{KEY}_{host}") or environ.get(KEY) or _NO_KEY


@asynccontextmanager
async def _readable(model: str, hidden: Callable[[str], str]) -> AsyncIterator[None]:
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
        text = hidden(f"{model}: answered with no chat completion: {_shown(answered)!r}")
        raise TransientError(text, maybe_billed=True) from None
    except (AttributeError, KeyError, TypeError, ValueError, AssertionError, RecursionError) as error:
        # The client trusts the form of an answer: one of another form breaks it in any of these ways. What it will not send, too.
        text = hidden(f"{model}: no chat completion came of it ({type(error).__name__}: {_shown(str(error))})")
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


def _reply(model: str, answer: Any) -> ChatReply:  # noqa: ANN401 - the client makes of an answer whatever the server sent
    choices = answer.choices if isinstance(getattr(answer, "choices", None), list) else []
    message = getattr(choices[0], "message", None) if choices else None
    if message is None:
        raise TransientError(f"{model}: the answer has no choices", maybe_billed=True)
    return _whole(model, getattr(message, "content", None), choices[0].finish_reason == "length", getattr(answer, "usage", None))


def _whole(model: str, text: object, cut: bool, usage: object) -> ChatReply:
    if not isinstance(text, str | None):
        raise TransientError(f"{model}: the reply is no text: {_shown(str(text))!r}", maybe_billed=True)
    if not (text or "").strip() and not cut:
        raise TransientError(f"{model}: the reply is empty", maybe_billed=True)
    tokens = _counts(getattr(usage, name, None) for name in ("prompt_tokens", "completion_tokens"))
    return ChatReply(text or "", cut, *tokens)


def _counts(values: Iterable[object]) -> list[int | None]:
    return [value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None for value in values]


def _shown(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SAID else text[:_SAID] + "…"
