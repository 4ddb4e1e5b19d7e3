"""The Spaces, each in a process of its own, and their modules."""

import importlib
import json
import os
import resource
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "spaces" / "aloe_demo"
SIZES = {"desktop": (1280, 900), "phone": (390, 844), "wide": (1920, 1080), "zoomed": (640, 450)}


@dataclass(frozen=True)
class Served:
    url: str
    pid: int

    @property
    def memory(self) -> int:
        """Bytes that the process holds now."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * resource.getpagesize()


def demo_process(folder: Path, scratch: Path, python: str = sys.executable, **more: str) -> AbstractContextManager[Served]:
    """`python app.py` of the demo in `folder`, until the block ends."""
    # Before it says so, Gradio asks itself whether it can be reached.
    return app_process([python, "app.py"], folder, scratch, "health", "Ctrl-C stops it", **more)


@contextmanager
def app_process(command: list[str], folder: Path, scratch: Path, path: str = "", said: str = "", **more: str) -> Iterator[Served]:
    """An app that answers at this path and has said so much, until the block ends; it must not have complained."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ALOE_", "HF_", "PYTHONPATH"))}
    environment |= {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(scratch / "gradio"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(scratch / "home"), "ALOE_VOTES": str(scratch / "votes")}
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)} | more
    log = scratch / "app.log"
    with log.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}/"
            for _ in range(1200):
                try:
                    urllib.request.urlopen(f"{url}{path}", timeout=5).close()
                    if said in log.read_text():
                        break
                    time.sleep(0.1)
                except OSError:
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.1)
            else:
                pytest.fail(f"the app did not answer within two minutes: {log.read_text()}")
            yield Served(url, process.pid)
        finally:
            process.terminate()
            process.wait()
    assert "Traceback" not in log.read_text()


def told(url: str, message: str, session: str = "") -> list[str]:
    """What the page shows after a message, by plain requests, which cost this process less than gradio's client."""
    body = json.dumps({"data": [message], "session_hash": session or uuid4().hex}).encode()
    asked = urllib.request.Request(f"{url}gradio_api/call/say", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{url}gradio_api/call/say/{event}", timeout=60) as answer:
        last = answer.read().decode().rpartition("event: ")[2]
    assert last.startswith("complete"), last
    shown: list[str] = json.loads(last.partition("data: ")[2])
    return shown


def load(*names: str, folder: Path = DEMO):
    """Modules of a Space. Another Space has an app.py too, so that one does not stay in sys.modules."""
    sys.path.insert(0, str(folder))
    sys.modules.pop("app", None)
    try:
        return [importlib.import_module(name) for name in names]
    finally:
        sys.path.remove(str(folder))
        sys.modules.pop("app", None)
