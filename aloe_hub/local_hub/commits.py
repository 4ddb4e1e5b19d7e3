"""A commit as clients make it: ask which files are large, upload those (lfs.py), send the rest as one body of JSON lines."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from fnmatch import translate
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from aloe_hub.local_hub.call import HubCall, json_object, member, members
from aloe_hub.local_hub.names import COMMIT_PREFIX, check_path, check_sha256
from aloe_hub.local_hub.refusal import bad_request, shown, too_large
from aloe_hub.local_hub.repo import CommitMessage
from aloe_hub.local_hub.store import LARGE_SUFFIXES
from aloe_hub.local_hub.tree import Edit, Entry

_LARGE_FROM = 5_000_000
_MOST_FILES = 1000  # asked about at once; clients send 256
_MOST_STEPS = 2 * 10**8  # of matching these with the patterns to ignore
_MOST_OPERATIONS = 25_000


def preupload(call: HubCall) -> Response:
    """How each file is to come, and what of it is here: `lfs` by suffix or size.

    Parquet must be `lfs` even when tiny: datasets deletes its shard before the commit otherwise.
    """
    call.writer()
    tree = call.commit()[1].tree
    body = call.json()
    sizes = {check_path(member(row, "path", str)): member(row, "size", int) for row in members(body, "files", _MOST_FILES)}
    ignored = _ignored(list(sizes), member(body, "gitIgnore", str, ""))
    answers = [
        {
            "path": path,
            "uploadMode": "lfs" if path.lower().endswith(LARGE_SUFFIXES) or size > _LARGE_FROM else "regular",
            "shouldIgnore": path in ignored,
            "oid": tree[path].etag if path in tree else None,
        }
        for path, size in sizes.items()
    ]
    return JSONResponse({"files": answers})


async def commit(call: HubCall) -> Response:
    """One commit, whole or not at all. Files go to the disk line by line; only the last step moves the branch."""
    user, name = await run_in_threadpool(call.writer), call.name
    if call.flag("create_pr"):
        raise bad_request("the local Hub has no pull requests")
    header: dict[str, Any] | None = None
    edits: list[Edit] = []
    async for line in call.lines():
        if not line.strip():
            continue
        if len(edits) == _MOST_OPERATIONS:
            raise too_large("the commit", _MOST_OPERATIONS, "operations")
        if header is None:
            header = _header(line)
        else:
            edits.append(await run_in_threadpool(_edit, call, line))
    if header is None:
        raise bad_request("a commit begins with its header, found nothing")
    message = CommitMessage(member(header, "summary", str), member(header, "description", str, ""), user.name)
    branch, parent = call.args["revision"], member(header, "parentCommit", str, "")

    def add() -> str:
        with call.hub.store.locked(name) as folder:
            return folder.add_commit(branch if branch.startswith("refs/") else f"refs/heads/{branch}", edits, message, parent)

    sha = await run_in_threadpool(add)
    url = f"{call.endpoint}/{name.web_path}/commit/{sha}"
    return JSONResponse({"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""})


def _header(line: bytes) -> dict[str, Any]:
    key, header = _line(line)
    if key != "header":
        raise bad_request(f"a commit begins with its header, found {shown(key)}")
    parent = member(header, "parentCommit", str, "")
    if parent and not COMMIT_PREFIX.fullmatch(parent):
        raise bad_request(f"not a commit: {shown(parent)}")
    return header


def _edit(call: HubCall, line: bytes) -> Edit:
    key, value = _line(line)
    if key == "deletedFolder":
        return Edit(check_path(member(value, "path", str).rstrip("/")) + "/")
    path, store = check_path(member(value, "path", str)), call.hub.store
    if key == "deletedFile":
        return Edit(path)
    if key == "file":
        data = _content(value, path)
        if len(data) > call.hub.limits.regular:
            raise too_large(shown(path), call.hub.limits.regular)
        with store.locked(call.name) as folder:
            return Edit(path, folder.keep_bytes(data))
    if key == "lfsFile":
        sha256 = check_sha256(member(value, "oid", str))
        size = store.folder(call.name).object_size(sha256)
        if size is None:
            raise bad_request(f"LFS pointer pointed to a file that does not exist: {shown(path)}")
        if member(value, "size", int, size) != size:
            raise bad_request(f"{shown(path)} was uploaded with {size} bytes, not {value['size']}")
        return Edit(path, Entry.large(sha256, size))
    raise bad_request(f"a commit has no operation {shown(key)}")


def _content(value: dict[str, Any], path: str) -> bytes:
    content, encoding = member(value, "content", str), member(value, "encoding", str, "base64")
    if encoding == "utf-8":
        return content.encode()
    try:
        if encoding != "base64":
            raise ValueError
        return base64.b64decode(content, validate=True)
    except ValueError:
        raise bad_request(f"the content of {shown(path)} is not {shown(encoding)}") from None


def _line(line: bytes) -> tuple[str, dict[str, Any]]:
    row = json_object(line)
    return member(row, "key", str), member(row, "value", dict)


def _ignored(paths: Sequence[str], text: str) -> set[str]:
    """The common part of .gitignore: the last pattern that fits decides, `!` takes back, a name without / fits at any depth.

    What `fnmatch` makes of a star never goes back, so that a match takes no more steps than the product of both lengths.
    """
    if len(text) * sum(map(len, paths)) > _MOST_STEPS:
        raise too_large("'gitIgnore' times the paths", _MOST_STEPS, "characters")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rules = [(not line.startswith("!"), _rule(line.removeprefix("!"))) for line in reversed(lines)]
    return {path for path in paths if next((ignores for ignores, fits in rules if fits(path)), False)}


def _rule(pattern: str) -> Callable[[str], bool]:
    plain, only_folders = pattern.removesuffix("/").removeprefix("/"), pattern.endswith("/")
    if "/" in pattern.removesuffix("/"):
        match = re.compile(translate(plain + "/*")).match
        return lambda path: bool(match(path if only_folders else path + "/"))
    match = re.compile(translate(plain)).match
    return lambda path: any(map(match, path.split("/")[: -1 if only_folders else None]))
