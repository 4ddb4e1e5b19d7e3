"""Start a local Hub: for a block, in threads of this process (`running`), until Ctrl-C (`serve`), around a command (`execute`).

Clients find it by environment variables alone. `client_environment` replaces the user's own, so that neither a real token nor a
real cache takes part.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from aloe_hub.errors import AloeError
from aloe_hub.local_hub.app import application
from aloe_hub.local_hub.call import Hub, SizeLimits
from aloe_hub.local_hub.store import Store
from aloe_hub.local_hub.users import User, load_users
from aloe_hub.loopback import LOOPBACK, answering, until_stopped

DEFAULT_DIRECTORY = Path("~/.cache/aloe-hub/local-hub")

# What would send a client elsewhere, with another token, or to another cache than HF_HOME.
_REPLACED = {
    "HF_ENDPOINT", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_STORED_TOKENS_PATH",
    "HF_HUB_DISABLE_IMPLICIT_TOKEN",
    "HUGGINGFACE_CO_STAGING", "HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE", "TRANSFORMERS_OFFLINE",
    "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ASSETS_CACHE", "HUGGINGFACE_ASSETS_CACHE", "HF_XET_CACHE", "HF_DATASETS_CACHE",
    "HF_EVALUATE_CACHE", "HF_METRICS_CACHE", "HF_MODULES_CACHE", "HF_DATASETS_DOWNLOADED_DATASETS_PATH",
    "HF_DATASETS_EXTRACTED_DATASETS_PATH", "TRANSFORMERS_CACHE", "PYTORCH_TRANSFORMERS_CACHE", "PYTORCH_PRETRAINED_BERT_CACHE",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunningHub:
    endpoint: str
    token: str
    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a client needs: five variables."""
        return {
            "HF_ENDPOINT": self.endpoint,
            "HF_TOKEN": self.token,
            "HF_HOME": str(self.directory / "home"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_UPDATE_DOWNLOAD_COUNTS": "0",
        }


@contextmanager
def running(
    directory: Path, *, port: int = 0, users: Mapping[str, User] | None = None, limits: SizeLimits | None = None
) -> Iterator[RunningHub]:
    """A Hub on `directory`, answering in threads of this process until the block ends. `users` stand in for those of the folder.

    Raises:
        AloeError: the folder is served by another process or cannot be written, or the port is taken.
    """
    with closing(Store(directory.expanduser())) as store:
        users = users or load_users(store.directory, store.temporary)
        with answering(application(Hub(store, users, limits or SizeLimits())), port) as endpoint:
            yield RunningHub(endpoint, next(iter(users)), store.directory)


def serve(directory: Path, port: int = 0, say: Callable[[str], None] = print) -> None:
    """Serve until Ctrl-C or SIGTERM; says the lines to paste, an empty line, and what it does."""
    with until_stopped(say), running(directory, port=port) as hub:
        for name, value in hub.environment.items():
            say(f"export {name}={shlex.quote(value)}")
        say("")
        say(f"# a Hub at {hub.endpoint}, kept in {hub.directory}; Ctrl-C stops it")
        threading.Event().wait()


def execute(directory: Path, command: list[str]) -> int:
    """Run a command against a Hub on a free port, and return its exit status as a shell would.

    Raises:
        AloeError: the command cannot be started.
    """
    with running(directory) as hub:
        try:
            child = subprocess.Popen(command, env=client_environment(hub, os.environ))
        except OSError as error:
            raise AloeError(f"{command[0]}: cannot be run ({error.strerror})") from None
        status = ended(child)
    return status if status >= 0 else 128 - status


def ended(child: subprocess.Popen[bytes]) -> int:
    """How a command ended. Of Ctrl-C the terminal has told it as well, SIGTERM is handed on; how it ends is its own.

    Neither raises here: KeyboardInterrupt between waitpid and its result would lose the status, and Popen then says 0.
    """
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda number, frame: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda number, frame: child.terminate()),
    }
    try:
        return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def client_environment(hub: RunningHub, own: Mapping[str, str]) -> dict[str, str]:
    """`own` with the Hub's variables in place of the user's, and no proxy between."""
    environment = {name: value for name, value in own.items() if name not in _REPLACED} | hub.environment
    for name in ("NO_PROXY", "no_proxy"):
        others = own.get(name, "")
        environment[name] = others if others == "*" else ",".join(filter(None, (others, LOOPBACK, "localhost")))
    return environment
