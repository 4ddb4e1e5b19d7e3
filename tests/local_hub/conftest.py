"""A local Hub in its own process, and real clients in fresh processes of their own."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from aloe_hub.local_hub.process import RunningHub, client_environment, running
from tests.local_hub.hub_tools import CLIENTS, OWNER, USERS, HubProcess, whole
from tests.preloaded import PYTHON

collect_ignore = ["clients"]  # scripts, no tests: not to be imported for doctests either


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One Hub for all tests that share it by using repos of their own: a process, as `aloe hub` starts it."""
    directory = tmp_path_factory.mktemp("hub")
    rows = {token: {"name": user.name, "orgs": list(user.orgs), "role": user.role} for token, user in USERS.items()}
    (directory / "users.json").write_text(json.dumps(rows))
    with HubProcess(directory) as hub:
        yield hub
    whole(directory)


@pytest.fixture
def near(tmp_path: Path) -> Iterator[RunningHub]:
    """An empty Hub in this process: quick, and open to look into."""
    with running(tmp_path / "near", users=USERS) as hub:
        yield hub


@pytest.fixture
def client(tmp_path: Path) -> Callable[..., str]:
    """Run a script of `clients/` in a fresh process with a fresh HF_HOME; its assertions are the test's. Returns its output."""
    homes = iter(range(100))

    def run(hub: RunningHub, script: str, *arguments: object, token: str | None = OWNER, status: int = 0) -> str:
        environment = client_environment(hub, os.environ) | {"HF_HOME": str(tmp_path / f"home{next(homes)}")}
        environment |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "CUDA_VISIBLE_DEVICES": "", "TMPDIR": str(tmp_path)}
        environment.pop("HF_TOKEN")
        if token:
            environment["HF_TOKEN"] = token
        command = [*PYTHON, str(CLIENTS / script), *map(str, arguments)]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=180)
        assert done.returncode == status, f"{script} {arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run
