"""What every server on this machine has in common: it answers on 127.0.0.1, to this machine's programs and pages alone.

A web page must not speak to it through its reader's browser. So the name in `Host` must be a loopback name (a page whose own name
was pointed at 127.0.0.1 says another), and a request that a browser marks as coming from another site is refused.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import h11
import uvicorn
from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from aloe_hub.errors import AloeError

LOOPBACK = "127.0.0.1"
_NAMES = (LOOPBACK, "localhost", "[::1]")
_MOST_CONNECTIONS = 512
_MOST_HEADER_BYTES = 32 * 1024
_HEADER_SECONDS = 20  # from the first byte to the last header
_SILENT_SECONDS = 60  # in the middle of a body
_LINGER_SECONDS = 5  # for a client that is still sending what was refused: hanging up at once would take the answer back
_KEPT_ALIVE_SECONDS = 75  # longer than clients keep an idle connection, so that none is closed as they use it again
_LAST_WORDS_SECONDS = 5  # for answers to be heard once the server ends


class LoopbackOnly:
    """Middleware: 400 for a `Host` that is not a loopback name, 403 for a request from another site."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = TrustedHostMiddleware(app, _NAMES, www_redirect=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and _is_foreign(Headers(scope=scope)):
            await JSONResponse({"error": "requests from other sites are refused"}, 403)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _is_foreign(headers: Headers) -> bool:
    """Programs send neither of these headers; a browser does not let a page change them."""
    if "cross-site" in headers.getlist("sec-fetch-site"):
        return True
    return not all(origin.startswith(("http://", "https://")) and _host(origin) in _NAMES for origin in headers.getlist("origin"))


def _host(origin: str) -> str:
    try:
        name = urlsplit(origin).hostname or ""
    except ValueError:
        return ""
    return f"[{name}]" if ":" in name else name


@contextmanager
def until_stopped(say: Callable[[str], None]) -> Iterator[None]:
    """Ctrl-C or SIGTERM ends the block, and is said."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        say("# stopped")


@contextmanager
def answering(app: ASGIApp, port: int = 0, protocol: type[BoundedProtocol] | None = None) -> Iterator[str]:
    """Serve `app` to this machine, in a thread of this process, until the block ends; gives the address, http://127.0.0.1:PORT.

    Raises:
        AloeError: the port is taken.
    """
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOOPBACK, port))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise AloeError(
                f"--port {port}: cannot listen on {LOOPBACK} ({reason}); choose another, or 0 for a free one"
            ) from None
        config = uvicorn.Config(
            LoopbackOnly(app),
            http=protocol or BoundedProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            server_header=False,
            h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
            timeout_keep_alive=_KEPT_ALIVE_SECONDS,
            timeout_graceful_shutdown=_LAST_WORDS_SECONDS,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)

        def is_of_others(record: logging.LogRecord) -> bool:
            return record.thread != thread.ident

        # This server logs nothing, since headers hold tokens; other servers of this process log as they did.
        config.access_log = False
        logger = logging.getLogger("uvicorn.error")
        logger.addFilter(is_of_others)
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise AloeError(f"--port {port}: the server did not start")
                time.sleep(0.005)
            yield f"http://{LOOPBACK}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
            logger.removeFilter(is_of_others)


class BoundedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 with an end to patience: a bound on connections, on the time of headers, and on silence in a body."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.write(b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            transport.close()
        else:
            self._wait(_HEADER_SECONDS)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state is h11.SEND_BODY:
            if not self.cycle.response_complete:
                self._wait(_SILENT_SECONDS)
        elif self.conn.their_state is not h11.IDLE:
            self._wait(None)
        elif self._patience is None:
            self._wait(_HEADER_SECONDS)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._wait(_LINGER_SECONDS)

    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that has said all that it wants to say may still listen."""
        listens = bool(self.cycle) and not self.cycle.response_complete and self.conn.their_state is not h11.SEND_BODY
        if listens:
            self.cycle.keep_alive = False
        return listens

    def send_400_response(self, msg: str) -> None:
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:  # an answer has begun
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait(None)
        super().connection_lost(exc)

    def _wait(self, seconds: float | None) -> None:
        """No longer than this from now on; None is for as long as it takes."""
        if self._patience:
            self._patience.cancel()
        self._patience = self.loop.call_later(seconds, self._cut) if seconds else None

    def _cut(self) -> None:
        if self.flow.read_paused:  # it is we who do not listen
            self._wait(_SILENT_SECONDS)
        else:
            self.transport.close()
