"""Repos as wholes: made, deleted, renamed, described, listed."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any, cast

from aloe_hub.local_hub.card import MOST_BYTES, front_matter, read_yaml
from aloe_hub.local_hub.message import Request, Response, json_response, member
from aloe_hub.local_hub.names import Kind, RepoName, kind_of
from aloe_hub.local_hub.refusal import Refusal, bad_request, not_logged_in, repo_not_found, shown
from aloe_hub.local_hub.repo import Commit, RepoFolder, RepoState

_SDKS = ("gradio", "streamlit", "docker", "static")


def create(request: Request) -> Response:
    user, body = request.logged_in(), request.json()
    name = _named(body, user.name)
    url = f"{request.hub.endpoint}/{name.web_path}"
    if not user.may_write_in(name.namespace):
        raise Refusal(403, f"You don't have the rights to create a {name.kind[:-1]} under the namespace {shown(name.namespace)}")
    sdk = member(body, "sdk", str, "") or None
    if name.kind == "spaces" and sdk not in _SDKS:
        raise bad_request(f"a Space needs an sdk of {', '.join(_SDKS)}, found {shown(sdk)}")
    try:
        request.hub.store.create(name, private=bool(_private(body)), sdk=sdk, author=user.name)
    except Refusal as refusal:
        refusal.extra["url"] = url  # with `exist_ok` the client reads it from the 409
        raise
    return json_response({"url": url, "name": name.id, "id": name.id})


def delete(request: Request) -> Response:
    user, body = request.logged_in(), request.json()
    name = _named(body, user.name)
    request.writer(name)
    request.hub.store.delete(name)
    return json_response({})


def move(request: Request) -> Response:
    user, body = request.logged_in(), request.json()
    kind = kind_of(member(body, "type", str, "model"))
    source, target = (RepoName.parse(kind, *_both(member(body, key, str))) for key in ("fromRepo", "toRepo"))
    request.writer(source)
    if not user.may_write_in(target.namespace):
        raise Refusal(403, f"You don't have the rights to move a repo to the namespace {shown(target.namespace)}")
    request.hub.store.move(source, target)
    return json_response({"url": f"{request.hub.endpoint}/{target.web_path}"})


def settings(request: Request) -> Response:
    request.writer(request.name)
    body = request.json()
    if body.get("gated"):
        raise bad_request("the local Hub has no gated repos")
    private = _private(body)
    if private is not None:
        with request.hub.store.locked(request.name) as folder:
            folder.save(replace(folder.state(), private=private))
    return json_response({"private": request.readable()[1].private})


def info(request: Request) -> Response:
    folder, state = request.readable()
    commit = folder.commit(folder.revision(request.args.get("revision") or "main"))
    return json_response(_described(request.name, folder, state, commit, blobs="blobs" in request.query))


def may_read(request: Request) -> Response:
    request.readable()
    return json_response({})


def may_write(request: Request) -> Response:
    request.writer(request.name)
    return json_response({})


def listing(request: Request) -> Response:
    """The repos that the caller may see, by name. `filter` is repeated and matches tags, all of them; so does `pipeline_tag`."""
    limit = request.text("limit", "1000")
    if not limit.isdecimal():
        raise bad_request(f"not a limit: {shown(limit)}")
    wanted = {*request.query.get("filter", []), *request.query.get("pipeline_tag", [])}
    author, search = request.text("author"), request.text("search").lower()
    rows: list[dict[str, Any]] = []
    for name in request.hub.store.names(cast(Kind, request.args["kind"])):
        if len(rows) >= int(limit[:9]):
            break
        if search not in name.id.lower() or (author and name.namespace != author):
            continue
        try:
            folder, state = request.readable_repo(name)
        except Refusal as refusal:
            if refusal.code != "RepoNotFound":
                raise
            continue
        row = _described(name, folder, state, folder.commit(folder.revision("main")))
        if wanted <= set(row["tags"]):
            rows.append(row if request.flag("full") else {key: value for key, value in row.items() if key != "siblings"})
    return json_response(rows)


def without_namespace(request: Request) -> Response:
    """Names such as `squad` are the real Hub's; clients want to hear that the repo is missing, not the route."""
    raise repo_not_found() if request.user else not_logged_in()


def _described(name: RepoName, folder: RepoFolder, state: RepoState, commit: Commit, *, blobs: bool = False) -> dict[str, Any]:
    card = _card(folder, commit)
    tags = card.get("tags")
    tags = [str(tag) for tag in tags] if isinstance(tags, list) else []
    siblings: list[dict[str, Any]] = []
    for path, entry in commit.tree.items():
        sibling: dict[str, Any] = {"rfilename": path}
        if blobs:
            sibling |= {"size": entry.size, "blobId": entry.oid}
            if entry.lfs:
                sibling["lfs"] = {"sha256": entry.sha256, "size": entry.size, "pointerSize": entry.pointer_size}
        siblings.append(sibling)
    row = {
        "_id": hashlib.sha256(name.web_path.encode()).hexdigest()[:24],
        "id": name.id,
        "author": name.namespace,
        "sha": commit.sha,
        "private": state.private,
        "gated": False,
        "disabled": False,
        "createdAt": state.created,
        "lastModified": commit.date,
        "downloads": 0,
        "likes": 0,
        "tags": tags,
        "cardData": card,
        "siblings": siblings,
    }
    if name.kind == "models":
        row |= {"modelId": name.id, "library_name": card.get("library_name"), "pipeline_tag": card.get("pipeline_tag")}
        row["tags"] = [*tags, *_derived_tags(card)]
        row |= {"model-index": card["model-index"]} if card.get("model-index") else {}
        row |= {"evalResults": results} if (results := _eval_results(folder, commit)) else {}
    elif name.kind == "spaces":
        hardware = {"current": "cpu-basic", "requested": "cpu-basic"}
        row |= {"sdk": card.get("sdk") or state.sdk, "runtime": {"stage": "RUNNING", "hardware": hardware}}
    return row


def _derived_tags(card: dict[str, Any]) -> list[str]:
    """Tags that the Hub makes of the rest of a model's card: this is how the adapters of a base are found."""

    def texts(key: str) -> list[str]:
        value = card.get(key)
        return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str)]

    relations = ["", *(f"{relation}:" for relation in texts("base_model_relation"))]
    return [
        *texts("library_name"),
        *texts("pipeline_tag"),
        *(f"license:{licence}" for licence in texts("license")),
        *(f"dataset:{dataset}" for dataset in texts("datasets")),
        *(f"base_model:{relation}{base}" for base in texts("base_model") for relation in relations),
    ]


def _card(folder: RepoFolder, commit: Commit) -> dict[str, Any]:
    """A card that cannot be read says nothing; it never hides its repo."""
    try:
        return front_matter(_text(folder, commit, "README.md"))
    except ValueError:
        return {}


def _eval_results(folder: RepoFolder, commit: Commit) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = []
    for path in commit.tree:
        if not path.startswith(".eval_results/") or not path.endswith((".yaml", ".yml")):
            continue
        try:
            rows = read_yaml(_text(folder, commit, path))
            if not isinstance(rows, list) or not all(map(_is_result, rows)):
                raise ValueError("expected a list of results, each with dataset.id, dataset.task_id and value")
            results += [{"filename": path, "data": row} for row in rows]
        except ValueError as error:
            results.append({"filename": path, "error": str(error)})
    return results


def _is_result(row: object) -> bool:
    dataset = row.get("dataset") if isinstance(row, dict) and "value" in row else None
    return isinstance(dataset, dict) and "id" in dataset and "task_id" in dataset


def _text(folder: RepoFolder, commit: Commit, path: str) -> str:
    entry = commit.tree.get(path)
    return folder.read_object(entry.sha256, MOST_BYTES + 1).decode("utf-8", "replace") if entry else ""


def _named(body: dict[str, Any], own: str) -> RepoName:
    """`{name, organization, type}`: without an organization the repo is the caller's."""
    namespace, name = member(body, "organization", str, "") or own, member(body, "name", str)
    return RepoName.parse(kind_of(member(body, "type", str, "model")), namespace, name)


def _both(repo_id: str) -> tuple[str, str]:
    namespace, slash, name = repo_id.partition("/")
    if not slash:
        raise bad_request(f"not a repo name: {shown(repo_id)}")
    return namespace, name


def _private(body: dict[str, Any]) -> bool | None:
    """Clients of huggingface_hub 2 say `visibility`, older ones `private`; None when neither is said."""
    if body.get("visibility") is not None:
        visibility = member(body, "visibility", str)
        if visibility not in ("private", "public"):
            raise bad_request(f"visibility is private or public, found {shown(visibility)}")
        return visibility == "private"
    return None if body.get("private") is None else member(body, "private", bool)
