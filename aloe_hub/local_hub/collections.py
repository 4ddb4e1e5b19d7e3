"""Collections: a title over repos of any kind, one file each, `DIR/collections/NAMESPACE/SLUG.json`.

They can be made, filled and read, which is what a release needs. An item that the caller may not read is not shown to it.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from pathlib import Path
from typing import Any

from starlette.responses import JSONResponse, Response

from aloe_hub.local_hub.call import HubCall, member
from aloe_hub.local_hub.disk import write_file
from aloe_hub.local_hub.names import RepoName
from aloe_hub.local_hub.refusal import HubRefusal, bad_request, not_logged_in, shown
from aloe_hub.local_hub.repo import now

_KINDS = {"model": "models", "dataset": "datasets", "space": "spaces"}
_MOST_OF_A_DESCRIPTION, _MOST_OF_A_NOTE = 150, 500
_writing = threading.Lock()  # reading a collection, changing it and writing it is one step


def create(call: HubCall) -> Response:
    """Its slug follows from its title, so a second one of the same title is a conflict that names the first."""
    user, body = call.logged_in(), call.json()
    title, description = member(body, "title", str).strip(), member(body, "description", str, "")
    if not title or len(description) > _MOST_OF_A_DESCRIPTION:
        raise bad_request(f"a collection needs a title, and a description of at most {_MOST_OF_A_DESCRIPTION} characters")
    namespace = member(body, "namespace", str, user.name)
    digest = hashlib.sha256(f"{namespace}/{title}".encode()).hexdigest()[:24]
    words = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60].strip("-")
    name = RepoName.parse("models", namespace, f"{words}-{digest}".lstrip("-"))
    if not user.may_write_in(namespace):
        raise HubRefusal(403, f"You don't have the rights to make a collection in the namespace {shown(namespace)}")
    row = {"title": title, "description": description, "private": member(body, "private", bool, False), "items": []}
    with _writing:
        if _file(call, name).exists():
            refusal = HubRefusal(409, f"This collection already exists: {name.id}")
            refusal.extra["slug"] = name.id  # with `exists_ok` the client reads it from the 409
            raise refusal
        _save(call, name, row)
    return JSONResponse(_described(call, name, row))


def read(call: HubCall) -> Response:
    name, row = _readable(call)
    return JSONResponse(_described(call, name, row))


def add_item(call: HubCall) -> Response:
    name, _ = _readable(call)
    user, body = call.logged_in(), call.json()
    if not user.may_write_in(name.namespace):
        raise HubRefusal(403, f"Forbidden: this token of {user.name} has no write access to {name.id}")
    item, note = member(body, "item", dict), member(body, "note", str, "")
    kind, repo = member(item, "type", str), member(item, "id", str)
    if kind not in _KINDS or len(note) > _MOST_OF_A_NOTE:
        raise bad_request(f"an item is a model, dataset or space with a note of at most {_MOST_OF_A_NOTE} characters")
    call.readable(RepoName.parse(_KINDS[kind], *repo.partition("/")[::2]))
    with _writing:
        row = _readable(call)[1]
        if any((each["type"], each["id"]) == (kind, repo) for each in row["items"]):
            raise HubRefusal(409, f"The collection already holds the {kind} {repo}")
        row["items"].append({"type": kind, "id": repo, "note": note})
        _save(call, name, row)
    return JSONResponse(_described(call, name, row))


def _file(call: HubCall, name: RepoName) -> Path:
    return call.hub.store.directory / "collections" / name.namespace / f"{name.name}.json"


def _save(call: HubCall, name: RepoName, row: dict[str, Any]) -> None:
    row["lastUpdated"] = now()
    write_file(_file(call, name), json.dumps(row, ensure_ascii=False, indent=1).encode(), call.hub.store.temporary)


def _readable(call: HubCall) -> tuple[RepoName, dict[str, Any]]:
    """The collection in the address, if the caller may read it."""
    user, name = call.user, RepoName.parse("models", call.args["namespace"], call.args["slug"])
    try:
        row: dict[str, Any] = json.loads(_file(call, name).read_bytes())
    except FileNotFoundError:
        row = {"private": True}
    if "items" not in row or (row["private"] and not (user and user.belongs_to(name.namespace))):
        raise HubRefusal(404, f"Collection not found: {name.id}") if user else not_logged_in()
    return name, row


def _described(call: HubCall, name: RepoName, row: dict[str, Any]) -> dict[str, Any]:
    """The collection in the Hub's words."""
    items: list[dict[str, Any]] = []
    for position, item in enumerate(row["items"]):
        repo = RepoName.parse(_KINDS[item["type"]], *item["id"].split("/"))
        try:
            call.readable(repo)
        except HubRefusal:  # private, or deleted since
            continue
        number = hashlib.sha256(f"{name.id} {repo.web_path}".encode()).hexdigest()[:24]
        noted = {"note": {"text": item["note"], "html": ""}} if item["note"] else {}
        items.append({"_id": number, "id": item["id"], "type": item["type"], "position": position, **noted})
    own = {key: row[key] for key in ("title", "description", "private", "lastUpdated")}
    more = {"owner": {"name": name.namespace}, "position": 0, "theme": "green", "upvotes": 0}
    return {"slug": name.id, **own, **more, "items": items}
