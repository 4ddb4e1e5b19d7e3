"""Large files by plain git LFS: a batch says where to put what is missing, a PUT is hashed while it streams to the disk.

Clients PUT without their token, so the address carries the permission: a signature over repo, hash and size.
"""

from __future__ import annotations

import hmac
from typing import Any

from aloe_hub.local_hub.message import MIB, Request, Response, json_response, member
from aloe_hub.local_hub.names import RepoName, check_sha256
from aloe_hub.local_hub.refusal import Refusal, bad_request, shown, too_large
from aloe_hub.local_hub.users import upload_signature


def batch(request: Request) -> Response:
    name, hub = request.name, request.hub
    request.writer(name)
    body = request.json()
    if (operation := member(body, "operation", str, "upload")) != "upload":
        raise bad_request(f"the local Hub serves LFS uploads only, not {shown(operation)}; download by /resolve/")
    folder = hub.store.folder(name)
    answers: list[dict[str, Any]] = []
    for row in member(body, "objects", list):
        if not isinstance(row, dict):
            raise bad_request(f"expected an object with oid and size, found {shown(row)}")
        sha256, size = check_sha256(member(row, "oid", str)), member(row, "size", int)
        answer: dict[str, Any] = {"oid": sha256, "size": size}
        here = folder.object_size(sha256)
        if size < 0 or here not in (None, size):
            answer["error"] = {"code": 422, "message": f"the object {sha256} does not have {size} bytes"}
        elif size > hub.limits.large:
            answer["error"] = {"code": 413, "message": too_large("the file", hub.limits.large).message}
        elif here is None:
            href = f"{hub.endpoint}/{name.web_path}.git/info/lfs/objects/{sha256}?size={size}&signature="
            answer["actions"] = {"upload": {"href": href + _signature(request, name, sha256, size), "header": {}}}
        answers.append(answer)
    headers = {"Content-Type": "application/vnd.git-lfs+json"}
    return json_response({"transfer": "basic", "objects": answers}, headers=headers)


def put(request: Request) -> Response:
    """Take one object in. It gets its name only if size and hash are what was announced."""
    name, hub, sha256 = request.name, request.hub, check_sha256(request.args["oid"])
    size = int(request.text("size")) if request.text("size").isdecimal() and len(request.text("size")) < 19 else -1
    if not hmac.compare_digest(_signature(request, name, sha256, size).encode(), request.text("signature").encode()):
        raise Refusal(403, "Forbidden: this address was not signed for that upload")
    if size > hub.limits.large:
        raise too_large("the file", hub.limits.large)
    if request.body.length not in (None, size):
        raise bad_request(f"expected {size} bytes, the request announces {request.body.length}")
    request.body.limit = size
    with hub.store.incoming() as arriving:
        while chunk := request.body.read(MIB):
            arriving.write(chunk)
        if arriving.size != size or arriving.sha256 != sha256:
            raise bad_request(f"expected {size} bytes with sha256 {sha256}, got {arriving.size} with {arriving.sha256}")
        with hub.store.locked(name) as folder:
            folder.keep(arriving)
    return json_response({})


def _signature(request: Request, name: RepoName, sha256: str, size: int) -> str:
    return upload_signature(request.hub.users, f"{name.web_path} {sha256} {size}")
