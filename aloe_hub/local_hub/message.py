"""What a route gets and gives: a `Request` with its caller and arguments, a `Response` of bytes or of a part of a file."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any, BinaryIO, TypeVar

from aloe_hub.local_hub.body import Body
from aloe_hub.local_hub.names import RepoName
from aloe_hub.local_hub.refusal import Refusal, bad_request, not_logged_in, repo_not_found, shown, too_large
from aloe_hub.local_hub.repo import RepoFolder, RepoState
from aloe_hub.local_hub.store import Store
from aloe_hub.local_hub.users import User

T = TypeVar("T")
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes beyond which a request is refused with 413. Only `regular` and `json` are ever in memory, once each."""

    json: int = 16 * MIB
    regular: int = 10 * MIB  # one file inside a commit; the Hub, too, wants larger ones as LFS
    commit: int = 4 * 1024 * MIB
    large: int = 64 * 1024 * MIB


@dataclass(frozen=True, slots=True)
class Hub:
    """What all requests share."""

    store: Store
    users: Mapping[str, User]
    endpoint: str
    limits: Limits


@dataclass(frozen=True, slots=True)
class FilePart:
    """Bytes `start` to `start + length` of an open file, which the server streams and closes."""

    file: BinaryIO
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Response:
    status: int = 200
    body: bytes | FilePart = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_response(value: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


def refused(refusal: Refusal) -> Response:
    headers = {**refusal.headers, "X-Error-Message": refusal.message}
    if refusal.code:
        headers["X-Error-Code"] = refusal.code
    return json_response({"error": refusal.message, **refusal.extra}, refusal.status, headers)


@dataclass(frozen=True, slots=True)
class Request:
    hub: Hub
    method: str
    args: Mapping[str, str]  # from the address, unquoted
    query: Mapping[str, list[str]]
    headers: Message
    body: Body

    # ------------------------------------------------------------------ the caller

    @property
    def user(self) -> User | None:
        """None for an anonymous caller.

        Raises:
            Refusal: 401, for a token that is not one of this Hub's.
        """
        given = self.headers.get("Authorization")
        if given is None:
            return None
        scheme, _, token = given.partition(" ")
        user = self.hub.users.get(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return user

    def logged_in(self) -> User:
        if (user := self.user) is None:
            raise Refusal(401, "Invalid username or password.")
        return user

    # ------------------------------------------------------------------ the repo in the address

    @property
    def name(self) -> RepoName:
        return RepoName.parse(self.args.get("kind") or "models", self.args["namespace"], self.args["name"])

    def readable(self) -> tuple[RepoFolder, RepoState]:
        """The repo, if the caller may read it; else what the Hub says: 401 to the anonymous, 404 to others."""
        return self.readable_repo(self.name)

    def readable_repo(self, name: RepoName) -> tuple[RepoFolder, RepoState]:
        user, folder = self.user, self.hub.store.folder(name)
        try:
            state = folder.state()
            if state.private and not (user and user.belongs_to(name.namespace)):
                raise repo_not_found()
        except Refusal:
            raise repo_not_found() if user else not_logged_in() from None
        return folder, state

    def writer(self, name: RepoName) -> User:
        """The caller, if it may write to this repo: 401, 404 for what it may not even see, 403 otherwise."""
        self.readable_repo(name)
        if (user := self.user) is None:
            raise not_logged_in()
        if not user.may_write_in(name.namespace):
            raise Refusal(403, f"Forbidden: this token of {user.name} has no write access to {name.id}")
        return user

    # ------------------------------------------------------------------ the body

    def raw(self, limit: int) -> bytes:
        self.body.limit = limit
        return self.body.readall() or b""

    def json(self) -> dict[str, Any]:
        """The body's JSON object; none at all is an empty one."""
        return json_object(self.raw(self.hub.limits.json) or b"{}")

    def lines(self) -> Iterator[bytes]:
        """The body's lines, one in memory at a time."""
        self.body.limit = self.hub.limits.commit
        longest = self.hub.limits.regular * 4 // 3 + 64 * 1024  # base64, and the words around it
        reader = io.BufferedReader(self.body, MIB)
        try:
            while line := reader.readline(longest + 1):
                if len(line) > longest:
                    raise too_large("a regular file", self.hub.limits.regular)
                if line.strip():
                    yield line
        finally:
            reader.detach()  # else it would close the body

    def flag(self, key: str) -> bool:
        return self.query.get(key, [""])[-1].lower() in ("1", "true")

    def text(self, key: str, default: str = "") -> str:
        return self.query.get(key, [default])[-1]


def json_object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise bad_request(f"not JSON: {shown(data[:80])}") from None
    if not isinstance(value, dict):
        raise bad_request(f"expected a JSON object, found {shown(data[:80])}")
    return value


def member(row: Mapping[str, Any], key: str, kind: type[T], default: T | None = None) -> T:
    """`row[key]`, of the kind it must be; null and absence mean the default.

    Raises:
        Refusal: 400, when it is missing or of another kind, or text that no disk can write.
    """
    value = row.get(key)
    value = default if value is None else value
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise bad_request(f"expected {key!r} as {kind.__name__}, found {shown(value)}")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise bad_request(f"{key!r} is not text: {shown(value)}") from None
    return value
