"""Any model as an OpenAI-compatible endpoint on 127.0.0.1: for any chat client, and for `http://…/v1#MODEL` in every command.

It answers once the model is there, in a thread of this process, and ends at once: what is still being said is broken off.
"""

from __future__ import annotations

import json
import shlex
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from aloe_hub.chat import open_chat
from aloe_hub.chat.base import Chat
from aloe_hub.errors import AloeError
from aloe_hub.serve.server_app import Speaker

LOOPBACK = "127.0.0.1"
KEPT_ALIVE = 75  # seconds; longer than clients keep an idle connection, so that none is closed as they use it again
LAST_WORDS = 5  # seconds for answers to be heard once the server ends


@dataclass(frozen=True, slots=True)
class Served:
    """A server that answers. `name` is the model string to give to other commands."""

    base_url: str
    model: str

    @property
    def name(self) -> str:
        return f"{self.base_url}#{self.model}"


@contextmanager
def running(model: str, chat: Chat | None = None, *, port: int = 0, key: str | None = None) -> Iterator[Served]:
    """Serve `model`, or `chat` under its name, until the block ends. With `key`, requests need it as their bearer token.

    Raises:
        AloeError: the port is taken, or the model cannot be opened.
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
        speaker = Speaker(model, chat or open_chat(model), key)
        server = _Server(speaker)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                if not thread.is_alive():
                    raise AloeError(f"--port {port}: the server did not start")
                time.sleep(0.005)
            yield Served(f"http://{LOOPBACK}:{listener.getsockname()[1]}/v1", model)
        finally:
            server.should_exit = True
            thread.join()


def serve(model: str, port: int = 0, key: str | None = None, say: Callable[[str], None] = print) -> None:
    """Serve until Ctrl-C or SIGTERM; says the lines to paste, an empty line, and what it does."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    hello = json.dumps({"model": model, "messages": [{"role": "user", "content": "Any dinner ideas?"}]})
    headers = "-H 'Content-Type: application/json'" + (' -H "Authorization: Bearer $ALOE_API_KEY"' if key else "")
    try:
        with running(model, port=port, key=key) as served:
            say(f"base_url: {served.base_url}")
            say(f"model: {shlex.quote(served.name)}")
            say(f"curl {served.base_url}/chat/completions {headers} -d {shlex.quote(hello)}")
            say("")
            say(f"# {model} answers at {served.base_url}; Ctrl-C stops it")
            threading.Event().wait()
    except KeyboardInterrupt:
        say("# stopped")


class _Server(uvicorn.Server):
    """Without a log, and without waiting for what is being said when it is to end."""

    def __init__(self, speaker: Speaker) -> None:
        config = uvicorn.Config(
            speaker.application(),
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEPT_ALIVE,
            timeout_graceful_shutdown=LAST_WORDS,
        )
        super().__init__(config)
        self._speaker = speaker

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for call in self._speaker.calls:
            call.cancel()
        await super().shutdown(sockets)
