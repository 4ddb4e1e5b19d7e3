"""What the tests of the local Hub share: users, a Hub in its own process, plain requests, and a look at the files."""

import hashlib
import http.client
import json
import shlex
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from aloe_hub.errors import AloeError
from aloe_hub.local_hub.process import RunningHub
from aloe_hub.local_hub.users import User

CLIENTS = Path(__file__).parent / "clients"
OWNER, READER, STRANGER = "hf_localowner", "hf_localreader", "hf_localstranger"
USERS = {OWNER: User("local", ("*",)), READER: User("reader", ("org",), "read"), STRANGER: User("stranger")}


class HubProcess:
    """`with HubProcess(directory) as hub`: a Hub in its own process. `kill` ends it as a crash would; `start` begins again."""

    def __init__(self, directory: Path, port: int = 0) -> None:
        self.directory = directory.expanduser().absolute()
        self._port = port
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> RunningHub:
        """Returns when it answers; started again, it is at the same port.

        Raises:
            AloeError: it did not start; the reason stands on standard error.
        """
        command = [sys.executable, "-m", "aloe_hub.local_hub", "--dir", str(self.directory), "--port", str(self._port)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert self._process.stdout is not None
        variables: dict[str, str] = {}
        while (line := self._process.stdout.readline()) != "\n":
            if not line:
                self.kill()
                raise AloeError(f"{self.directory}: the local Hub did not start")
            name, _, value = shlex.split(line)[1].partition("=")
            variables[name] = value
        self._port = int(variables["HF_ENDPOINT"].rsplit(":", 1)[1])
        return RunningHub(variables["HF_ENDPOINT"], variables["HF_TOKEN"], self.directory)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is cleaned."""
        if self._process:
            self._process.kill()
            self._process.wait()
            if self._process.stdout:
                self._process.stdout.close()

    def __enter__(self) -> RunningHub:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str | None:
        return self.headers["X-Error-Code"]


def ask(
    hub: RunningHub,
    method: str,
    address: str,
    body: Any = None,
    *,
    token: str | None = OWNER,
    headers: dict[str, str] | None = None,
) -> Answer:
    """One request, as bytes as possible: a dict or list goes as JSON, `bytes` as they are."""
    connection = http.client.HTTPConnection(urlsplit(hub.endpoint).netloc, timeout=30)
    body = body if body is None or isinstance(body, bytes) or hasattr(body, "read") else json.dumps(body).encode()
    try:
        connection.request(method, address, body, ({"Authorization": f"Bearer {token}"} if token else {}) | (headers or {}))
        return Answer(connection.getresponse())
    finally:
        connection.close()


def make_repo(hub: RunningHub, repo_id: str, kind: str = "model", **more: object) -> None:
    organization, name = repo_id.split("/")
    answer = ask(hub, "POST", "/api/repos/create", {"organization": organization, "name": name, "type": kind, **more})
    assert answer.status == 200, answer.body


def commit_lines(*operations: tuple[object, object], parent: str | None = None, header: object = None) -> bytes:
    header = header or {"summary": "a commit", "description": ""} | ({"parentCommit": parent} if parent else {})
    rows = [("header", header), *operations]
    return b"".join(json.dumps({"key": key, "value": value}).encode() + b"\n" for key, value in rows)


def whole(directory: Path) -> int:
    """Assert, from the files alone, that every repo is at a whole commit; returns how many commits the refs reach."""
    seen = set()
    for file in sorted((directory / "repos").glob("*/*/*/repo.json")):
        repo = file.parent
        left = list(json.loads(file.read_text())["refs"].values())
        assert left, f"{repo} has no ref"
        while left:
            sha = left.pop()
            data = (repo / "commits" / f"{sha}.json").read_bytes()
            assert hashlib.sha1(data).hexdigest() == sha
            commit = json.loads(data)
            if (repo, sha) in seen:
                continue
            seen.add((repo, sha))
            left += [commit["parent"]] if commit["parent"] else []
            for path, entry in commit["tree"].items():
                content = (repo / "objects" / entry["sha256"][:2] / entry["sha256"]).read_bytes()
                assert len(content) == entry["size"], path
                assert hashlib.sha256(content).hexdigest() == entry["sha256"], path
    return len(seen)
