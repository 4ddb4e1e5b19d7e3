"""Branches, tags and the history of a repo."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from aloe_hub.local_hub.call import Call, member
from aloe_hub.local_hub.names import check_ref
from aloe_hub.local_hub.refusal import bad_request
from aloe_hub.local_hub.repo import MAIN


def refs(call: Call) -> Response:
    state = call.readable()[1]

    def under(prefix: str) -> list[dict[str, str]]:
        found = [(ref, sha) for ref, sha in sorted(state.refs.items()) if ref.startswith(prefix)]
        return [{"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": sha} for ref, sha in found]

    return JSONResponse({"branches": under("refs/heads/"), "tags": under("refs/tags/"), "converts": [], "pullRequests": []})


def commits(call: Call) -> Response:
    """Newest first."""
    folder, head = call.commit()
    rows = [
        {"id": each.sha, "title": each.title, "message": each.message, "date": each.date, "authors": [{"user": each.author}]}
        for each in folder.history(head.sha)
    ]
    return JSONResponse(rows)


def create_branch(call: Call) -> Response:
    call.writer()
    start = member(call.json(), "startingPoint", str, "main")
    return _add(call, "refs/heads/" + check_ref(call.args["branch"]), start)


def create_tag(call: Call) -> Response:
    call.writer()
    return _add(call, "refs/tags/" + check_ref(member(call.json(), "tag", str)), call.args["revision"])


def delete_branch(call: Call) -> Response:
    return _remove(call, "refs/heads/" + call.args["branch"])


def delete_tag(call: Call) -> Response:
    return _remove(call, "refs/tags/" + call.args["tag"])


def _add(call: Call, ref: str, start: str) -> Response:
    with call.hub.store.locked(call.name) as folder:
        folder.change_refs(add={ref: folder.revision(start)})
    return JSONResponse({})


def _remove(call: Call, ref: str) -> Response:
    call.writer()
    if ref == MAIN:
        raise bad_request("the branch main cannot be deleted")
    with call.hub.store.locked(call.name) as folder:
        folder.change_refs(remove=ref)
    return JSONResponse({})
