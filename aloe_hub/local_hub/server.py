"""The HTTP server: one thread a connection, on 127.0.0.1 alone.

Bad input is a 4xx with a reason. A 5xx is a bug of ours (or a full disk), and its traceback goes to standard error. Requests are
not logged: their headers hold tokens.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import socket
import socketserver
import sys
import traceback
from collections.abc import Mapping
from urllib.parse import parse_qs

from aloe_hub.errors import AloeError
from aloe_hub.local_hub.body import Body
from aloe_hub.local_hub.message import MIB, FilePart, Hub, Limits, Request, Response, json_response, refused
from aloe_hub.local_hub.refusal import Refusal, bad_request
from aloe_hub.local_hub.routes import find
from aloe_hub.local_hub.store import Store
from aloe_hub.local_hub.users import User

LOOPBACK = "127.0.0.1"
_LINGER_BYTES = 16 * MIB
_LINGER_SECONDS = 5


class HubServer(http.server.ThreadingHTTPServer):
    """Listens as soon as it is made; `serve_forever` answers, `close` ends it and frees the store's folder."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, store: Store, users: Mapping[str, User], port: int = 0, limits: Limits | None = None) -> None:
        try:
            super().__init__((LOOPBACK, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise AloeError(
                f"--port {port}: cannot listen on {LOOPBACK} ({reason}); choose another, or 0 for a free one"
            ) from None
        self.hub = Hub(store, users, f"http://{LOOPBACK}:{self.server_address[1]}", limits or Limits())

    def server_bind(self) -> None:
        """Without the parent's look-up of this machine's name, which may ask a name server."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = LOOPBACK, int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):  # a client that left is no news
            traceback.print_exc()

    def close(self) -> None:
        self.server_close()
        self.hub.store.close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: HubServer

    protocol_version = "HTTP/1.1"
    server_version = "aloe-hub"
    sys_version = ""
    timeout = 60  # of silence
    disable_nagle_algorithm = True
    wbufsize = 1 << 16  # headers and a short body leave in one packet

    def answer(self) -> None:
        body: Body | None = None
        try:
            body = Body(self.headers, self.rfile)  # type: ignore[arg-type]
            response = self._response(body)
        except Refusal as refusal:
            response = refused(refusal)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return
        except Exception as error:
            traceback.print_exc()
            response = json_response({"error": f"the local Hub failed: {type(error).__name__}; see its terminal"}, 500)
        if body is None or not body.finished:
            self.close_connection = True  # what is left in the pipe would be taken for the next request
        self._send(response)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = answer  # noqa: N815

    def _response(self, body: Body) -> Response:
        address, _, query = self.path.partition("?")
        answer, arguments = find(self.command, address)
        try:
            values = parse_qs(query, keep_blank_values=True, errors="strict", max_num_fields=1000)
        except ValueError:
            raise bad_request("not a query") from None
        return answer(Request(self.server.hub, self.command, arguments, values, self.headers, body))

    def _send(self, response: Response) -> None:
        body = response.body
        self.send_response(response.status)
        for name, value in response.headers.items():
            self.send_header(name, _header(value))
        self.send_header("Content-Length", str(body.length if isinstance(body, FilePart) else len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if isinstance(body, FilePart):
            with body.file as file:
                if self.command != "HEAD" and body.length:
                    self.wfile.flush()
                    self.connection.sendfile(file, body.start, body.length)
        elif self.command != "HEAD":
            self.wfile.write(body)

    def finish(self) -> None:
        """Hear a refused client out before hanging up: closing a socket on unread bytes would take back the answer."""
        left = _LINGER_BYTES
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(_LINGER_SECONDS)
            while left > 0 and (heard := self.rfile.read1(1 << 16)):
                left -= len(heard)
        super().finish()

    def handle_expect_100(self) -> bool:
        """Say at once that the body may come: the answer's buffer would keep the client waiting."""
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """What the standard library refuses by itself. It says 501 of an unknown method, which is the client's fault: a 4xx."""
        status = {501: 405, 505: 400}.get(int(code), int(code))
        body = json.dumps({"error": message or "bad request"}).encode()
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Nothing: see the module."""


def _header(value: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in value)
