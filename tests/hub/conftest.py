"""Runs to publish, a local Hub to publish to, `aloe publish`, and real clients in fresh processes with empty caches."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from huggingface_hub import constants
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from aloe_hub.cli.app import main
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.local_hub import process
from aloe_hub.local_hub.app import application
from aloe_hub.local_hub.app import refused as refuse
from aloe_hub.local_hub.process import RunningHub, client_environment, running
from aloe_hub.local_hub.refusal import HubRefusal
from aloe_hub.local_hub.users import User
from tests.hub.published import CANARY, make_run
from tests.local_hub.hub_tools import OWNER, USERS, HubProcess, whole
from tests.preloaded import PYTHON

HERE = Path(__file__).parent
collect_ignore = ["clients"]  # scripts, no tests

Done = subprocess.CompletedProcess[str]
PUBLISH = [sys.executable, "-m", "aloe_hub.cli.app", "publish"]


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """One Hub for all tests, each of which uses repos of its own: a process, as `aloe hub` starts it."""
    directory = tmp_path_factory.mktemp("hub")
    users = USERS | {CANARY: User("canary", ("*",))}
    rows = {token: {"name": user.name, "orgs": list(user.orgs), "role": user.role} for token, user in users.items()}
    (directory / "users.json").write_text(json.dumps(rows))
    with HubProcess(directory) as hub:
        yield hub
    whole(directory)


@dataclass(frozen=True)
class Near:
    """A Hub in this process. Before it answers, `listeners` hear of a request as (method, address), and may refuse it."""

    hub: RunningHub
    listeners: list[Callable[[str, str], None]]

    @property
    def variables(self) -> dict[str, str]:
        return {"HF_ENDPOINT": self.hub.endpoint}


@pytest.fixture
def near(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Near]:
    listeners: list[Callable[[str, str], None]] = []

    def hearing(hub):
        app = application(hub)

        async def heard(scope, receive, send):
            try:
                for listener in listeners:
                    await run_in_threadpool(listener, scope["method"], scope["raw_path"].decode())
            except HubRefusal as refusal:
                await refuse(Request(scope), refusal)(scope, receive, send)
            else:
                await app(scope, receive, send)

        return heard

    monkeypatch.setattr(process, "application", hearing)
    with running(tmp_path / "near", users=USERS) as hub:
        yield Near(hub, listeners)
    whole(tmp_path / "near")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished run: a pool with a held-out split, trees of the scripted world, training rows. To be looked at only."""
    return make_run(tmp_path_factory.mktemp("made") / "run")


@pytest.fixture(scope="session")
def other(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Another run: other texts, shorter trees, nothing held out."""
    return make_run(tmp_path_factory.mktemp("other") / "run", seed=1, turns=2, test_profiles=0)


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run over texts of other people."""
    return make_run(tmp_path_factory.mktemp("imported") / "run", seed=2, turns=2, source="imported")


@pytest.fixture(scope="session")
def environment(hub: RunningHub, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, str]]:
    """The variables of a client that has never been here: an empty HF_HOME each time, and the given token or none."""

    def made(token: str | None = OWNER, **more: str) -> dict[str, str]:
        variables = client_environment(hub, os.environ) | {"HF_HOME": str(tmp_path_factory.mktemp("home"))}
        variables |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_TOKEN": token or ""} | more
        return {name: value for name, value in variables.items() if value}

    return made


def as_client(patch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    """This process as one that was started with these variables: huggingface_hub reads its own when it is imported."""
    for name in os.environ.keys() - variables.keys():
        patch.delenv(name)
    for name, value in variables.items():
        patch.setenv(name, value)
    endpoint, home = variables["HF_ENDPOINT"], Path(variables["HF_HOME"])
    values: dict[str, object] = {"ENDPOINT": endpoint, "HF_HUB_CACHE": str(home / "hub"), "HF_TOKEN_PATH": str(home / "token")}
    values |= {"HF_HUB_DISABLE_XET": True, "HUGGINGFACE_CO_URL_TEMPLATE": endpoint + "/{repo_id}/resolve/{revision}/{filename}"}
    for name, constant in values.items():
        patch.setattr(constants, name, constant)


@pytest.fixture
def at_hub(hub: RunningHub, environment: Callable[..., dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> RunningHub:
    """This process as a client of the Hub, with an empty cache."""
    as_client(monkeypatch, environment())
    return hub


@pytest.fixture(scope="session")
def start(environment: Callable[..., dict[str, str]]) -> Callable[..., subprocess.Popen[str]]:
    """`aloe publish …` in a process of its own, just begun."""

    def begin(*arguments: object, **more: str | None) -> subprocess.Popen[str]:
        command = [*PUBLISH, *map(str, arguments)]
        return subprocess.Popen(
            command, env=environment(**more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    return begin


@pytest.fixture(scope="session")
def publish(environment: Callable[..., dict[str, str]]) -> Callable[..., Done]:
    """`aloe publish …` to its end: in this process as a client with an empty cache or, `fresh`, in one of its own."""

    def in_this_process(arguments: list[str], variables: dict[str, str]) -> Done:
        output, errors = StringIO(), StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
            as_client(patch, variables)
            status = main(["publish", *arguments])
        return Done(arguments, status, output.getvalue(), errors.getvalue())

    def call(
        *arguments: object, status: int = 0, fresh: bool = False, limit: Callable[[], None] | None = None, **more: str | None
    ) -> Done:
        words, variables = [*map(str, arguments)], environment(**more)
        if fresh or limit:
            command = [*PUBLISH, *words]
            done = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=120, preexec_fn=limit)
        else:
            done = in_this_process(words, variables)
        assert done.returncode == status, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done

    return call


@pytest.fixture
def refused(publish: Callable[..., Done]) -> Callable[..., str]:
    """What `aloe publish …` says when it fails: one line, which blames no bug."""

    def call(*arguments: object, status: int = 1, **more) -> str:
        done = publish(*arguments, status=status, **more)
        lines = done.stderr.splitlines()
        assert (len(lines), done.stdout) == (1, ""), done.stderr
        assert lines[0].startswith("aloe: error: ")
        assert "bug in aloe-hub" not in lines[0], lines[0]
        return lines[0]

    return call


@pytest.fixture(scope="session")
def client(environment: Callable[..., dict[str, str]], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run a script of `clients/` in a process of its own; its assertions are the test's. Returns its output."""

    def run(script: str, *arguments: object, **more: str | None) -> str:
        command = [*PYTHON, str(HERE / "clients" / script), *map(str, arguments)]
        folder = tmp_path_factory.mktemp("cwd")
        done = subprocess.run(command, env=environment(**more), cwd=folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{script} {arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    return run
