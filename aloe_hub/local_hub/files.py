"""Files at a revision: listed, described, downloaded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO
from urllib.parse import parse_qs, quote

from starlette.responses import JSONResponse, Response, StreamingResponse

from aloe_hub.local_hub.call import MIB, HubCall, is_true
from aloe_hub.local_hub.refusal import HubRefusal, bad_request, entry_not_found, shown, too_large
from aloe_hub.local_hub.repo import Commit, RepoFolder
from aloe_hub.local_hub.tree import listed, object_ids

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_MOST_PATHS = 1000  # described by name in one request


def tree(call: HubCall) -> Response:
    """A folder's files and folders, by name; `recursive` all the way down, `expand` with the last commit of each."""
    folder, commit = call.commit()
    inside = call.args.get("path", "").strip("/")
    paths = listed(commit.tree, inside, recursive=call.flag("recursive"))
    if inside and not paths:
        raise entry_not_found(inside, commit.sha)
    return JSONResponse(_rows(folder, commit, paths, expand=call.flag("expand")))


def paths_info(call: HubCall) -> Response:
    """The same for named paths, each once, in the order asked; what is missing is left out."""
    folder, commit = call.commit()
    if "json" in call.request.headers.get("Content-Type", ""):
        row = call.json()
        paths, expand = row.get("paths"), bool(row.get("expand"))
        paths = [paths] if isinstance(paths, str) else paths
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise bad_request(f"expected 'paths' as strings, found {shown(paths)}")
    else:
        try:
            form = parse_qs(call.body.decode("utf-8", "replace"), max_num_fields=_MOST_PATHS + 1)
        except ValueError:
            raise too_large("'paths'", _MOST_PATHS, "entries") from None
        paths, expand = form.get("paths", []), is_true(form.get("expand", [""])[-1])
    if len(paths) > _MOST_PATHS:
        raise too_large("'paths'", _MOST_PATHS, "entries")
    return JSONResponse(_rows(folder, commit, list(dict.fromkeys(path.strip("/") for path in paths)), expand=expand))


def resolve(call: HubCall) -> Response:
    """A file's bytes, all or one range of them, with the headers from which clients name their cached copy."""
    folder, commit = call.commit()
    path = call.args["path"]
    entry = commit.tree.get(path)
    if entry is None:
        raise entry_not_found(path, commit.sha)
    start, length = _range(call.request.headers.get("Range"), entry.size)
    headers = {
        "X-Repo-Commit": commit.sha,
        "ETag": f'"{entry.etag}"',
        "Accept-Ranges": "bytes",
        "Content-Length": str(length),
        "Content-Type": "application/octet-stream" if entry.lfs else "text/plain; charset=utf-8",
        "Content-Disposition": f"inline; filename*=UTF-8''{quote(path.rsplit('/', 1)[-1])}",
        "X-Content-Type-Options": "nosniff",
    }
    if entry.lfs:
        headers |= {"X-Linked-Size": str(entry.size), "X-Linked-Etag": f'"{entry.sha256}"'}
    if length < entry.size:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{entry.size}"
    status = 206 if length < entry.size else 200
    if call.request.method == "HEAD":
        return Response(status_code=status, headers=headers)
    # FileResponse opens its file later, when the repo may be gone, and answers what is not one plain range by other rules.
    return StreamingResponse(_part(folder.open_object(entry.sha256), start, length), status, headers)


def _part(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    with file:
        file.seek(start)
        while length and (chunk := file.read(min(MIB, length))):
            yield chunk
            length -= len(chunk)


def _range(header: str | None, size: int) -> tuple[int, int]:
    """(start, length). What is not one plain range means the whole file, as HTTP allows.

    Raises:
        HubRefusal: 416, when the file ends before the range begins.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or not (found[1] or found[2]):
        return 0, size
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
    if start >= end:
        raise HubRefusal(416, "Requested range not satisfiable", headers={"Content-Range": f"bytes */{size}"})
    return start, end - start


def _rows(folder: RepoFolder, commit: Commit, paths: Sequence[str], *, expand: bool) -> list[dict[str, Any]]:
    ids = object_ids(commit.tree)
    paths = [path for path in paths if path in ids]
    last = folder.last_changes(commit.sha, paths) if expand else {}
    rows: list[dict[str, Any]] = []
    for path in paths:
        row: dict[str, Any] = {"type": "directory", "oid": ids[path], "size": 0, "path": path}
        if entry := commit.tree.get(path):
            row |= {"type": "file", "size": entry.size} | ({"lfs": entry.lfs_row("oid")} if entry.lfs else {})
        if path in last:
            row["lastCommit"] = {"id": last[path].sha, "title": last[path].title, "date": last[path].date}
        rows.append(row)
    return rows
