"""Which function answers which address, and how a refusal or a failure is told.

Addresses are matched as they came over the wire, so a `%2F` in a revision is no border; `HubCall` unquotes them. Bad input is
a 4xx with a reason. A 5xx is a bug of ours (or a full disk), and its traceback goes to standard error.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from aloe_hub.local_hub import collections, commits, files, lfs, refs, repos
from aloe_hub.local_hub.call import Hub, HubCall, member
from aloe_hub.local_hub.card import problems
from aloe_hub.local_hub.refusal import HubRefusal, not_logged_in, repo_not_found

Answer: TypeAlias = Callable[[HubCall], Response | Awaitable[Response]]

_BODY_SECONDS = 60


def application(hub: Hub) -> ASGIApp:
    handlers: dict[Any, Any] = {HubRefusal: refused, HTTPException: _no_route, ClientDisconnect: _unheard, Exception: _failed}
    app = Starlette(routes=ROUTES, exception_handlers=handlers)
    app.router.redirect_slashes = False
    app.state.hub = hub

    async def raw(scope: Scope, receive: Receive, send: Send) -> None:
        await app({**scope, "path": scope["raw_path"].decode("latin-1")}, receive, send)

    return raw


def health(call: HubCall) -> Response:
    return JSONResponse({"status": "ok"})


def validate_yaml(call: HubCall) -> Response:
    """Clients ask before every commit of a README: with errors they do not even upload."""
    errors, warnings = problems(member(call.json(), "content", str))
    answer = {"errors": [{"message": text} for text in errors], "warnings": [{"message": text} for text in warnings]}
    return JSONResponse(answer, 400 if errors else 200)


def without_namespace(call: HubCall) -> Response:
    """Names such as `squad` are the real Hub's; clients want to hear that the repo is missing, not the route."""
    raise repo_not_found() if call.user else not_logged_in()


def _route(method: str, address: str, answer: Answer) -> Route:
    async def endpoint(request: Request) -> Response:
        call = HubCall(request)
        if inspect.iscoroutinefunction(answer):
            done = answer(call)
        else:
            try:
                async with asyncio.timeout(_BODY_SECONDS):
                    call.body = b"".join([chunk async for chunk in call.chunks(call.hub.limits.json)])
            except TimeoutError:
                raise HubRefusal(408, f"the request was not whole after {_BODY_SECONDS} seconds") from None
            done = run_in_threadpool(answer, call)
        return cast(Response, await done)

    return Route(address, endpoint, methods=[method])


_KIND = "/api/{kind}"
_REPO = _KIND + "/{namespace}/{name}"
_PAGES = [f"{kind}/{{namespace}}/{{name}}" for kind in ("/datasets", "/spaces", "")]  # a model's has no word before its name

# The first that matches answers; HEAD is GET without a body.
_TABLE: list[tuple[str, str, Answer]] = [
    ("GET", "/health", health),
    ("GET", "/api/whoami-v2", repos.whoami),
    ("POST", "/api/validate-yaml", validate_yaml),
    ("POST", "/api/repos/create", repos.create),
    ("DELETE", "/api/repos/delete", repos.delete),
    ("POST", "/api/repos/move", repos.move),
    ("POST", "/api/collections", collections.create),
    ("GET", "/api/collections/{namespace}/{slug}", collections.read),
    ("POST", "/api/collections/{namespace}/{slug}/items", collections.add_item),
    ("GET", _KIND, repos.listing),
    *(
        ("GET", _KIND + "/{name}" + rest, without_namespace)
        for rest in ("", "/revision/{rest:path}", "/tree/{rest:path}", "/refs")
    ),
    ("GET", _REPO, repos.info),
    ("GET", _REPO + "/revision/{revision}", repos.info),
    ("PUT", _REPO + "/settings", repos.settings),
    ("GET", _REPO + "/auth-check", repos.may_read),
    ("GET", _REPO + "/auth-check/write", repos.may_write),
    ("GET", _REPO + "/tree/{revision}", files.tree),
    ("GET", _REPO + "/tree/{revision}/{path:path}", files.tree),
    ("POST", _REPO + "/paths-info/{revision}", files.paths_info),
    ("GET", _REPO + "/refs", refs.refs),
    ("GET", _REPO + "/commits/{revision}", refs.commits),
    ("POST", _REPO + "/branch/{branch:path}", refs.create),
    ("DELETE", _REPO + "/branch/{branch:path}", refs.delete),
    ("POST", _REPO + "/tag/{revision}", refs.create),
    ("DELETE", _REPO + "/tag/{tag:path}", refs.delete),
    ("POST", _REPO + "/preupload/{revision}", commits.preupload),
    ("POST", _REPO + "/commit/{revision}", commits.commit),
    *(("POST", page + ".git/info/lfs/objects/batch", lfs.batch) for page in _PAGES),
    *(("PUT", page + ".git/info/lfs/objects/{oid}", lfs.put) for page in _PAGES),
    *(("GET", start + "/{name}/resolve/{rest:path}", without_namespace) for start in ("/datasets", "/spaces", "")),
    *(("GET", page + "/resolve/{revision}/{path:path}", files.resolve) for page in _PAGES),
    *(("GET", page + "/raw/{revision}/{path:path}", files.resolve) for page in _PAGES),
]
ROUTES = [_route(*row) for row in _TABLE]


def refused(request: Request, refusal: HubRefusal) -> Response:
    """What a client hears of a refusal: in the body a person reads it, in the headers the client."""
    headers = refusal.headers | {"X-Error-Message": "".join(one if " " <= one <= "~" else "?" for one in refusal.message)}
    if refusal.code:
        headers["X-Error-Code"] = refusal.code
    return JSONResponse({"error": refusal.message, **refusal.extra}, refusal.status, headers)


def _no_route(request: Request, error: HTTPException) -> Response:
    return JSONResponse({"error": f"this Hub has no {request.method} at this address"}, error.status_code, error.headers)


def _unheard(request: Request, error: ClientDisconnect) -> Response:
    """The client left before its body was whole."""
    return Response(status_code=400)


def _failed(request: Request, error: Exception) -> Response:
    traceback.print_exception(error)
    return JSONResponse({"error": f"the local Hub failed: {type(error).__name__}; see its terminal"}, 500)
