"""Strangers' requests: whatever the method, address, headers and body, no 5xx, and no file outside the folder is touched.

Most are sound requests, spoiled in a place or two, so that they get past the first check; the rest is noise.
"""

import contextlib
import http.client
import json
import os
import socket
import sys
import threading
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from aloe_hub.local_hub.call import SizeLimits
from aloe_hub.local_hub.process import RunningHub, running
from tests.local_hub.hub_tools import OWNER, READER, STRANGER, USERS, ask, commit_lines, make_repo, whole

API = "/api/models/org/x"
HERE = {"name": "new", "organization": "org", "type": "dataset", "private": True}
SOUND: list[tuple[str, str, object]] = [
    ("GET", "/health", None),
    ("GET", "/api/whoami-v2", None),
    ("POST", "/api/validate-yaml", {"content": "---\nlicense: mit\n---\n", "repoType": "model"}),
    ("POST", "/api/repos/create", HERE),
    ("POST", "/api/repos/create", HERE | {"type": "space", "sdk": "gradio", "visibility": "private"}),
    ("DELETE", "/api/repos/delete", HERE),
    ("POST", "/api/repos/move", {"fromRepo": "org/new", "toRepo": "org/newer", "type": "dataset"}),
    ("GET", "/api/datasets?filter=a&author=org&search=n&limit=5&full=1", None),
    ("GET", API, None),
    ("GET", API + "/revision/main?blobs=1", None),
    ("PUT", API + "/settings", {"visibility": "public", "gated": False}),
    ("GET", API + "/auth-check/write", None),
    ("GET", API + "/tree/main/data?recursive=true&expand=true", None),
    ("POST", API + "/paths-info/main", {"paths": ["a.txt", "data"], "expand": True}),
    ("POST", API + "/paths-info/main", b"paths=a.txt&paths=data&expand=true"),
    ("GET", API + "/refs", None),
    ("GET", API + "/commits/refs%2Fheads%2Fmain", None),
    ("POST", API + "/branch/b", {"startingPoint": "main"}),
    ("DELETE", API + "/branch/b", None),
    ("POST", API + "/tag/main", {"tag": "t", "message": "m"}),
    ("DELETE", API + "/tag/t", None),
    ("POST", API + "/preupload/main", {"files": [{"path": "a.txt", "size": 3, "sample": "YQ=="}], "gitIgnore": "*.log"}),
    ("POST", API + "/commit/main", [{"summary": "s", "description": "d"}, "file", {"path": "b.txt", "content": "YQ=="}]),
    ("POST", API + "/commit/main", [{"summary": "s", "parentCommit": "0123456"}, "deletedFile", {"path": "b.txt"}]),
    ("POST", API + "/commit/main", [{"summary": "s"}, "lfsFile", {"path": "b.bin", "oid": "a" * 64, "size": 1}]),
    ("POST", API + "/commit/main", [{"summary": "s"}, "deletedFolder", {"path": "none/"}]),
    ("POST", "/org/x.git/info/lfs/objects/batch", {"operation": "upload", "objects": [{"oid": "a" * 64, "size": 1}]}),
    ("PUT", f"/org/x.git/info/lfs/objects/{'a' * 64}?size=1&signature={'b' * 64}", b"a"),
    ("GET", "/org/x/resolve/main/data/c.txt", None),
    ("HEAD", "/datasets/org/y/resolve/main/.gitattributes", None),
    ("GET", "/squad/resolve/main/a.txt", None),
]
NASTY = [
    *[
        ".",
        "..",
        "%2e%2e",
        "..%2f..",
        "%2e%2e%2f%2e%2e%2fusers.json",
        "..%5c..",
        "%00",
        "a%00b",
        "%ff",
        "%ud800",
        "%0d%0aX-Evil:1",
    ],
    *["refs%2Fpr%2F1", "refs%2Fheads%2Fmain", "%2Fetc%2Fpasswd", "C:%5c", "%F0%9F%8C%B1", "a" * 300, "", "*", "[a", "~", "lock"],
    *["repo.json", "main", "org", "x", "v1", "models", "datasets", "spaces", "a.txt", "0123456", "0" * 40, "a" * 64],
]
WORDS = [
    *["key", "value", "header", "file", "lfsFile", "deletedFile", "deletedFolder", "path", "content", "oid", "size", "summary"],
    *["files", "objects", "name", "organization", "type", "tag", "startingPoint", "parentCommit", "fromRepo", "toRepo", "paths"],
    *[
        "visibility",
        "private",
        "sdk",
        "model",
        "dataset",
        "org/new",
        "../../x",
        "/etc/passwd",
        "a.txt",
        "YQ==",
        "main",
        ".",
        "..",
    ],
    *["", "\ud800", "a\0b", "a" * 64, "é" * 200, "---\na: &a [*a]\n---\n"],
]
BYTES = "bytes=0-", "bytes=9-1", "bytes=-5", "application/json", "Bearer", "Basic x", "chunked", "100-continue", "close", "\xff"

segments = st.sampled_from(NASTY) | st.text(max_size=5).map(lambda text: quote(text.encode("utf-8", "replace")))
words = st.sampled_from(WORDS)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=5),
    max_leaves=8,
)
methods = st.sampled_from(["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"])
noise = st.one_of(st.binary(max_size=50), values.map(lambda value: json.dumps(value).encode()), st.just(b"[" * 3000))
headers = st.dictionaries(
    st.sampled_from(["Range", "Content-Type", "Authorization", "Transfer-Encoding", "Expect", "Connection", "Host"]),
    st.sampled_from(BYTES),
    max_size=2,
)


def spoil(draw: st.DrawFn, body: object) -> object:
    """The same value with one part of it replaced, lost or added."""
    if isinstance(body, dict) and body and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(sorted(body)))
        return {name: spoil(draw, value) if name == key else value for name, value in body.items()}
    if isinstance(body, list) and body and draw(st.integers(0, 4)):
        index = draw(st.integers(0, len(body) - 1))
        return [*body[:index], spoil(draw, body[index]), *body[index + 1 :]]
    return draw(values)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, bytes | None]:
    method, address, sound = draw(st.sampled_from(SOUND))
    if draw(st.integers(0, 2)) == 0:
        parts = address.replace("?", "/?/").replace("=", "/=/").split("/")
        parts[draw(st.integers(1, len(parts) - 1))] = draw(segments)
        address = "/" + "/".join(parts).replace("/?/", "?").replace("/=/", "=").lstrip("/")
    if draw(st.integers(0, 9)) == 0:
        method = draw(methods)
    body = sound if isinstance(sound, bytes) else None
    if isinstance(sound, dict | list):
        said = spoil(draw, sound) if draw(st.integers(0, 2)) else sound
        if isinstance(said, list) and len(said) == 3:
            body = commit_lines((said[1], said[2]), header=said[0])
        else:
            body = json.dumps(said).encode()
    return method, address, draw(noise) if draw(st.integers(0, 9)) == 0 else body


WATCHED: list[tuple[str, str]] = []  # what server threads did to the disk, while a request is fuzzed
_ONE_PATH = {"open", "os.mkdir", "os.listdir", "os.scandir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "shutil.rmtree"}
_TWO_PATHS = {"os.rename", "os.link", "os.symlink"}


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if event in _ONE_PATH | _TWO_PATHS and "AnyIO worker" in threading.current_thread().name:
        paths = arguments[: 1 if event in _ONE_PATH else 2]
        WATCHED.extend((event, os.fsdecode(path)) for path in paths if isinstance(path, str | bytes | os.PathLike))


sys.addaudithook(_watch)
CODE = tuple({str(Path(path).resolve()) for path in sys.path if path} | {sys.prefix, sys.base_prefix})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "canary").write_text("not for strangers")
    return folder


@pytest.fixture(scope="module")
def fuzzed(folder: Path):
    with running(folder / "hub", users=USERS, limits=SizeLimits(json=5000, regular=500, commit=20_000, large=1000)) as hub:
        make_repo(hub, "org/x")
        make_repo(hub, "org/y", kind="dataset")
        files = [("file", {"path": path, "content": "YQ=="}) for path in ("a.txt", "data/c.txt")]
        assert ask(hub, "POST", API + "/commit/main", commit_lines(*files)).status == 200
        yield hub


def send(hub: RunningHub, method: str, address: str, body: bytes | None, more: dict[str, str]) -> int | None:
    """The status, or None when the server left without a word: to a client that has hung up first."""
    connection = http.client.HTTPConnection(urlsplit(hub.endpoint).netloc, timeout=20)
    try:
        connection.request(method, address, body, more)
        with contextlib.suppress(OSError):  # answered and closed already
            connection.sock.shutdown(socket.SHUT_WR)
        response = connection.getresponse()
        response.read()
    except (http.client.RemoteDisconnected, ConnectionError):
        return None
    else:
        return response.status
    finally:
        connection.close()


@settings(max_examples=5 * settings().max_examples, suppress_health_check=list(HealthCheck))
@given(requests(), headers | st.just({}), st.sampled_from([OWNER] * 6 + [READER, STRANGER, None]))
@example(("PUT", f"/org/x.git/info/lfs/objects/{'a' * 64}?size=%D9%A3&signature=%ff", b""), {}, None)
@example(("GET", "/api/models?limit=" + "9" * 5000, None), {}, OWNER)
@example(("POST", "/api/validate-yaml", None), {"Transfer-Encoding": "chunked"}, OWNER)
def test_no_request_is_a_5xx_or_leaves_the_folder(fuzzed, request_, more, token):
    WATCHED.clear()
    method, address, body = request_
    status = send(fuzzed, method, address, body, ({"Authorization": f"Bearer {token}"} if token else {}) | more)
    assert status is None or status < 500
    removing = any(event == "shutil.rmtree" for event, _ in WATCHED)
    for event, path in WATCHED:
        late_module = event in ("open", "os.listdir") and path.startswith(CODE)
        below_what_is_removed = removing and "/" not in path  # relative to a folder that rmtree holds open
        inside = os.path.realpath(path).startswith(f"{fuzzed.directory}/")
        assert inside or late_module or below_what_is_removed, (event, path)


def test_afterwards_all_is_as_it_should_be(fuzzed, folder):
    assert ask(fuzzed, "GET", "/org/x/resolve/main/.gitattributes").status == 200
    assert sorted(path.name for path in folder.iterdir()) == ["canary", "hub"]
    assert (folder / "canary").read_text() == "not for strangers"
    assert sorted(path.name for path in (folder / "hub").iterdir()) == ["lock", "repos", "tmp"]
    assert list((folder / "hub/tmp").iterdir()) == []
    whole(folder / "hub")
