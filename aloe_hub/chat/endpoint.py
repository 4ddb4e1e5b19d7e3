"""A model behind an endpoint: `hub:org/model[:provider]` and `http://host:port/v1#model`, in the protocol of OpenAI's chat API.

A call is one request, sent once; what comes back is read in `answers`, and what goes wrong is told in `endpoint_errors`. Sending
again, waiting and counting are the business of the wrappers. One thing is found out here: which of two forms of a schema the
server takes.

A peer may be hostile: an answer is read in pieces and no further than `MOST_BYTES`, decoded ones; a redirect is followed only
within its origin; the key goes to its own server, and into no message.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2
from huggingface_hub import constants

from aloe_hub.chat.answers import Heard, reply_of
from aloe_hub.chat.base import ChatReply, ChatRequest
from aloe_hub.chat.decompress import decompressed
from aloe_hub.chat.endpoint_errors import readable, refusal
from aloe_hub.chat.keys import Key
from aloe_hub.errors import ChatError, Refused, TransientError
from aloe_hub.model_string import ModelString

HUB = "https://router.huggingface.co/v1"  # routes to all Inference Providers, and speaks as they all do
MOST_BYTES = 8 * 2**20  # of an answer: a hundred times what the largest `max_tokens` in use comes to
_MOST_REDIRECTS = 3
_LIMITS = httpx2.Limits(max_connections=1)


class Endpoint:
    """A `Chat` over HTTP, in the event loop that first asks it; `close` ends its connections.

    Each call in flight has a client, and so a connection, of its own: a pool looks through all of them twice a call.
    """

    def __init__(self, model: ModelString, timeout: float) -> None:
        """`timeout` is in seconds: for a whole reply, or for each silence of one that is streamed.

        Raises:
            AloeError: a model of the Hub, and no token to ask it with; a key that no header can hold.
        """
        self.model = str(model)
        self._name = f"{model.name}:{model.provider}" if model.provider else str(model.name)
        self._url = f"{model.address or HUB}/chat/completions"
        self._on_the_hub = model.address is None
        self._timeout = timeout
        self._key = Key.of(model)
        self._idle: list[httpx2.AsyncClient] = []
        self._tls: ssl.SSLContext | None = None
        self._schema_in_object = False

    async def complete(self, request: ChatRequest) -> ChatReply:
        in_object = self._schema_in_object
        try:
            return await self._complete(request, in_object)
        except Refused as error:
            if request.schema is None or in_object or "response_format" not in str(error):
                raise
        self._schema_in_object = True  # of two ways to send a schema, llama-cpp-python's server knows the other one alone
        return await self._complete(request, True)

    async def _complete(self, request: ChatRequest, in_object: bool) -> ChatReply:
        async with readable(self.model, self._key.hidden), asyncio.timeout(self._timeout):
            async with self._sent(body_of(self._name, request, in_object)) as response:
                said = b"".join([piece async for piece in self._pieces(response)])
                streamed = response.headers.get("Content-Type", "").startswith("text/event-stream")
            if not streamed:
                return reply_of(json.loads(said), self._key)
            heard = Heard()  # nobody asked it to stream
            for line in said.split(b"\n"):
                heard.line(line)
            return reply_of(heard.whole(), self._key)

    async def stream(self, request: ChatRequest, say: Callable[[str], None]) -> ChatReply:
        """As `complete`; reasoning in a block of its own is not said."""
        heard = Heard(say)
        body = body_of(self._name, request) | {"stream": True, "stream_options": {"include_usage": True}}
        async with readable(self.model, self._key.hidden), self._sent(body) as response:
            rest: list[bytes] = []  # of a line that has not ended
            async for piece in self._pieces(response):
                first, *lines = piece.split(b"\n")
                rest.append(first)
                for line in lines:
                    heard.line(b"".join(rest))
                    rest = [line]
            heard.line(b"".join(rest))
            reply = reply_of(heard.whole(), self._key)
            heard.end(reply.text)
            return reply

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().aclose()

    @asynccontextmanager
    async def _sent(self, body: dict[str, Any]) -> AsyncIterator[httpx2.Response]:
        """The beginning of an answer with status 200. Raises: ChatError: another status."""
        if self._on_the_hub and constants.HF_HUB_OFFLINE:
            raise ChatError("HF_HUB_OFFLINE is set; unset it to ask a model of the Hub")
        url, client = self._url, self._idle.pop() if self._idle else self._new_client()
        try:
            for _ in range(_MOST_REDIRECTS + 1):
                async with client.stream("POST", url, json=body) as response:
                    if response.has_redirect_location:
                        url = self._redirected(url, response)
                        continue
                    if response.status_code != 200:
                        said = b"".join([piece async for piece in self._pieces(response)])
                        raise refusal(response.status_code, said, response.headers.get("Retry-After"), self._on_the_hub)
                    yield response
                    return
            raise ChatError(f"redirected {_MOST_REDIRECTS} times, and once more")
        finally:
            self._idle.append(client)

    def _new_client(self) -> httpx2.AsyncClient:
        if self._tls is None:
            self._tls = httpx2.create_ssl_context()
        headers = self._key.headers | {"Accept-Encoding": "gzip"}
        return httpx2.AsyncClient(headers=headers, timeout=self._timeout, limits=_LIMITS, verify=self._tls)

    def _redirected(self, url: str, response: httpx2.Response) -> str:
        """Where the server sends us within its own origin. Elsewhere neither the key nor what was said may go."""
        try:
            there = urljoin(url, response.headers["Location"])
            same = urlsplit(there)[:2] == urlsplit(url)[:2] and response.status_code in (307, 308)
        except ValueError:
            there, same = "", False
        if not same:
            raise ChatError(f"{response.status_code}: redirected to another address, which is not followed; name that address")
        return there

    async def _pieces(self, response: httpx2.Response) -> AsyncIterator[bytes]:
        """The decoded bytes of an answer, as they come. Raises: TransientError: more than `MOST_BYTES`."""
        size = 0
        async for piece in decompressed(response, MOST_BYTES):
            size += len(piece)
            if size > MOST_BYTES:
                raise TransientError(f"the answer is longer than {MOST_BYTES // 2**20} MiB", maybe_billed=True)
            yield piece


def body_of(name: str, request: ChatRequest, schema_in_object: bool = False) -> dict[str, Any]:
    """What is sent. A value that is the server's own default anyway is left out: some servers refuse to be told it.

    schema_in_object: a schema is sent as llama.cpp's servers had it before OpenAI did.
    """
    sampling = request.sampling
    as_object = {"type": "json_object", "schema": request.schema}
    strictly = {"type": "json_schema", "json_schema": {"name": request.role, "strict": True, "schema": request.schema}}
    body = {
        "model": name,
        "messages": [message.to_row() for message in request.messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p if sampling.top_p < 1 else None,
        "max_tokens": sampling.max_tokens,
        "stop": list(sampling.stop) or None,
        "seed": request.seed,
        "response_format": request.schema and (as_object if schema_in_object else strictly),
    }
    body = {field: value for field, value in body.items() if value is not None}
    for field, value in sampling.extra_fields.items():
        if value is None:
            body.pop(field, None)
        elif field == "max_tokens" and isinstance(value, str):  # the limit's name on that server
            body[value] = body.pop(field)
        else:
            body[field] = value
    return body
