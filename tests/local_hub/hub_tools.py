"""What the tests of the local Hub share: users, plain requests, and a look at the files."""

import hashlib
import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aloe_hub.local_hub.process import RunningHub
from aloe_hub.local_hub.users import User

CLIENTS = Path(__file__).parent / "clients"
OWNER, READER, STRANGER = "hf_localowner", "hf_localreader", "hf_localstranger"
USERS = {OWNER: User("local", ("*",)), READER: User("reader", ("org",), "read"), STRANGER: User("stranger")}


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
