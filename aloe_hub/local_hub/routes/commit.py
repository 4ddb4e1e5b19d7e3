"""A commit as clients make it: ask which files are large, upload those (lfs.py), send the rest as one body of JSON lines."""

from __future__ import annotations

import base64
import binascii
from fnmatch import fnmatchcase
from typing import Any

from aloe_hub.local_hub.message import Request, Response, json_object, json_response, member
from aloe_hub.local_hub.names import COMMIT_PREFIX, check_path, check_sha256
from aloe_hub.local_hub.refusal import bad_request, shown, too_large
from aloe_hub.local_hub.repo import Words
from aloe_hub.local_hub.store import LARGE_SUFFIXES
from aloe_hub.local_hub.tree import DeleteFile, DeleteFolder, Edit, Entry, Put

_LARGE_FROM = 5_000_000


def preupload(request: Request) -> Response:
    """How each file is to come, and what of it is here: `lfs` by suffix or size.

    Parquet must be `lfs` even when tiny: datasets deletes its shard before the commit otherwise.
    """
    request.writer(request.name)
    folder, _ = request.readable()
    tree = folder.commit(folder.revision(request.args["revision"])).tree
    body = request.json()
    ignored = _ignored(member(body, "gitIgnore", str, ""))
    answers: list[dict[str, Any]] = []
    for row in member(body, "files", list):
        if not isinstance(row, dict):
            raise bad_request(f"expected a file as an object, found {shown(row)}")
        path, size = check_path(member(row, "path", str)), member(row, "size", int)
        entry = tree.get(path)
        large = path.lower().endswith(LARGE_SUFFIXES) or size > _LARGE_FROM
        answers.append(
            {
                "path": path,
                "uploadMode": "lfs" if large else "regular",
                "shouldIgnore": _is_ignored(path, ignored),
                "oid": entry.etag if entry else None,
            }
        )
    return json_response({"files": answers})


def commit(request: Request) -> Response:
    """One commit, whole or not at all. Files go to the disk line by line; only the last step moves the branch."""
    user, name = request.writer(request.name), request.name
    if request.flag("create_pr"):
        raise bad_request("the local Hub has no pull requests")
    lines = request.lines()
    key, header = _line(next(lines, b"{}"))
    if key != "header":
        raise bad_request(f"a commit begins with its header, found {shown(key)}")
    parent = member(header, "parentCommit", str, "")
    if parent and not COMMIT_PREFIX.fullmatch(parent):
        raise bad_request(f"not a commit: {shown(parent)}")
    words = Words(member(header, "summary", str), member(header, "description", str, ""), user.name)
    edits = [_edit(request, *_line(line)) for line in lines]
    branch = request.args["revision"]
    with request.hub.store.locked(name) as folder:
        made = folder.add_commit(branch if branch.startswith("refs/") else f"refs/heads/{branch}", edits, words, parent or None)
    url = f"{request.hub.endpoint}/{name.web_path}/commit/{made.sha}"
    return json_response({"success": True, "commitOid": made.sha, "commitUrl": url, "hookOutput": ""})


def _edit(request: Request, key: str, value: dict[str, Any]) -> Edit:
    path = check_path(member(value, "path", str).rstrip("/") if key == "deletedFolder" else member(value, "path", str))
    if key == "deletedFile":
        return DeleteFile(path)
    if key == "deletedFolder":
        return DeleteFolder(path)
    if key == "file":
        data = _content(value, path)
        if len(data) > request.hub.limits.regular:
            raise too_large(shown(path), request.hub.limits.regular)
        with request.hub.store.locked(request.name) as folder:
            return Put(path, folder.keep_bytes(data))
    if key == "lfsFile":
        sha256 = check_sha256(member(value, "oid", str))
        size = request.hub.store.folder(request.name).object_size(sha256)
        if size is None:
            raise bad_request(f"LFS pointer pointed to a file that does not exist: {shown(path)}")
        if member(value, "size", int, size) != size:
            raise bad_request(f"{shown(path)} was uploaded with {size} bytes, not {value['size']}")
        return Put(path, Entry.large(sha256, size))
    raise bad_request(f"a commit has no operation {shown(key)}")


def _content(value: dict[str, Any], path: str) -> bytes:
    content, encoding = member(value, "content", str), member(value, "encoding", str, "base64")
    if encoding == "utf-8":
        return content.encode()
    try:
        if encoding != "base64":
            raise ValueError
        return base64.b64decode(content, validate=True)
    except (ValueError, binascii.Error):
        raise bad_request(f"the content of {shown(path)} is not {shown(encoding)}") from None


def _line(line: bytes) -> tuple[str, dict[str, Any]]:
    row = json_object(line)
    return member(row, "key", str), member(row, "value", dict)


def _ignored(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _is_ignored(path: str, patterns: list[str]) -> bool:
    """The common part of .gitignore: the last pattern that fits decides, `!` takes back, a name without / fits at any depth."""
    parts = path.split("/")
    folders = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
    ignored = False
    for pattern in patterns:
        plain = pattern.removeprefix("!").removesuffix("/")
        subjects = folders if pattern.endswith("/") else [*folders, path]
        if "/" not in plain:
            subjects = [subject.rsplit("/", 1)[-1] for subject in subjects]
        if any(fnmatchcase(subject, plain.removeprefix("/")) for subject in subjects):
            ignored = not pattern.startswith("!")
    return ignored
