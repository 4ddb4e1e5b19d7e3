"""Branches, tags and the history of a repo."""

from __future__ import annotations

from aloe_hub.local_hub.message import Request, Response, json_response, member
from aloe_hub.local_hub.names import check_ref
from aloe_hub.local_hub.refusal import bad_request
from aloe_hub.local_hub.repo import MAIN


def refs(request: Request) -> Response:
    state = request.readable()[1]

    def under(prefix: str) -> list[dict[str, str]]:
        found = [(ref, sha) for ref, sha in sorted(state.refs.items()) if ref.startswith(prefix)]
        return [{"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": sha} for ref, sha in found]

    return json_response({"branches": under("refs/heads/"), "tags": under("refs/tags/"), "converts": [], "pullRequests": []})


def commits(request: Request) -> Response:
    """Newest first."""
    folder, _ = request.readable()
    history = folder.history(folder.revision(request.args["revision"]))
    return json_response(
        [
            {
                "id": commit.sha,
                "title": commit.title,
                "message": commit.message,
                "date": commit.date,
                "authors": [{"user": commit.author}],
            }
            for commit in history
        ]
    )


def create_branch(request: Request) -> Response:
    request.writer(request.name)
    start = member(request.json(), "startingPoint", str, "main")
    return _add(request, "refs/heads/" + check_ref(request.args["branch"]), start)


def create_tag(request: Request) -> Response:
    request.writer(request.name)
    return _add(request, "refs/tags/" + check_ref(member(request.json(), "tag", str)), request.args["revision"])


def delete_branch(request: Request) -> Response:
    return _remove(request, "refs/heads/" + request.args["branch"])


def delete_tag(request: Request) -> Response:
    return _remove(request, "refs/tags/" + request.args["tag"])


def _add(request: Request, ref: str, start: str) -> Response:
    with request.hub.store.locked(request.name) as folder:
        folder.change_refs(add={ref: folder.revision(start)})
    return json_response({})


def _remove(request: Request, ref: str) -> Response:
    request.writer(request.name)
    if ref == MAIN:
        raise bad_request("the branch main cannot be deleted")
    with request.hub.store.locked(request.name) as folder:
        folder.change_refs(remove=ref)
    return json_response({})
