"""One repo on the disk: `repo.json` (what it is, and its refs), `commits/SHA.json`, `objects/ab/SHA256`.

A commit is durable before its ref moves, an object before its commit, and the ref moves by replacing `repo.json`: whatever the
moment of a kill, every ref names a commit that is there with all its objects. What no ref reaches yet (an upload before its
commit) stays, so that a repeated upload finds it. Objects are kept repo by repo: a repo is one folder, and knowing a hash opens
no other repo's file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, BinaryIO

from aloe_hub.local_hub.disk import Incoming, incoming, write_file
from aloe_hub.local_hub.names import COMMIT, COMMIT_PREFIX
from aloe_hub.local_hub.refusal import HubRefusal, bad_request, repo_not_found, revision_not_found, shown
from aloe_hub.local_hub.tree import Edit, Entry, FileTree, edited, object_ids

MAIN = "refs/heads/main"


@dataclass(frozen=True, slots=True)
class RepoState:
    """What of a repo can change. `refs` maps `refs/heads/…` and `refs/tags/…` to commits."""

    private: bool
    created: str
    sdk: str | None
    refs: dict[str, str]


@dataclass(frozen=True, slots=True)
class CommitMessage:
    """What a person says with a commit."""

    title: str
    message: str
    author: str


@dataclass(frozen=True, slots=True)
class Commit(CommitMessage):
    sha: str
    parent: str | None
    date: str
    tree: FileTree


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class RepoFolder:
    """Reads need no lock; whoever writes holds the repo's (`Store.locked`)."""

    def __init__(self, path: Path, temporary: Path) -> None:
        self.path = path
        self._temporary = temporary

    def state(self) -> RepoState:
        return RepoState(**_read_json(self.path / "repo.json"))

    def save(self, state: RepoState) -> None:
        write_file(self.path / "repo.json", _json_bytes(asdict(state)), self._temporary)

    # ------------------------------------------------------------------ objects

    def keep(self, arrived: Incoming) -> None:
        """An object that exists already is the same bytes, and stays."""
        target = self._object(arrived.sha256)
        if not target.exists():
            arrived.move_to(target)

    def keep_bytes(self, data: bytes) -> Entry:
        """A regular file's bytes, kept."""
        with incoming(self._temporary) as arriving:
            arriving.write(data)
            self.keep(arriving)
        return Entry.regular(data)

    def object_size(self, sha256: str) -> int | None:
        """None when this repo does not have it."""
        try:
            return self._object(sha256).stat().st_size
        except FileNotFoundError:
            return None

    def open_object(self, sha256: str) -> BinaryIO:
        try:
            return self._object(sha256).open("rb")
        except FileNotFoundError:  # the repo was deleted a moment ago
            raise repo_not_found() from None

    def _object(self, sha256: str) -> Path:
        return self.path / "objects" / sha256[:2] / sha256

    # ------------------------------------------------------------------ commits

    def revision(self, revision: str) -> str:
        """A branch, a tag, a full ref, or the first 7 digits or more of a commit → the commit's name."""
        refs = self.state().refs
        for ref in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if ref in refs:
                return refs[ref]
        if COMMIT_PREFIX.fullmatch(revision):
            found = [path.stem for path in (self.path / "commits").glob(f"{revision}*.json")]
            if len(found) == 1:
                return found[0]
        raise revision_not_found(revision)

    def commit(self, sha: str) -> Commit:
        if not COMMIT.fullmatch(sha):
            raise revision_not_found(sha)
        row = _read_json(self.path / "commits" / f"{sha}.json")
        tree = {path: Entry(**entry) for path, entry in row.pop("tree").items()}
        return Commit(sha=sha, tree=tree, **row)

    def history(self, sha: str) -> Iterator[Commit]:
        """The commit and its ancestors, newest first."""
        following: str | None = sha
        while following:
            commit = self.commit(following)
            yield commit
            following = commit.parent

    def last_changes(self, sha: str, paths: Iterable[str]) -> dict[str, Commit]:
        """For each file or folder, the commit that made it what it is at `sha`."""
        found: dict[str, Commit] = {}
        left = set(paths)
        for commit, before in pairwise(chain(self.history(sha), (None,))):
            assert commit
            ids, older = object_ids(commit.tree), object_ids(before.tree) if before else {}
            changed = {path for path in left if ids.get(path) != older.get(path)}
            found |= dict.fromkeys(changed, commit)
            left -= changed
            if not left:
                break
        return found

    def add_commit(self, ref: str, edits: Iterable[Edit], message: CommitMessage, parent: str | None) -> str:
        """Put edits on a branch: the commit first, the ref last.

        Raises:
            HubRefusal: 404 for a ref that is not a branch, 412 when the branch is no longer at `parent` (a prefix is enough),
                400 for an object that is not here.
        """
        state = self.state()
        if ref not in state.refs or not ref.startswith("refs/heads/"):
            raise revision_not_found(ref)
        head = state.refs[ref]
        if parent and not head.startswith(parent):
            raise HubRefusal(412, "A commit has happened since. Please refresh and try again.")
        edits = list(edits)
        for edit in edits:
            # Checked under the lock: this folder may be another than the one that was uploaded to.
            if edit.entry and self.object_size(edit.entry.sha256) != edit.entry.size:
                raise bad_request(f"{shown(edit.path)} points to a file that was not uploaded, or has another size")
        sha = self.write_commit(edited(self.commit(head).tree, edits, head), head, message)
        self.save(replace(state, refs=state.refs | {ref: sha}))
        return sha

    def write_commit(self, tree: FileTree, parent: str | None, message: CommitMessage) -> str:
        entries = {path: asdict(entry) for path, entry in tree.items()}
        data = _json_bytes({"parent": parent, "date": now(), **asdict(message), "tree": entries})
        sha = hashlib.sha1(data).hexdigest()
        write_file(self.path / "commits" / f"{sha}.json", data, self._temporary)
        return sha

    def add_ref(self, ref: str, sha: str) -> None:
        state = self.state()
        if ref in state.refs:
            raise HubRefusal(409, f"Reference already exists: {ref}")
        self.save(replace(state, refs=state.refs | {ref: sha}))

    def remove_ref(self, ref: str) -> None:
        state = self.state()
        if ref not in state.refs:
            raise revision_not_found(ref)
        self.save(replace(state, refs={other: sha for other, sha in state.refs.items() if other != ref}))


def _json_bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise repo_not_found() from None
    return row
