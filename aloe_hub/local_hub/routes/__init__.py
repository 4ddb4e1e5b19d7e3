"""Which function answers which address. Addresses are matched raw, so that a `%2F` in a revision is no border; then unquoted."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeAlias
from urllib.parse import unquote

from aloe_hub.local_hub.message import Request, Response
from aloe_hub.local_hub.refusal import Refusal, bad_request, shown
from aloe_hub.local_hub.routes import account, commit, files, lfs, refs, repos

Answer: TypeAlias = Callable[[Request], Response]

_NAMES = r"/(?P<namespace>[^/]+)/(?P<name>[^/]+?)"
_KIND = r"/api/(?P<kind>models|datasets|spaces)"
_API = _KIND + _NAMES
_WEB = r"(?:/(?P<kind>datasets|spaces))?(?!/(?:api|datasets|spaces)/)" + _NAMES  # a model's page has no word before its name
_REVISION = r"/(?P<revision>[^/]+)"

# The first that matches answers; HEAD is GET without a body.
ROUTES: tuple[tuple[str, re.Pattern[str], Answer], ...] = tuple(
    (method, re.compile(address), answer)
    for method, address, answer in (
        ("GET", "/health", account.health),
        ("GET", "/api/whoami-v2", account.whoami),
        ("POST", "/api/validate-yaml", account.validate_yaml),
        ("POST", "/api/repos/create", repos.create),
        ("DELETE", "/api/repos/delete", repos.delete),
        ("POST", "/api/repos/move", repos.move),
        ("GET", _KIND, repos.listing),
        ("GET", _API, repos.info),
        ("GET", _API + "/revision" + _REVISION, repos.info),
        ("PUT", _API + "/settings", repos.settings),
        ("GET", _API + "/auth-check", repos.may_read),
        ("GET", _API + "/auth-check/write", repos.may_write),
        ("GET", _API + "/tree" + _REVISION + "(?:/(?P<path>.*))?", files.tree),
        ("POST", _API + "/paths-info" + _REVISION, files.paths_info),
        ("GET", _API + "/refs", refs.refs),
        ("GET", _API + "/commits" + _REVISION, refs.commits),
        ("POST", _API + "/branch/(?P<branch>.+)", refs.create_branch),
        ("DELETE", _API + "/branch/(?P<branch>.+)", refs.delete_branch),
        ("POST", _API + "/tag" + _REVISION, refs.create_tag),
        ("DELETE", _API + "/tag/(?P<tag>.+)", refs.delete_tag),
        ("POST", _API + "/preupload" + _REVISION, commit.preupload),
        ("POST", _API + "/commit" + _REVISION, commit.commit),
        ("POST", _WEB + r"\.git/info/lfs/objects/batch", lfs.batch),
        ("PUT", _WEB + r"\.git/info/lfs/objects/(?P<oid>[^/]+)", lfs.put),
        ("GET", _WEB + "/(?:resolve|raw)" + _REVISION + "/(?P<path>.+)", files.resolve),
        ("GET", _KIND + "/[^/]+(?:/(?:revision|tree|refs)(?:/.*)?)?", repos.without_namespace),
        ("GET", "(?:/(?:datasets|spaces))?/[^/]+/(?:resolve|raw)/.+", repos.without_namespace),
    )
)


def find(method: str, address: str) -> tuple[Answer, dict[str, str]]:
    """The route of an address as it came over the wire, and its unquoted arguments.

    Raises:
        Refusal: 404 for an unknown route, 400 for an address that is not text.
    """
    method = "GET" if method == "HEAD" else method
    for wanted, pattern, answer in ROUTES:
        if method == wanted and (found := pattern.fullmatch(address)):
            return answer, {key: _unquoted(value) for key, value in found.groupdict().items() if value is not None}
    raise Refusal(404, f"this Hub has no {method} {shown(address)}")


def _unquoted(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise bad_request(f"not an address: {shown(text)}") from None
