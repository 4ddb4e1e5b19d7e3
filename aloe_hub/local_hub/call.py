"""What an answer is made from: the request, who asks, for which repo, and with what."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar
from urllib.parse import unquote

from starlette.requests import Request

from aloe_hub.local_hub.names import KINDS, RepoName
from aloe_hub.local_hub.refusal import HubRefusal, bad_request, not_logged_in, repo_not_found, shown, too_large
from aloe_hub.local_hub.repo import Commit, RepoFolder, RepoState
from aloe_hub.local_hub.store import Store
from aloe_hub.local_hub.users import User

T = TypeVar("T")
MIB = 1024 * 1024
_MOST_VALUES = 100_000  # of one JSON text: a megabyte of brackets would take a hundred times that in memory


@dataclass(frozen=True, slots=True)
class SizeLimits:
    """Bytes beyond which a request is refused with 413. Only `regular` and `json` are ever in memory, once each."""

    json: int = 2 * MIB
    regular: int = 10 * MIB  # one file inside a commit; the Hub, too, wants larger ones as LFS
    commit: int = 4 * 1024 * MIB
    large: int = 64 * 1024 * MIB


@dataclass(frozen=True, slots=True)
class Hub:
    """What all requests share."""

    store: Store
    users: Mapping[str, User]
    limits: SizeLimits


class HubCall:
    """One request. `body` is read for answers that are plain functions; coroutines read it in `chunks` or `lines`."""

    body = b""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.hub: Hub = request.app.state.hub
        self.query = request.query_params
        self.endpoint = str(request.base_url).rstrip("/")  # as the client calls this server
        try:
            self.args = {key: unquote(value, errors="strict") for key, value in request.path_params.items()}
        except UnicodeDecodeError:
            raise bad_request(f"not an address: {shown(request.scope['path'])}") from None

    # ------------------------------------------------------------------ the caller

    @cached_property
    def user(self) -> User | None:
        """None for an anonymous caller.

        Raises:
            HubRefusal: 401, for a token that is not one of this Hub's.
        """
        given = self.request.headers.get("Authorization")
        if given is None:
            return None
        scheme, _, token = given.partition(" ")
        user = self.hub.users.get(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise HubRefusal(401, "Invalid credentials in Authorization header")
        return user

    def logged_in(self) -> User:
        if (user := self.user) is None:
            raise HubRefusal(401, "Invalid username or password.")
        return user

    # ------------------------------------------------------------------ the repo in the address

    @property
    def name(self) -> RepoName:
        first = self.request.scope["path"].split("/")[1]
        kind = self.args.get("kind") or (first if first in KINDS else "models")  # a model's page has no word before its name
        return RepoName.parse(kind, self.args["namespace"], self.args["name"])

    def readable(self, name: RepoName | None = None) -> tuple[RepoFolder, RepoState]:
        """The repo, if the caller may read it; else what the Hub says: 401 to the anonymous, 404 to others."""
        user, name = self.user, name or self.name
        folder = self.hub.store.folder(name)
        try:
            state = folder.state()
            if state.private and not (user and user.belongs_to(name.namespace)):
                raise repo_not_found()
        except HubRefusal:
            raise repo_not_found() if user else not_logged_in() from None
        return folder, state

    def commit(self) -> tuple[RepoFolder, Commit]:
        """The commit in the address, of a repo that the caller may read."""
        folder, _ = self.readable()
        return folder, folder.commit(folder.revision(self.args.get("revision") or "main"))

    def writer(self, name: RepoName | None = None) -> User:
        """The caller, if it may write to this repo: 401, 404 for what it may not even see, 403 otherwise."""
        name = name or self.name
        self.readable(name)
        if (user := self.user) is None:
            raise not_logged_in()
        if not user.may_write_in(name.namespace):
            raise HubRefusal(403, f"Forbidden: this token of {user.name} has no write access to {name.id}")
        return user

    # ------------------------------------------------------------------ what comes with it

    def json(self) -> dict[str, Any]:
        """The body's JSON object; none at all is an empty one."""
        return json_object(self.body or b"{}")

    async def chunks(self, limit: int) -> AsyncIterator[bytes]:
        """The body as it comes; not further than `limit`."""
        left = limit
        if int(self.request.headers.get("Content-Length", "0")) > limit:
            raise too_large("the request", limit)
        async for chunk in self.request.stream():
            left -= len(chunk)
            if left < 0:
                raise too_large("the request", limit)
            yield chunk

    async def lines(self) -> AsyncIterator[bytes]:
        """The body's lines, one in memory at a time."""
        longest = self.hub.limits.regular * 4 // 3 + 64 * 1024  # base64, and the words around it
        line = bytearray()
        async for chunk in self.chunks(self.hub.limits.commit):
            *ends, begun = chunk.split(b"\n")
            for end in ends:
                yield bytes(line + end)
                line.clear()
            line += begun
            if len(line) > longest:
                raise too_large("a regular file", self.hub.limits.regular)
        yield bytes(line)

    def flag(self, key: str) -> bool:
        return is_true(self.query.get(key))


def is_true(value: str | None) -> bool:
    return (value or "").lower() in ("1", "true")


def json_object(data: bytes) -> dict[str, Any]:
    if sum(map(data.count, (b",", b"[", b"{"))) > _MOST_VALUES:
        raise too_large("the JSON", _MOST_VALUES, "values")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise bad_request(f"not JSON: {shown(data)}") from None
    if not isinstance(value, dict):
        raise bad_request(f"expected a JSON object, found {shown(data)}")
    return value


def member(row: Mapping[str, Any], key: str, kind: type[T], default: T | None = None) -> T:
    """`row[key]`, of the kind it must be; null and absence mean the default.

    Raises:
        HubRefusal: 400, when it is missing or of another kind, or not valid Unicode.
    """
    value = row.get(key)
    value = default if value is None else value
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise bad_request(f"expected {key!r} as {kind.__name__}, found {shown(value)}")
    try:
        if isinstance(value, str):
            value.encode()
    except UnicodeEncodeError:
        raise bad_request(f"{key!r} is not valid Unicode: {shown(value)}") from None
    return value


def members(row: Mapping[str, Any], key: str, most: int) -> list[dict[str, Any]]:
    """A list of objects, no longer than `most`."""
    values = member(row, key, list)
    if len(values) > most:
        raise too_large(f"{key!r}", most, "entries")
    for value in values:
        if not isinstance(value, dict):
            raise bad_request(f"expected objects in {key!r}, found {shown(value)}")
    return values
