"""Files at a revision: listed, described, downloaded."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, quote

from aloe_hub.local_hub.message import FilePart, Request, Response, json_object, json_response
from aloe_hub.local_hub.refusal import Refusal, bad_request, entry_not_found, shown
from aloe_hub.local_hub.repo import Commit, RepoFolder
from aloe_hub.local_hub.tree import listed, object_ids

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


def tree(request: Request) -> Response:
    """A folder's files and folders, by name; `recursive` all the way down, `expand` with the last commit of each."""
    folder, _ = request.readable()
    commit = folder.commit(folder.revision(request.args["revision"]))
    inside = (request.args.get("path") or "").strip("/")
    paths = listed(commit.tree, inside, recursive=request.flag("recursive"))
    if inside and not paths:
        raise entry_not_found(inside, commit.sha)
    return json_response(_rows(folder, commit, paths, expand=request.flag("expand")))


def paths_info(request: Request) -> Response:
    """The same for named paths, in the order asked; what is missing is left out."""
    folder, _ = request.readable()
    body = request.raw(request.hub.limits.json)
    if "json" in request.headers.get("Content-Type", ""):
        row = json_object(body)
        paths, expand = row.get("paths"), bool(row.get("expand"))
        paths = [paths] if isinstance(paths, str) else paths
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise bad_request(f"expected 'paths' as strings, found {shown(paths)}")
    else:
        form = parse_qs(body.decode("utf-8", "replace"))
        paths, expand = form.get("paths", []), form.get("expand", [""])[-1].lower() in ("1", "true")
    commit = folder.commit(folder.revision(request.args["revision"]))
    return json_response(_rows(folder, commit, [path.strip("/") for path in paths], expand=expand))


def resolve(request: Request) -> Response:
    """A file's bytes, all or one range of them, with the headers from which clients name their cached copy."""
    folder, _ = request.readable()
    commit = folder.commit(folder.revision(request.args["revision"]))
    path = request.args["path"]
    entry = commit.tree.get(path)
    if entry is None:
        raise entry_not_found(path, commit.sha)
    headers = {
        "X-Repo-Commit": commit.sha,
        "ETag": f'"{entry.etag}"',
        "Accept-Ranges": "bytes",
        "Content-Type": "application/octet-stream" if entry.lfs else "text/plain; charset=utf-8",
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(path.rsplit('/', 1)[-1])}",
        "X-Content-Type-Options": "nosniff",
    }
    if entry.lfs:
        headers |= {"X-Linked-Size": str(entry.size), "X-Linked-Etag": f'"{entry.sha256}"'}
    start, length = _range(request.headers.get("Range"), entry.size)
    part = FilePart(folder.open_object(entry.sha256), start, length)
    if length == entry.size:
        return Response(200, part, headers)
    return Response(206, part, headers | {"Content-Range": f"bytes {start}-{start + length - 1}/{entry.size}"})


def _range(header: str | None, size: int) -> tuple[int, int]:
    """(start, length). What is not one plain range means the whole file, as HTTP allows.

    Raises:
        Refusal: 416, when the file ends before the range begins.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or not (found[1] or found[2]):
        return 0, size
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
    if start >= end:
        raise Refusal(416, "Requested range not satisfiable", headers={"Content-Range": f"bytes */{size}"})
    return start, end - start


def _rows(folder: RepoFolder, commit: Commit, paths: Sequence[str], *, expand: bool) -> list[dict[str, Any]]:
    ids = object_ids(commit.tree)
    paths = [path for path in paths if path in ids]
    last = folder.last_changes(commit.sha, paths) if expand else {}
    rows: list[dict[str, Any]] = []
    for path in paths:
        entry = commit.tree.get(path)
        row: dict[str, Any] = {
            "type": "file" if entry else "directory",
            "oid": ids[path],
            "size": entry.size if entry else 0,
            "path": path,
        }
        if entry and entry.lfs:
            row["lfs"] = {"oid": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
        if path in last:
            row["lastCommit"] = {"id": last[path].sha, "title": last[path].title, "date": last[path].date}
        rows.append(row)
    return rows
