"""A repo's files at one commit, as a plain mapping from path to entry, and what a commit does to it. No disk here."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from aloe_hub.local_hub.refusal import bad_request, entry_not_found, shown


@dataclass(frozen=True, slots=True)
class Entry:
    """One file: its bytes by sha256, and the git blob id under which clients know it."""

    sha256: str
    oid: str
    size: int
    lfs: bool

    @classmethod
    def regular(cls, data: bytes) -> Entry:
        return cls(hashlib.sha256(data).hexdigest(), _blob_id(data), len(data), lfs=False)

    @classmethod
    def large(cls, sha256: str, size: int) -> Entry:
        """An LFS file: in git stands its pointer, whose id is the entry's."""
        return cls(sha256, _blob_id(_pointer(sha256, size)), size, lfs=True)

    def lfs_row(self, name: str) -> dict[str, object]:
        """What clients hear of a large file; its hash is called `oid` in one answer and `sha256` in another."""
        return {name: self.sha256, "size": self.size, "pointerSize": len(_pointer(self.sha256, self.size))}

    @property
    def etag(self) -> str:
        """What clients name their cached copy by."""
        return self.sha256 if self.lfs else self.oid


FileTree: TypeAlias = Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Edit:
    """What a commit does to one path: put a file there, or (None) delete it; a path that ends in / is a folder's."""

    path: str
    entry: Entry | None = None


def edited(tree: FileTree, edits: Iterable[Edit], head: str) -> FileTree:
    """The tree after a commit's edits, in their order.

    Raises:
        HubRefusal: a deletion of what is not there, or a path that would be both a file and a folder.
    """
    files = dict(tree)
    for edit in edits:
        if edit.entry:
            files[edit.path] = edit.entry
            continue
        gone = [path for path in files if path.startswith(edit.path)] if edit.path.endswith("/") else [edit.path]
        if not gone or gone[0] not in files:
            raise entry_not_found(edit.path.rstrip("/"), head)
        for path in gone:
            del files[path]
    for path in files:
        for folder in folders_of(path):
            if folder in files:
                raise bad_request(f"{shown(folder)} would be both a file and a folder")
    return dict(sorted(files.items()))


def folders_of(path: str) -> list[str]:
    """`a/b/c.txt` → `a`, `a/b`."""
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def object_ids(tree: FileTree) -> dict[str, str]:
    """The id of every file and every folder; a folder's changes when anything below it does, as in git."""
    ids: dict[str, str] = {}
    below: defaultdict[str, Any] = defaultdict(hashlib.sha1)
    for path, entry in sorted(tree.items()):
        ids[path] = entry.oid
        for folder in folders_of(path):
            below[folder].update(f"{path} {entry.oid}\n".encode())
    return ids | {folder: digest.hexdigest() for folder, digest in below.items()}


def listed(tree: FileTree, folder: str, *, recursive: bool) -> list[str]:
    """Paths of the files and folders in `folder` ("" for the root), sorted; with `recursive` all the way down."""
    prefix = folder + "/" if folder else ""
    everything = {*tree, *(above for path in tree for above in folders_of(path))}
    inside = (path for path in everything if path.startswith(prefix))
    return sorted(path for path in inside if recursive or "/" not in path.removeprefix(prefix))


def _blob_id(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _pointer(sha256: str, size: int) -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
