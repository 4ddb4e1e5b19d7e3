"""Any model as an OpenAI-compatible endpoint on 127.0.0.1: for any chat client, and for `http://…/v1#MODEL` in every command.

It answers in a thread of this process, with 503 until the model is there, and ends at once: what is still being said is
broken off.
"""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aloe_hub.chat import open_chat
from aloe_hub.chat.base import Chat
from aloe_hub.loopback import BoundedProtocol, answering, until_stopped
from aloe_hub.serve.server_app import ServerApp


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
    app = ServerApp(model, key)
    with answering(app.starlette(), port, protocol=_Protocol) as address:
        try:
            app.chat = chat or open_chat(model)
            yield Served(f"{address}/v1", model)
        finally:
            app.end()


class _Protocol(BoundedProtocol):
    def eof_received(self) -> bool:  # type: ignore[override]
        """A client that closes its side is gone: nobody waits for what a model would still say."""
        return False


def serve(model: str, port: int = 0, key: str | None = None, say: Callable[[str], None] = print) -> None:
    """Serve until Ctrl-C or SIGTERM; says the lines to paste, an empty line, and what it does."""
    hello = json.dumps({"model": model, "messages": [{"role": "user", "content": "Any dinner ideas?"}]})
    headers = "-H 'Content-Type: application/json'" + (' -H "Authorization: Bearer $ALOE_API_KEY"' if key else "")
    with until_stopped(say), running(model, port=port, key=key) as served:
        say(f"base_url: {served.base_url}")
        say(f"model: {shlex.quote(served.name)}")
        say(f"curl {served.base_url}/chat/completions {headers} -d {shlex.quote(hello)}")
        say("")
        say(f"# {model} answers at {served.base_url}; Ctrl-C stops it")
        threading.Event().wait()
