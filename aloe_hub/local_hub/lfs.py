"""Large files by plain git LFS: a batch says where to put what is missing, a PUT is hashed while it streams to the disk.

Clients PUT without their token, so the address carries the permission: a signature over repo, hash and size.
"""

from __future__ import annotations

import hmac
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from aloe_hub.local_hub.call import HubCall, member, members
from aloe_hub.local_hub.disk import Incoming
from aloe_hub.local_hub.names import check_sha256
from aloe_hub.local_hub.refusal import HubRefusal, bad_request, shown, too_large
from aloe_hub.local_hub.users import upload_signature

_MOST_OBJECTS = 1000


def batch(call: HubCall) -> Response:
    call.writer()
    body, limit, folder = call.json(), call.hub.limits.large, call.hub.store.folder(call.name)
    if (operation := member(body, "operation", str, "upload")) != "upload":
        raise bad_request(f"the local Hub serves LFS uploads only, not {shown(operation)}; download by /resolve/")
    answers: list[dict[str, Any]] = []
    for row in members(body, "objects", _MOST_OBJECTS):
        sha256, size = check_sha256(member(row, "oid", str)), member(row, "size", int)
        answer: dict[str, Any] = {"oid": sha256, "size": size}
        here = folder.object_size(sha256)
        if size < 0 or here not in (None, size):
            answer["error"] = {"code": 422, "message": f"the object {sha256} does not have {size} bytes"}
        elif size > limit:
            answer["error"] = {"code": 413, "message": too_large("the file", limit).message}
        elif here is None:
            href = f"{call.endpoint}/{call.name.web_path}.git/info/lfs/objects/{sha256}?size={size}&signature="
            answer["actions"] = {"upload": {"href": href + _signature(call, sha256, size), "header": {}}}
        answers.append(answer)
    return JSONResponse({"transfer": "basic", "objects": answers}, media_type="application/vnd.git-lfs+json")


async def put(call: HubCall) -> Response:
    """Take one object in. It gets its name only if size and hash are what was announced."""
    sha256, text = check_sha256(call.args["oid"]), call.query.get("size", "")
    size = int(text) if text.isdecimal() and len(text) < 19 else -1
    if not hmac.compare_digest(_signature(call, sha256, size).encode(), call.query.get("signature", "").encode()):
        raise HubRefusal(403, "Forbidden: this address was not signed for that upload")
    if size > call.hub.limits.large:
        raise too_large("the file", call.hub.limits.large)
    announced = call.request.headers.get("Content-Length")
    if announced is not None and int(announced) != size:
        raise bad_request(f"expected {size} bytes, the request announces {announced}")
    with call.hub.store.incoming() as arriving:
        async for chunk in call.chunks(size):
            await run_in_threadpool(arriving.write, chunk)
        if arriving.size != size or arriving.sha256 != sha256:
            raise bad_request(f"expected {size} bytes with sha256 {sha256}, got {arriving.size} with {arriving.sha256}")
        await run_in_threadpool(_keep, call, arriving)
    return JSONResponse({})


def _keep(call: HubCall, arrived: Incoming) -> None:
    with call.hub.store.locked(call.name) as folder:
        folder.keep(arrived)


def _signature(call: HubCall, sha256: str, size: int) -> str:
    return upload_signature(call.hub.users, f"{call.name.web_path} {sha256} {size}")
