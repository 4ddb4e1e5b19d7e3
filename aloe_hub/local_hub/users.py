"""Who talks to the local Hub. Its tokens are its own: a real token is never asked for, and is refused like any unknown one.

`DIR/users.json` (mode 0600) maps a token to `{name, orgs, role}`. It is made at the first start with one random token, whose user
may write in every namespace, so that lines once pasted stay valid; add lines to it for more users. It is the only place where a
token is written.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from aloe_hub.errors import DataError
from aloe_hub.local_hub.disk import write_file

EVERYWHERE = "*"


@dataclass(frozen=True, slots=True)
class User:
    """`orgs` are the namespaces beside the user's own; `*` stands for all. A token with the role `read` never writes."""

    name: str
    orgs: tuple[str, ...] = ()
    role: Literal["read", "write"] = "write"

    def belongs_to(self, namespace: str) -> bool:
        return namespace == self.name or namespace in self.orgs or EVERYWHERE in self.orgs

    def may_write_in(self, namespace: str) -> bool:
        return self.role == "write" and self.belongs_to(namespace)


def load_users(directory: Path, temporary: Path) -> dict[str, User]:
    """The users of `DIR/users.json`, made at the first start. The first one is the user whom the environment lines name.

    Raises:
        DataError: the file was edited into something else.
    """
    path = directory / "users.json"
    if not path.exists():
        local = {"hf_local" + secrets.token_hex(16): asdict(User("local", (EVERYWHERE,)))}
        write_file(path, json.dumps(local, indent=1).encode(), temporary, mode=0o600)
    try:
        rows = json.loads(path.read_bytes())
        users = {token: _user(row) for token, row in rows.items()}
    except (ValueError, TypeError, KeyError, AttributeError):
        users = {}
    if not users:
        raise DataError(
            f'{path}: expected {{"hf_local…": {{"name": …, "orgs": […], "role": "read" or "write"}}}}; mend it or remove it'
        )
    return users


def upload_signature(users: Mapping[str, User], what: str) -> str:
    """Permission to PUT one object, carried in its address: clients upload without a token. Valid as long as the tokens are."""
    key = hashlib.sha256(("upload\0" + "\0".join(sorted(users))).encode()).digest()
    return hmac.new(key, what.encode(), "sha256").hexdigest()


def _user(row: Mapping[str, object]) -> User:
    name, orgs, role = row["name"], row.get("orgs", []), row.get("role", "write")
    if not isinstance(name, str) or not isinstance(orgs, list) or role not in ("read", "write"):
        raise ValueError
    return User(name, tuple(str(org) for org in orgs), "read" if role == "read" else "write")
