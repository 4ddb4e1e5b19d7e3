"""Branches, tags and the history of a repo."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from aloe_hub.local_hub.call import HubCall, member
from aloe_hub.local_hub.names import check_ref
from aloe_hub.local_hub.refusal import bad_request
from aloe_hub.local_hub.repo import MAIN


def refs(call: HubCall) -> Response:
    state = call.readable()[1]

    def under(prefix: str) -> list[dict[str, str]]:
        found = [(ref, sha) for ref, sha in sorted(state.refs.items()) if ref.startswith(prefix)]
        return [{"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": sha} for ref, sha in found]

    return JSONResponse({"branches": under("refs/heads/"), "tags": under("refs/tags/"), "converts": [], "pullRequests": []})


def commits(call: HubCall) -> Response:
    """Newest first."""
    folder, head = call.commit()
    rows = [
        {"id": each.sha, "title": each.title, "message": each.message, "date": each.date, "authors": [{"user": each.author}]}
        for each in folder.history(head.sha)
    ]
    return JSONResponse(rows)


def create(call: HubCall) -> Response:
    """A branch at its starting point, or a tag at the revision in the address."""
    call.writer()
    if "branch" in call.args:
        ref, start = "refs/heads/" + check_ref(call.args["branch"]), member(call.json(), "startingPoint", str, "main")
    else:
        ref, start = "refs/tags/" + check_ref(member(call.json(), "tag", str)), call.args["revision"]
    with call.hub.store.locked(call.name) as folder:
        folder.add_ref(ref, folder.revision(start))
    return JSONResponse({})


def delete(call: HubCall) -> Response:
    call.writer()
    ref = "refs/heads/" + call.args["branch"] if "branch" in call.args else "refs/tags/" + call.args["tag"]
    if ref == MAIN:
        raise bad_request("the branch main cannot be deleted")
    with call.hub.store.locked(call.name) as folder:
        folder.remove_ref(ref)
    return JSONResponse({})
