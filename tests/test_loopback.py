"""Servers on this machine: no web page speaks to them through its reader's browser, and no client holds them up."""

import contextlib
import http.client
import logging
import socket
import time

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from aloe_hub import loopback
from aloe_hub.errors import AloeError

heard: list[bytes] = []


async def echo(request):
    heard.append(await request.body())
    return PlainTextResponse(heard[-1])


APP = Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])


@pytest.fixture
def port():
    heard.clear()
    with loopback.answering(APP) as address:
        yield int(address.rsplit(":", 1)[1])


def ask(port, headers, method="POST"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, "/", b"hello", headers)
        return connection.getresponse().status
    finally:
        connection.close()


def connected(port):
    return socket.create_connection(("127.0.0.1", port), timeout=10)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8089", "[::1]:80", "LOCALHOST"])
def test_a_loopback_name_may_ask(port, host):
    for more in ({}, {"Origin": f"http://{host}"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert ask(port, {"Host": host, **more}) == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 400),
        ({"Host": "evil.example:80"}, 400),
        ({"Host": "127.0.0.1.evil.example"}, 400),
        ({"Host": "localhost@evil.example"}, 400),
        ({"Host": "10.0.0.1"}, 400),
        ({"Host": ""}, 400),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "https://localhost.evil.example:8089"}, 403),
        ({"Origin": "file://localhost"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://[bad"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_no_web_page_speaks_through_its_readers_browser(port, headers, status):
    assert [ask(port, headers, method) for method in ("GET", "POST")] == [status] * 2
    assert heard == []


def test_a_client_that_never_stops_sending_what_was_refused_is_cut_off(port, monkeypatch):
    monkeypatch.setattr(loopback, "_LINGER_SECONDS", 0.2)
    with connected(port) as connection:
        connection.sendall(b"PUT /nowhere HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                connection.sendall(b"8000\r\n" + bytes(0x8000) + b"\r\n")


def test_a_client_that_drips_its_headers_is_cut_off(port, monkeypatch):
    monkeypatch.setattr(loopback, "_HEADER_SECONDS", 0.3)
    for begun in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"):  # a first request, and the second of a connection
        with connected(port) as connection:
            connection.sendall(begun)
            with contextlib.suppress(ConnectionError):
                while True:
                    connection.sendall(b"X")
                    time.sleep(0.05)
    assert ask(port, {}) == 200


def test_a_client_that_falls_silent_is_cut_off_in_its_body_and_not_between_requests(port, monkeypatch):
    monkeypatch.setattr(loopback, "_SILENT_SECONDS", 0.3)
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
    with connected(port) as patient, connected(port) as connection:
        patient.sendall(head + b"123456789")
        assert patient.recv(1000).endswith(b"123456789")
        connection.sendall(head)
        for _ in range(4):  # slow is not silent
            connection.sendall(b"1")
            time.sleep(0.1)
        assert connection.recv(1) == b""
        patient.sendall(head + b"abcdefghi")
        assert patient.recv(1000).endswith(b"abcdefghi")


def test_connections_and_headers_are_bounded(port, monkeypatch):
    with connected(port) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")
    monkeypatch.setattr(loopback, "_MOST_CONNECTIONS", 3)
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connected(port))
        with connected(port) as fourth:
            assert fourth.recv(1000).startswith(b"HTTP/1.1 503")
    time.sleep(0.1)
    assert ask(port, {}) == 200


def test_a_client_that_has_said_all_may_still_listen(port):
    with connected(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi")
        connection.shutdown(socket.SHUT_WR)
        assert b"".join(iter(lambda: connection.recv(1000), b"")).endswith(b"\r\n\r\nhi")


def test_a_port_that_is_taken_is_one_line(port):
    for taken in (port, 70_000):
        with pytest.raises(AloeError, match=f"--port {taken}: cannot listen on 127.0.0.1"), loopback.answering(APP, taken):
            pass


def test_it_logs_nothing_and_leaves_the_logs_of_other_servers_as_they_were(caplog):
    async def broken(scope, receive, send):
        raise RuntimeError("token in a header")

    logger = logging.getLogger("uvicorn.error")
    before = logger.level, logging.getLogger("uvicorn.access").propagate
    with caplog.at_level("INFO"), loopback.answering(broken) as address:
        assert httpx.get(address).status_code == 500
        logger.warning("another server says something")
    assert [record.getMessage() for record in caplog.records if record.name == "uvicorn.error"] == [
        "another server says something"
    ]
    assert (logger.level, logging.getLogger("uvicorn.access").propagate) == before
    assert not logger.filters
