"""kill -9 of the server while a real client publishes: each time every repo is at a whole commit, and a repeat finishes."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aloe_hub.local_hub.process import RunningHub, client_environment
from tests.local_hub.hub_tools import CLIENTS, HubProcess, whole

STEPS = 40


def publisher(hub: RunningHub, home: Path, edition: int) -> subprocess.Popen[str]:
    """A publisher that has just begun."""
    environment = client_environment(hub, os.environ) | {"HF_HOME": str(home), "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    command = [sys.executable, str(CLIENTS / "publish_steps.py"), str(STEPS), str(edition)]
    started = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "started\n"
    return started


@pytest.mark.parametrize(
    "kills", [pytest.param(3, id="3"), pytest.param(50, id="50", marks=[pytest.mark.torture, pytest.mark.timeout(1800)])]
)
def test_a_killed_server_is_at_whole_commits_and_a_repeated_publish_ends_right(tmp_path, kills):
    chance, process, edition, in_time = random.Random(kills), HubProcess(tmp_path / "hub"), 0, 0
    hub = process.start()
    client = publisher(hub, tmp_path / "home", edition)
    for _ in range(kills):
        if client.poll() is not None:  # cut off: run it again; finished: on to the next
            edition += client.returncode == 0
            client.communicate()
            client = publisher(hub, tmp_path / "home", edition)
        time.sleep(chance.uniform(0, 0.4))
        in_time += client.poll() is None
        process.kill()
        whole(tmp_path / "hub")
        assert process.start() == hub  # the same address and token: a client that waited goes on
    client.communicate(timeout=120)
    with publisher(hub, tmp_path / "home", edition) as client:
        output, errors = client.communicate(timeout=120)
    process.kill()
    assert (client.returncode, output) == (0, "finished\n"), errors
    assert whole(tmp_path / "hub") >= STEPS
    assert in_time >= kills * 0.8
