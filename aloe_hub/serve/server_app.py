"""HTTP → calls of a `Chat` → HTTP, in OpenAI's form.

An error of the model is one line and a 5xx, or an event where a stream has begun. Who hangs up gives his call up. Requests are
not logged: what is said is nobody's business, and a header may hold the key.
"""

from __future__ import annotations

import asyncio
import hmac
import traceback
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from aloe_hub.chat.base import Chat, ChatReply, heard
from aloe_hub.chat.openai_schema import DONE, Chunks, CompletionRequest, RequestError, completion, event, models, read, shown
from aloe_hub.errors import AloeError, ChatError, TransientError

MOST_BYTES = 4 * 2**20  # of a request's body


@dataclass(slots=True)
class ServerApp:
    """What is done at each address. With `key`, all but /health need it as their bearer token."""

    model: str
    key: str | None
    chat: Chat | None = None  # until the model is loaded
    _calls: set[asyncio.Task[ChatReply]] = field(default_factory=set)  # that are being answered
    _ends: bool = False

    def starlette(self) -> Starlette:
        routes = [
            Route("/health", self.health),
            Route("/v1/models", self.models),
            Route("/v1/chat/completions", self.completions, methods=["POST"]),
        ]
        handlers: dict[Any, Any] = {RequestError: _refused, HTTPException: _not_here, ClientDisconnect: _unheard}
        return Starlette(routes=routes, exception_handlers=handlers)

    async def health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"} if self.chat else {"status": "loading"}, 200 if self.chat else 503)

    async def models(self, request: Request) -> Response:
        self._admit(request)
        return JSONResponse(models(self.model))

    async def completions(self, request: Request) -> Response:
        self._admit(request)
        asked = read(await _body(request), self.model)
        if self.chat is None or self._ends:
            raise RequestError("the server ends" if self._ends else "the model is being loaded; try again later", status=503)
        if asked.stream:
            return await self._streamed(request, self.chat, asked)
        call = self._begun(self.chat.complete(asked.call))
        async with _given_up_if_gone(request, call):
            await asyncio.wait([call])
        return JSONResponse(completion(self.model, _reply(call)))

    async def _streamed(self, request: Request, chat: Chat, asked: CompletionRequest) -> Response:
        """A stream, once there is a first piece: until then an error is told by its status."""
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        call = self._begun(heard(chat, asked.call, pieces.put_nowait))
        call.add_done_callback(lambda _: pieces.put_nowait(None))
        async with _given_up_if_gone(request, call):
            first = await pieces.get()
        if first is None:
            _reply(call)
        return _Stream(call, _events(call, first, pieces, Chunks(self.model, asked.usage)))

    def _begun(self, coroutine: Coroutine[Any, Any, ChatReply]) -> asyncio.Task[ChatReply]:
        call = asyncio.create_task(coroutine)
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        return call

    def end(self) -> None:
        """Break off what is being said, from another thread."""
        self._ends = True
        for call in tuple(self._calls):
            call.get_loop().call_soon_threadsafe(call.cancel)

    def _admit(self, request: Request) -> None:
        given = request.headers.get("authorization", "").encode("latin-1")
        if self.key and not hmac.compare_digest(given, f"Bearer {self.key}".encode()):
            raise RequestError("this server wants its ALOE_API_KEY as bearer token", status=401, code="invalid_api_key")


class _Stream(StreamingResponse):
    """Server-sent events of a call, which is given up when they end."""

    media_type = "text/event-stream"

    def __init__(self, call: asyncio.Task[ChatReply], events: AsyncIterator[bytes]) -> None:
        super().__init__(events, headers={"Cache-Control": "no-cache"})
        self._call = call

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._call.cancel()


async def _events(
    call: asyncio.Task[ChatReply], first: str | None, pieces: asyncio.Queue[str | None], chunks: Chunks
) -> AsyncIterator[bytes]:
    yield chunks.begun()
    piece = first
    while piece is not None:
        yield chunks.piece(piece)
        piece = await pieces.get()
    try:
        yield chunks.ended(_reply(call))
    except RequestError as refusal:
        yield event(refusal.body) + DONE


def _reply(call: asyncio.Task[ChatReply]) -> ChatReply:
    """Of a call that has ended. Raises RequestError, with one line, where there is none."""
    if call.cancelled():  # and if it is because the client is gone, nobody hears this
        raise RequestError("the server ends", status=503)
    error = call.exception()
    if error is None:
        return call.result()
    if isinstance(error, AloeError):
        # What failed for good is told as such: a client would send a 500 again.
        status = 503 if isinstance(error, TransientError) else 400 if isinstance(error, ChatError) else 500
        raise RequestError(" ".join(str(error).split()), status=status)
    traceback.print_exception(error)
    raise RequestError(f"{type(error).__name__}: this is a bug in aloe-hub; the server's terminal says more", status=500)


@asynccontextmanager
async def _given_up_if_gone(request: Request, call: asyncio.Task[ChatReply]) -> AsyncIterator[None]:
    """Within the block, a client that hangs up ends the call."""

    async def listen() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        call.cancel()

    listener = asyncio.create_task(listen())
    try:
        yield
    finally:
        listener.cancel()


async def _body(request: Request) -> bytes:
    kind = request.headers.get("content-type", "")
    if kind.partition(";")[0].strip().lower() != "application/json":  # which no web page may send without being asked first
        raise RequestError(f"content-type {shown(kind)}: application/json is wanted", status=415)
    parts, left = [], MOST_BYTES
    async for part in request.stream():
        parts.append(part)
        left -= len(part)
        if left < 0:
            raise RequestError(f"a body of more than {MOST_BYTES} bytes", status=413)
    return b"".join(parts)


def _refused(request: Request, refusal: RequestError) -> Response:
    return JSONResponse(refusal.body, refusal.status)


def _not_here(request: Request, error: HTTPException) -> Response:
    line = f"{request.method} {request.url.path}: {error.detail.lower()}"
    return JSONResponse(RequestError(line, status=error.status_code).body, error.status_code, error.headers)


def _unheard(request: Request, error: ClientDisconnect) -> Response:
    """The client hung up while it spoke."""
    return Response(status_code=400)
