"""What may be a repo, a file, a branch, a hash. Only names that passed here ever become part of a path on the disk.

In fact only three kinds do: a `RepoName`, a commit's 40 hex digits and an object's 64. File paths and refs of a repo are keys in
JSON; they are checked because a client will write them to *its* disk.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from aloe_hub.local_hub.refusal import HubRefusal, bad_request, shown

KINDS = ("models", "datasets", "spaces")
COMMIT = re.compile(r"[0-9a-f]{40}")
COMMIT_PREFIX = re.compile(r"[0-9a-f]{7,40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"\w([\w.-]{0,94}\w)?", re.ASCII)
_REF = re.compile(r"[\w][\w.+/-]{0,127}", re.ASCII)
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\\]")
_DEEPEST = 32  # folders around a file: what is listed and hashed grows with them
_RESERVED = {"api", "health", *KINDS}  # the first words of this server's own routes


@dataclass(frozen=True, slots=True, order=True)
class RepoName:
    """A repo's full name. Made by `parse` alone, so that an instance is safe as a path."""

    kind: str  # one of KINDS
    namespace: str
    name: str

    @classmethod
    def parse(cls, kind: str, namespace: str, name: str) -> RepoName:
        """The rules of `huggingface_hub.utils.validate_repo_id`, which refuses other names before they get here."""
        if kind not in KINDS:
            raise HubRefusal(404, f"{shown(kind)} is not models, datasets or spaces")
        good = all(_NAME.fullmatch(part) and "--" not in part and ".." not in part for part in (namespace, name))
        if not good or name.endswith(".git") or namespace in _RESERVED:
            raise bad_request(f"not a repo name: {shown(f'{namespace}/{name}')}")
        return cls(kind, namespace, name)

    @property
    def id(self) -> str:
        return f"{self.namespace}/{self.name}"

    @property
    def web_path(self) -> str:
        """The path of the repo's page, from which clients read its type."""
        return self.id if self.kind == "models" else f"{self.kind}/{self.id}"


def check_path(path: str) -> str:
    """A file's path in a repo, safe to be written below a folder on any client.

    Raises:
        HubRefusal: absolute, empty or climbing segments, a backslash, control characters, `.git`, too long or too deep.
    """
    parts = path.split("/")
    bad_part = any(part in ("", ".", "..", ".git") or len(part.encode()) > 255 for part in parts)
    if bad_part or _UNPRINTABLE.search(path) or len(path) > 1000 or len(parts) > _DEEPEST:
        raise bad_request(f"not a path for a file: {shown(path)}")
    return path


def check_ref(name: str) -> str:
    """A branch or tag, nearly as git has it; never one that could be taken for a commit."""
    misplaced = name.endswith(("/", ".", ".lock")) or ".." in name or "//" in name or name.startswith("refs/")
    if not _REF.fullmatch(name) or misplaced or COMMIT.fullmatch(name):
        raise bad_request(f"not a name for a branch or tag: {shown(name)}")
    return name


def check_sha256(text: str) -> str:
    if not _SHA256.fullmatch(text):
        raise bad_request(f"not a sha256: {shown(text)}")
    return text
