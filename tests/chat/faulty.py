"""A proxy that breaks a share of the calls to a chat endpoint, for tests and benchmarks: over real sockets, as the world does.

    python tests/chat/faulty.py --upstream http://127.0.0.1:8000/v1 --share 0.25 --seed 0 --delay-ms 50

Which call breaks, and how, follows from the seed, the body, and how often this body came before: a run repeats itself whatever
its concurrency, and no body is broken more than `in_a_row` times. `GET /faults` tells what was done.
Bodies have a Content-Length, in both directions: streams do not pass.
"""

import argparse
import asyncio
import hashlib
import json
import math
import signal
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from random import Random

ANSWERS = ("500", "503", "429", "408")
# `hang` never answers; `reset` and `closed` break the connection, before the answer and in its midst; the others say 200.
KINDS = (*ANSWERS, "hang", "reset", "closed", "truncated", "html", "no_choices", "empty")
NOT_FORWARDED = (*ANSWERS, "hang", "reset", "html")  # the model never hears of these calls
HTML = b"<!DOCTYPE html><html><body><h1>Bad gateway</h1></body></html>"


@dataclass(frozen=True, slots=True)
class Faults:
    """What is broken. `retry_after`: seconds, told by 429 and 503, in an HTTP date (of whole seconds) if `as_date`."""

    share: float = 0.25
    kinds: tuple[str, ...] = KINDS
    seed: int = 0
    in_a_row: int = 4
    retry_after: float | None = 0.05
    as_date: bool = False
    delay: float = 0.0  # seconds: an answer comes no sooner than this after its request

    def of(self, body: bytes, times: int) -> str | None:
        """How the call with this body is broken that came `times` times before; None if it is not."""
        random = Random(hashlib.sha256(b"%d %d " % (self.seed, times) + body).digest())
        broken = times % (self.in_a_row + 1) < self.in_a_row and random.random() < self.share
        return random.choice(self.kinds) if broken else None

    def told(self) -> bytes:
        """The header that says when to come back."""
        if self.retry_after is None:
            return b""
        at = formatdate(math.ceil(time.time() + self.retry_after), usegmt=True) if self.as_date else f"{self.retry_after:g}"
        return f"Retry-After: {at}\r\n".encode()


@dataclass
class Done:
    """What the proxy did. Calls are counted by the seed that their body names (None for one without)."""

    kinds: Counter = field(default_factory=Counter)  # "forwarded" for a call that was not broken
    asked: Counter = field(default_factory=Counter)
    forwarded: Counter = field(default_factory=Counter)  # of those asked, what the model has heard


class FaultyProxy:
    """Between the clients of `base_url` and the upstream. What it `done` may be read at any time, from any thread."""

    def __init__(self, upstream: str, faults: Faults) -> None:
        place, _, self._path = upstream.removeprefix("http://").partition("/")
        self._host, _, port = place.partition(":")
        self._port = int(port)
        self.faults = faults
        self.done = Done()
        self.base_url = ""
        self._times: Counter[bytes] = Counter()

    async def serve(self, port: int, begun, end: asyncio.Event) -> None:
        """Until `end`; `begun` is called when it listens."""
        server = await asyncio.start_server(self._client, "127.0.0.1", port, limit=2**24, backlog=1024)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/{self._path}"
        begun()
        await end.wait()
        server.close()

    async def _client(self, reader, writer) -> None:
        """One connection of a client, with one of its own to the upstream."""
        upstream = None
        try:
            while True:
                head, body = await _message(reader)
                began = asyncio.get_running_loop().time()
                if head.startswith(b"GET /faults "):
                    writer.write(_answer(200, json.dumps(vars(self.done)).encode()))
                    continue
                kind, answer = self._kind(head, body), (b"", b"")
                if kind not in NOT_FORWARDED:
                    upstream, answer = await self._forward(upstream, head, body)
                await asyncio.sleep(began + self.faults.delay - asyncio.get_running_loop().time())
                if kind == "hang":
                    await reader.read()  # until the client hangs up
                    break
                if kind == "reset":
                    _reset(writer)
                    break
                writer.write(self._answer(kind, *answer))
                await writer.drain()
                if kind == "closed":
                    break
        except ValueError as error:
            writer.write(_answer(502, str(error).encode()))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client or the upstream is gone, or the proxy ends
        finally:
            writer.close()
            if upstream:
                upstream[1].close()

    def _answer(self, kind: str | None, head: bytes, body: bytes) -> bytes:
        """What the client gets in place of the upstream's answer."""
        if kind in ANSWERS:
            more = self.faults.told() if kind in ("429", "503") else b""
            return _answer(int(kind), json.dumps({"error": {"message": f"injected: {kind}"}}).encode(), more)
        if kind == "html":
            return _answer(200, HTML, kind=b"text/html")
        if kind == "closed":
            return head + body[: len(body) // 2]
        return head + body if kind is None else _answer(200, _BROKEN[kind](body))

    def _kind(self, head: bytes, body: bytes) -> str | None:
        if not head.startswith(b"POST "):
            return None
        try:
            seed = json.loads(body).get("seed")
        except (ValueError, AttributeError):
            seed = None
        digest = hashlib.sha256(body).digest()
        kind = self.faults.of(body, self._times[digest])
        self._times[digest] += 1
        self.done.kinds[kind or "forwarded"] += 1
        self.done.asked[seed] += 1
        self.done.forwarded[seed] += kind not in NOT_FORWARDED
        return kind

    async def _forward(self, upstream, head: bytes, body: bytes):
        """(the connection, (head, body) of the answer). One that the upstream has closed meanwhile is opened again."""
        for line in (upstream, None):
            if line is None:
                line = await asyncio.open_connection(self._host, self._port, limit=2**24)
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                line[1].write(head + body)
                return line, await _message(line[0])
            line[1].close()
        raise ConnectionError("the upstream is gone")


_BROKEN = {
    "truncated": lambda body: body[: len(body) // 2],
    "no_choices": lambda body: json.dumps({key: value for key, value in json.loads(body).items() if key != "choices"}).encode(),
    "empty": lambda body: json.dumps(_silenced(json.loads(body))).encode(),
}


def _silenced(answer: dict) -> dict:
    for choice in answer["choices"]:
        choice["message"]["content"] = ""
    return answer


async def _message(reader) -> tuple[bytes, bytes]:
    """(head, body) of the next request or answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    fields = head.lower()
    if b"\r\ntransfer-encoding:" in fields:
        raise ValueError("a body without Content-Length: streams do not pass this proxy")
    _, _, length = fields.partition(b"\r\ncontent-length:")
    return head, await reader.readexactly(int(length.partition(b"\r\n")[0] or 0))


def _answer(status: int, body: bytes, more: bytes = b"", kind: bytes = b"application/json") -> bytes:
    reason = HTTPStatus(status).phrase.encode()
    return b"HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n%s" % (status, reason, kind, len(body), more, body)


def _reset(writer) -> None:
    """Break the connection as a crash does: the client reads ECONNRESET."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def running(upstream: str, faults: Faults | None = None):
    """A `FaultyProxy` in a thread of this process, before the endpoint `upstream` (such as http://127.0.0.1:8000/v1)."""
    proxy, begun = FaultyProxy(upstream, faults or Faults()), threading.Event()
    loop: asyncio.AbstractEventLoop
    end: asyncio.Event

    async def serve() -> None:
        nonlocal loop, end
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        await proxy.serve(0, begun.set, end)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    begun.wait()
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join()


async def main(arguments: list[str] | None = None) -> None:
    """In a process of its own: says its base_url, and what it did once it is interrupted."""
    usual = Faults()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--share", type=float, default=usual.share)
    parser.add_argument("--kinds", type=lambda text: tuple(text.split(",")), default=usual.kinds)
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--in-a-row", type=int, default=usual.in_a_row)
    parser.add_argument("--retry-after", type=float, default=usual.retry_after)
    parser.add_argument("--as-date", action="store_true")
    parser.add_argument("--delay-ms", type=float, default=0)
    given = vars(parser.parse_args(arguments))
    upstream, port = given.pop("upstream"), given.pop("port")
    proxy = FaultyProxy(upstream, Faults(delay=given.pop("delay_ms") / 1000, **given))
    end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    await proxy.serve(port, lambda: print(f"base_url: {proxy.base_url}", flush=True), end)
    print(json.dumps(proxy.done.kinds), flush=True)


if __name__ == "__main__":
    with suppress(ImportError):
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(main())
