"""The demo Space in a process of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@contextmanager
def demo_process(folder: Path, scratch: Path, python: str = sys.executable, **more: str) -> Iterator[str]:
    """`python app.py` in `folder`, until the block ends; it must not have complained."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ALOE_", "HF_", "PYTHONPATH"))}
    environment |= {"GRADIO_SERVER_PORT": str(port), "GRADIO_TEMP_DIR": str(scratch / "gradio"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"HF_HUB_OFFLINE": "1", "HF_HOME": str(scratch / "home"), "ALOE_VOTES": str(scratch / "votes")}
    environment |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)} | more
    log = scratch / "app.log"
    with log.open("w") as output:
        process = subprocess.Popen([python, "app.py"], cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{port}/"
            for _ in range(1200):
                try:
                    urllib.request.urlopen(f"{url}health", timeout=5).close()
                    break
                except OSError:
                    assert process.poll() is None, log.read_text()
                    time.sleep(0.1)
            else:
                pytest.fail(f"the app did not answer within two minutes: {log.read_text()}")
            yield url
        finally:
            process.terminate()
            process.wait()
    assert "Traceback" not in log.read_text()
