"""Repos as wholes: made, deleted, renamed, described, listed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from starlette.responses import JSONResponse, Response

from aloe_hub.local_hub.call import HubCall, member
from aloe_hub.local_hub.description import described
from aloe_hub.local_hub.names import KINDS, RepoName
from aloe_hub.local_hub.refusal import HubRefusal, bad_request, shown
from aloe_hub.local_hub.users import EVERYWHERE, User

_SDKS = ("gradio", "streamlit", "docker", "static")


def whoami(call: HubCall) -> Response:
    user = call.logged_in()
    orgs = set(user.orgs) | (call.hub.store.namespaces() if EVERYWHERE in user.orgs else set())
    return JSONResponse(
        {
            "type": "user",
            "id": user.name,
            "name": user.name,
            "fullname": user.name,
            "isPro": False,
            "orgs": [
                {"type": "org", "id": org, "name": org, "fullname": org, "roleInOrg": user.role}
                for org in sorted(orgs - {user.name, EVERYWHERE})
            ],
            "auth": {"type": "access_token", "accessToken": {"displayName": "local", "role": user.role}},
        }
    )


def create(call: HubCall) -> Response:
    user, body = call.logged_in(), call.json()
    name = _named(body, user.name)
    url = f"{call.endpoint}/{name.web_path}"
    _check_rights(user, name)
    sdk = member(body, "sdk", str, "") or None
    if name.kind == "spaces" and sdk not in _SDKS:
        raise bad_request(f"a Space needs an sdk of {', '.join(_SDKS)}, found {shown(sdk)}")
    try:
        call.hub.store.create(name, private=bool(_private(body)), sdk=sdk, author=user.name)
    except HubRefusal as refusal:
        refusal.extra["url"] = url  # with `exist_ok` the client reads it from the 409
        raise
    return JSONResponse({"url": url, "name": name.id, "id": name.id})


def delete(call: HubCall) -> Response:
    user, body = call.logged_in(), call.json()
    name = _named(body, user.name)
    call.writer(name)
    call.hub.store.delete(name)
    return JSONResponse({})


def move(call: HubCall) -> Response:
    user, body = call.logged_in(), call.json()
    source, target = (_parsed(body, *member(body, key, str).partition("/")[::2]) for key in ("fromRepo", "toRepo"))
    call.writer(source)
    _check_rights(user, target)
    call.hub.store.move(source, target)
    return JSONResponse({"url": f"{call.endpoint}/{target.web_path}"})


def settings(call: HubCall) -> Response:
    call.writer()
    body = call.json()
    if body.get("gated"):
        raise bad_request("the local Hub has no gated repos")
    private = _private(body)
    if private is not None:
        with call.hub.store.locked(call.name) as folder:
            folder.save(replace(folder.state(), private=private))
    return JSONResponse({"private": call.readable()[1].private})


def info(call: HubCall) -> Response:
    folder, commit = call.commit()
    return JSONResponse(described(call.name, folder, folder.state(), commit, blobs="blobs" in call.query))


def may_read(call: HubCall) -> Response:
    call.readable()
    return JSONResponse({})


def may_write(call: HubCall) -> Response:
    call.writer()
    return JSONResponse({})


def listing(call: HubCall) -> Response:
    """The repos that the caller may see, by name. `filter` is repeated and matches tags, all of them; so does `pipeline_tag`."""
    query, limit = call.query, call.query.get("limit", "1000")
    if call.args["kind"] not in KINDS or not limit.isdecimal():
        raise bad_request(f"not a list of models, datasets or spaces: {shown(call.args['kind'])}, limit {shown(limit)}")
    wanted = {*query.getlist("filter"), *query.getlist("pipeline_tag")}
    author, search = query.get("author"), query.get("search", "").lower()
    rows: list[dict[str, Any]] = []
    for name in call.hub.store.names(call.args["kind"]):
        if len(rows) >= int(limit[:9]):
            break
        if search not in name.id.lower() or (author and name.namespace != author):
            continue
        try:
            folder, state = call.readable(name)
            row = described(name, folder, state, folder.commit(folder.revision("main")))
        except HubRefusal as refusal:  # not for this caller, or deleted a moment ago
            if refusal.code != "RepoNotFound":
                raise
            continue
        if wanted <= set(row["tags"]):
            rows.append(row if call.flag("full") else {key: value for key, value in row.items() if key != "siblings"})
    return JSONResponse(rows)


def _check_rights(user: User, name: RepoName) -> None:
    if not user.may_write_in(name.namespace):
        raise HubRefusal(403, f"You don't have the rights to put a repo into the namespace {shown(name.namespace)}")


def _named(body: dict[str, Any], own: str) -> RepoName:
    """`{name, organization, type}`: without an organization the repo is the caller's."""
    return _parsed(body, member(body, "organization", str, "") or own, member(body, "name", str))


def _parsed(body: dict[str, Any], namespace: str, name: str) -> RepoName:
    """`dataset` → `datasets`: bodies say the one, addresses the other; no type means a model."""
    return RepoName.parse(member(body, "type", str, "model") + "s", namespace, name)


def _private(body: dict[str, Any]) -> bool | None:
    """Clients of huggingface_hub 2 say `visibility`, older ones `private`; None when neither is said."""
    if body.get("visibility") is not None:
        visibility = member(body, "visibility", str)
        if visibility not in ("private", "public"):
            raise bad_request(f"visibility is private or public, found {shown(visibility)}")
        return visibility == "private"
    return None if body.get("private") is None else member(body, "private", bool)
