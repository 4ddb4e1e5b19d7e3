"""HTTP itself: ranges, limits, what is refused and how, and what a client finds on the wire."""

import base64
import hashlib
import http.client
import json
import os
import re
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from aloe_hub.errors import AloeError
from aloe_hub.local_hub.call import SizeLimits
from aloe_hub.local_hub.process import running
from tests.local_hub.hub_tools import OWNER, USERS, HubProcess, ask, commit_lines, make_repo, whole

BATCH = "/org/x.git/info/lfs/objects/batch"
BLOB = b"blob 7\0content"  # as git names it
COMMIT = "/api/models/org/x/commit/main"
PREUPLOAD = "/api/models/org/x/preupload/main"


def regular(path, content=b"content", **more):
    return "file", {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64", **more}


def upload_address(hub, data, size=None):
    row = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data) if size is None else size}
    answer = ask(hub, "POST", BATCH, {"objects": [row]}).json["objects"][0]
    return answer["actions"]["upload"]["href"].removeprefix(hub.endpoint)


def spoken(hub, text: bytes) -> bytes:
    """What comes back for bytes sent as they are, until the server hangs up."""
    with socket.create_connection(("127.0.0.1", urlsplit(hub.endpoint).port), timeout=10) as connection:
        connection.sendall(text)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture
def x(near):
    make_repo(near, "org/x")
    return near


# ---------------------------------------------------------------------- downloads


@pytest.mark.parametrize(
    ("header", "status", "content"),
    [
        (None, 200, "0123456789"),
        ("bytes=0-3", 206, "0123"),
        ("bytes=4-", 206, "456789"),
        ("bytes=-3", 206, "789"),
        ("bytes=-30", 200, "0123456789"),
        ("bytes=8-80", 206, "89"),
        ("bytes=10-", 416, None),
        ("bytes=5-2", 416, None),
        ("bytes=-0", 416, None),
        ("bytes=0-1,4-5", 200, "0123456789"),
        ("lines=1-2", 200, "0123456789"),
        ("bytes=-", 200, "0123456789"),
    ],
)
def test_a_range_is_that_part_of_the_file(x, header, status, content):
    ask(x, "POST", COMMIT, commit_lines(regular("a.txt", b"0123456789")))
    answer = ask(x, "GET", "/org/x/resolve/main/a.txt", headers={"Range": header} if header else {})
    assert answer.status == status
    if status == 416:
        assert answer.headers["Content-Range"] == "bytes */10"
    else:
        assert answer.body.decode() == content
    if status == 206:
        start = "0123456789".index(content)
        assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(content) - 1}/10"


def test_head_has_the_headers_of_get_and_no_body(x):
    ask(x, "POST", COMMIT, commit_lines(regular("a ü.txt")))
    head, get = (ask(x, method, "/org/x/resolve/main/a%20%C3%BC.txt") for method in ("HEAD", "GET"))
    for name in ("ETag", "X-Repo-Commit", "Content-Length", "Accept-Ranges", "Content-Disposition"):
        assert head.headers[name] == get.headers[name] is not None
    assert (head.body, get.body) == (b"", b"content")
    assert get.headers["ETag"] == f'"{hashlib.sha1(BLOB).hexdigest()}"'
    missing = ask(x, "HEAD", "/org/x/resolve/main/none")
    assert (missing.status, missing.code, missing.headers["X-Repo-Commit"]) == (
        404,
        "EntryNotFound",
        get.headers["X-Repo-Commit"],
    )


def test_a_revision_with_a_slash_is_told_from_a_path_by_its_quoting(x):
    assert ask(x, "POST", "/api/models/org/x/branch/try%2Fit", {}).status == 200
    assert ask(x, "GET", "/org/x/resolve/try%2Fit/.gitattributes").status == 200
    assert ask(x, "GET", "/org/x/resolve/try/it/.gitattributes").code == "RevisionNotFound"
    assert ask(x, "GET", "/api/models/org/x/revision/refs%2Fpr%2F1").code == "RevisionNotFound"
    assert ask(x, "GET", "/org/x/resolve/no-such-tag/.gitattributes").code == "RevisionNotFound"


# ---------------------------------------------------------------------- commits


def test_of_commits_on_one_parent_one_wins_and_the_others_are_412(x):
    parent = ask(x, "GET", "/api/models/org/x").json["sha"]
    statuses = []

    def push(number):
        statuses.append(ask(x, "POST", COMMIT, commit_lines(regular(f"{number}.txt"), parent=parent)).status)

    threads = [threading.Thread(target=push, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [412] * 7
    assert len(ask(x, "GET", "/api/models/org/x/tree/main").json) == 2


def test_commits_without_a_parent_all_happen_one_after_the_other(x):
    threads = [
        threading.Thread(target=ask, args=(x, "POST", COMMIT, commit_lines(regular(f"{number}.txt")))) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ask(x, "GET", "/api/models/org/x/commits/main").json) == 9
    assert len(ask(x, "GET", "/api/models/org/x/tree/main").json) == 9


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        (regular(path), 400)
        for path in (
            "../a",
            "/a",
            "a//b",
            "a/../b",
            "./a",
            "a/",
            "",
            "..",
            ".git/config",
            "a\\b",
            "a\0b",
            "a\nb",
            "a" * 256,
            "\ud800",
        )
    ]
    + [
        (("file", {"path": "a", "content": "not base64!"}), 400),
        (("file", {"path": "a", "content": "YQ==", "encoding": "rot13"}), 400),
        (("file", {"path": "a", "content": 7}), 400),
        (("file", {"path": ["a"], "content": "YQ=="}), 400),
        (("file", {"content": "YQ=="}), 400),
        (("lfsFile", {"path": "a", "oid": "0" * 64, "size": 1}), 400),
        (("lfsFile", {"path": "a", "oid": "../../../etc/passwd"}), 400),
        (("deletedFile", {"path": "none"}), 404),
        (("deletedFolder", {"path": "none/"}), 404),
        (("renamedFile", {"path": "a"}), 400),
        (("header", {"path": "a"}), 400),
        (regular(".gitattributes/inside"), 400),
    ],
)
def test_a_commit_with_one_bad_operation_does_not_happen(x, operation, status):
    before = ask(x, "GET", "/api/models/org/x").json["sha"]
    answer = ask(x, "POST", COMMIT, commit_lines(regular("good.txt"), operation, regular("also good.txt")))
    assert answer.status == status, answer.body
    assert answer.json["error"]
    assert ask(x, "GET", "/api/models/org/x").json["sha"] == before


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null\n",
        b"not json",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"key": "header"}',
        b'{"key": "header", "value": []}',
        b'{"key": "header", "value": {"summary": 1}}',
        b'{"key": "header", "value": {"summary": "s", "parentCommit": "HEAD"}}',
        b'{"key": "file", "value": {"path": "a", "content": ""}}',
        b'{"key": "header", "value": {"summary": "s"}}\n{"key": "file"',
        b'{"key": "header", "value": {"summary": "s"}}\n' + b"9" * 5000,
    ],
)
def test_a_commit_that_is_no_list_of_operations_is_400(x, body):
    before = ask(x, "GET", "/api/models/org/x").json["sha"]
    assert ask(x, "POST", COMMIT, body).status == 400
    assert ask(x, "GET", "/api/models/org/x").json["sha"] == before


@pytest.mark.parametrize("name", ["../x", "a..b", "a--b", "x.git", "-x", "x.", "a/b", "", "ü", "x" * 97, "a b", "%2e%2e", "."])
def test_a_name_that_the_hub_refuses_is_400(near, name):
    assert ask(near, "POST", "/api/repos/create", {"name": name, "organization": "org"}).status == 400
    if name and not name.endswith(".git"):
        assert ask(near, "POST", "/api/repos/create", {"name": "x", "organization": name}).status == 400
    for reserved in ("api", "datasets", "spaces", "models"):
        assert ask(near, "POST", "/api/repos/create", {"name": "x", "organization": reserved}).status == 400


@pytest.mark.parametrize("tag", ["../t", "a..b", "/t", "t/", "refs/heads/main", "", "a b", "a" * 40, "t.lock", "\n", "-t"])
def test_a_tag_that_git_would_not_have_is_400(x, tag):
    assert ask(x, "POST", "/api/models/org/x/tag/main", {"tag": tag}).status == 400
    assert ask(x, "GET", "/api/models/org/x/refs").json["tags"] == []


@pytest.mark.parametrize(
    ("row", "status"),
    [
        ({"name": "s", "type": "space"}, 400),
        ({"name": "s", "type": "space", "sdk": "cobol"}, 400),
        ({"name": "s", "type": "kernel"}, 404),
        ({"name": "s", "visibility": "protected"}, 400),
        ({"name": "s", "private": "yes"}, 400),
        ({"organization": "org"}, 400),
        ({"name": "x", "organization": "org"}, 409),
    ],
)
def test_a_repo_that_cannot_be_made_is_refused_with_a_reason(x, row, status):
    answer = ask(x, "POST", "/api/repos/create", row)
    assert (answer.status, bool(answer.json["error"])) == (status, True)
    if status == 409:
        assert answer.json["url"] == f"{x.endpoint}/org/x"


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "/"),
        ("GET", "/api/models/org/x/discussions"),
        ("GET", "/api/kernels/org/x"),
        ("PATCH", "/api/models/org/x"),
        ("POST", "/health"),
        ("GET", "/org/x/resolve/main/"),
        ("GET", "/../../etc/passwd"),
        ("GET", "/org/x/resolve/main/../../../../users.json"),
        ("GET", "/org/x/resolve/main/%2e%2e%2f%2e%2e%2fusers.json"),
        ("GET", "/..%2f..%2fusers.json/x/resolve/main/a"),
        ("GET", "/api/models/%2e%2e/%2e%2e"),
        ("GET", "/api/models/org/x/revision/..%2f..%2frepo"),
        ("GET", "/org/x/resolve/%ff/a"),
        ("GET", "/squad/resolve/main/README.md"),
        ("GET", "/datasets/squad/resolve/main/README.md"),
        ("GET", "/api/datasets/squad"),
        ("GET", "/api/datasets/squad/revision/main"),
    ],
)
def test_what_is_not_there_is_a_4xx(x, method, address):
    answer = ask(x, method, address)
    assert 400 <= answer.status < 500
    assert answer.json["error"]


# ---------------------------------------------------------------------- large files


def test_an_object_is_kept_only_with_its_size_and_sha256(x):
    data = os.urandom(100_000)
    address = upload_address(x, data)
    for wrong in (data[:-1], data + b"x", b"y" + data[1:]):
        assert ask(x, "PUT", address, wrong).status == 400
    assert ask(x, "PUT", address, data).status == 200
    row = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}
    assert "actions" not in ask(x, "POST", BATCH, {"objects": [row]}).json["objects"][0]
    assert ask(x, "POST", BATCH, {"objects": [row | {"size": 5}]}).json["objects"][0]["error"]["code"] == 422
    lie = commit_lines(("lfsFile", {"path": "a.bin", **row, "size": 5}))
    assert ask(x, "POST", COMMIT, lie).status == 400
    assert ask(x, "POST", COMMIT, commit_lines(("lfsFile", {"path": "a.bin", **row}))).status == 200
    answer = ask(x, "GET", "/org/x/resolve/main/a.bin", headers={"Range": "bytes=99990-"})
    assert (answer.body, answer.headers["X-Linked-Etag"]) == (data[99990:], f'"{row["oid"]}"')
    assert list((x.directory / "tmp").iterdir()) == []


def test_an_object_of_one_repo_cannot_be_claimed_in_another(x):
    data = b"mine alone"
    assert ask(x, "PUT", upload_address(x, data), data).status == 200
    make_repo(x, "org/y")
    row = {"path": "a.bin", "oid": hashlib.sha256(data).hexdigest(), "size": len(data)}
    assert ask(x, "POST", "/api/models/org/y/commit/main", commit_lines(("lfsFile", row))).status == 400


def test_a_body_may_come_in_chunks(x):
    data = os.urandom(300_000)
    chunks = (data[start : start + 7000] for start in range(0, len(data), 7000))
    connection = http.client.HTTPConnection(urlsplit(x.endpoint).netloc)
    connection.request("PUT", upload_address(x, data), chunks, encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    assert connection.getresponse().status == 200
    connection.close()


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: -1",
        b"Content-Length: x",
        b"Content-Length: 1\r\nContent-Length: 2",
        b"Content-Length: " + b"9" * 30,
        b"Transfer-Encoding: gzip",
        b"Transfer-Encoding: chunked\r\nContent-Length: 3",
        b"Transfer-Encoding: chunked",  # and then no size of a chunk
        b"Broken",
        b"Expect: 100-continue\r\nContent-Length: 3",
    ],
)
def test_a_body_that_is_badly_announced_is_400(x, head):
    request = b"POST /api/validate-yaml HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\nzzzzz\r\n"
    answer = spoken(x, request)
    assert re.match(rb"(HTTP/1.1 100 Continue\r\n\r\n)?HTTP/1.1 400 ", answer), answer


@pytest.mark.parametrize(
    "line", [b"", b"\r\n", b"GET\r\n\r\n", b"\xff\xff\xff\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET /health\r\n"]
)
def test_a_line_that_is_no_request_is_answered_with_less_than_500(x, line):
    assert not re.match(rb"HTTP/1.1 5", spoken(x, line))
    assert ask(x, "GET", "/health").json == {"status": "ok"}


def test_a_client_that_leaves_in_the_middle_leaves_nothing(x, capfd):
    data = b"z" * 1000
    address = upload_address(x, data)
    spoken(x, f"PUT {address} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n".encode() + data[:500])
    head = f"POST {COMMIT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {OWNER}\r\n"
    spoken(x, f"{head}Content-Length: 1000\r\n\r\n{{".encode())
    assert ask(x, "GET", "/health").status == 200
    assert list((x.directory / "tmp").iterdir()) == []
    assert len(ask(x, "GET", "/api/models/org/x/commits/main").json) == 1
    assert "".join(capfd.readouterr()) == ""


def test_what_is_over_a_limit_is_413_and_the_connection_survives_the_answer(tmp_path):
    with running(tmp_path / "hub", users=USERS, limits=SizeLimits(json=2000, regular=5000, commit=100_000, large=50_000)) as hub:
        make_repo(hub, "org/x")
        assert ask(hub, "POST", "/api/validate-yaml", {"content": "x" * 3000}).status == 413
        assert ask(hub, "POST", COMMIT, commit_lines(regular("a", b"x" * 5000))).status == 200
        assert ask(hub, "POST", COMMIT, commit_lines(regular("a", b"x" * 5001))).status == 413
        assert ask(hub, "POST", COMMIT, commit_lines(regular("a", b"x" * 90_000))).status == 413
        assert ask(hub, "POST", COMMIT, commit_lines(*(regular(f"{number}", b"x" * 4000) for number in range(30)))).status == 413
        assert ask(hub, "POST", "/api/validate-yaml", b"x" * 10_000_000).status == 413  # refused before it was sent
        chunks = {"Transfer-Encoding": "chunked"}
        assert ask(hub, "POST", "/api/validate-yaml", b"bb8\r\n" + b"x" * 3000 + b"\r\n0\r\n\r\n", headers=chunks).status == 413
        answer = ask(hub, "POST", BATCH, {"objects": [{"oid": "a" * 64, "size": 50_001}]}).json["objects"][0]
        assert answer["error"]["code"] == 413
        assert ask(hub, "GET", "/health").status == 200
        assert whole(tmp_path / "hub") == 2


def test_a_small_request_makes_no_large_answer(x):
    paths = "/api/models/org/x/paths-info/main"
    as_json = {"Content-Type": "application/json"}
    twice = ask(x, "POST", paths, {"paths": [".gitattributes"] * 1000}, headers=as_json).json
    assert [row["path"] for row in twice] == [".gitattributes"]
    assert ask(x, "POST", paths, {"paths": ["a"] * 1001}, headers=as_json).status == 413
    assert ask(x, "POST", paths, b"paths=a&" * 1001 + b"paths=a").status == 413
    assert ask(x, "POST", paths, b'{"paths": [' + b"[]," * 200_000 + b"[]]}", headers=as_json).status == 413
    row = {"path": "a", "size": 1}
    assert ask(x, "POST", PREUPLOAD, {"files": [row] * 1001}).status == 413
    assert ask(x, "POST", BATCH, {"objects": [{"oid": "a" * 64, "size": 1}] * 1001}).status == 413
    assert ask(x, "POST", COMMIT, commit_lines(*[("deletedFile", {"path": "q"})] * 25_001)).status == 413
    assert ask(x, "POST", COMMIT, commit_lines(regular("/".join("abcdefgh" * 5)))).status == 400


def test_patterns_to_ignore_cannot_take_long(x):
    files = [{"path": f"d/f{number}", "size": 1} for number in range(1000)]
    slow = {"files": files, "gitIgnore": "\n".join(f"x{number}*y" for number in range(20_000))}
    assert ask(x, "POST", PREUPLOAD, slow).status == 413
    stars = {"files": [{"path": "a" * 250, "size": 1}], "gitIgnore": "*a" * 100 + "b"}
    assert [row["shouldIgnore"] for row in ask(x, "POST", PREUPLOAD, stars).json["files"]] == [False]


@pytest.mark.parametrize(
    ("patterns", "ignored"),
    [
        ("*.log", ["a.log", "d/b.log"]),
        ("*.log\n!b.log", ["a.log"]),
        ("# d\n\n/a.log\n/b.log", ["a.log"]),
        ("d/", ["d/b.log", "d/e/c.txt"]),
        ("e", ["d/e/c.txt"]),
        ("d/e", ["d/e/c.txt"]),
        ("d/e/", ["d/e/c.txt"]),
        ("d/e/c.txt/", []),
        ("a.log/", []),
        ("e/c.txt", []),
        ("d/**", ["d/b.log", "d/e/c.txt"]),
        ("d/*\n!d/e/", ["d/b.log"]),
        ("[", []),
    ],
)
def test_files_are_ignored_as_git_would(x, patterns, ignored):
    paths = ["a.log", "d/b.log", "d/e/c.txt"]
    body = {"files": [{"path": path, "size": 1} for path in paths], "gitIgnore": patterns}
    assert [row["path"] for row in ask(x, "POST", PREUPLOAD, body).json["files"] if row["shouldIgnore"]] == ignored


def test_listing_goes_on_while_repos_come_and_go(near):
    def churn(number):
        for _ in range(15):
            make_repo(near, f"org/c{number}")
            move = {"fromRepo": f"org/c{number}", "toRepo": f"org/m{number}", "type": "model"}
            assert ask(near, "POST", "/api/repos/move", move).status == 200
            assert ask(near, "DELETE", "/api/repos/delete", {"organization": "org", "name": f"m{number}"}).status == 200

    threads = [threading.Thread(target=churn, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert ask(near, "GET", "/api/models?full=1").status == 200
    assert ask(near, "GET", "/api/models").json == []


def test_one_connection_serves_many_requests(x):
    connection = http.client.HTTPConnection(urlsplit(x.endpoint).netloc)
    for _ in range(3):
        for method, address, status in (("GET", "/health", 200), ("GET", "/nowhere", 404), ("HEAD", "/health", 200)):
            connection.request(method, address)
            response = connection.getresponse()
            assert (response.status, len(response.read())) == (
                status,
                0 if method == "HEAD" else int(response.headers["Content-Length"]),
            )
            assert connection.sock is not None
    connection.close()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads the peak memory from /proc")
def test_a_large_file_is_never_in_memory(tmp_path):
    process = HubProcess(tmp_path / "hub")
    with process as hub:
        data = bytes(192 * 1024 * 1024)
        organization = {"name": "x", "organization": "org"}
        assert ask(hub, "POST", "/api/repos/create", organization, token=hub.token).status == 200
        row = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data)}
        batch = ask(hub, "POST", BATCH, {"objects": [row]}, token=hub.token).json["objects"][0]
        assert ask(hub, "PUT", batch["actions"]["upload"]["href"].removeprefix(hub.endpoint), data).status == 200
        assert ask(hub, "POST", COMMIT, commit_lines(("lfsFile", {"path": "a.bin", **row})), token=hub.token).status == 200
        assert ask(hub, "GET", "/org/x/resolve/main/a.bin", token=hub.token).body == data
        status = Path(f"/proc/{process.pid}/status").read_text()
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", status)
        assert int(peak) < 80_000


def test_it_listens_on_loopback_alone_and_one_process_has_a_folder(near, tmp_path):
    assert near.endpoint.startswith("http://127.0.0.1:")
    with pytest.raises(AloeError, match="another local Hub serves this folder"), running(near.directory):
        pass
    port = urlsplit(near.endpoint).port
    with pytest.raises(AloeError, match=f"--port {port}: cannot listen"), running(tmp_path / "other", port=port):
        pass
    (tmp_path / "file").write_text("")
    with pytest.raises(AloeError, match="cannot hold a local Hub"), running(tmp_path / "file"):
        pass


def test_the_answers_of_validate_yaml(near):
    good = ask(near, "POST", "/api/validate-yaml", {"content": "---\nlicense: mit\n---\n", "repoType": "model"}, token=None)
    assert (good.status, good.json) == (200, {"errors": [], "warnings": []})
    bare = ask(near, "POST", "/api/validate-yaml", {"content": "no front matter"})
    assert (bare.status, len(bare.json["warnings"])) == (200, 1)
    bad = ask(near, "POST", "/api/validate-yaml", {"content": "---\ntags: [a\n---\n"})
    assert (bad.status, len(bad.json["errors"])) == (400, 1)
    assert json.dumps(bad.json)
