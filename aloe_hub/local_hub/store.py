"""All repos of one folder on the disk, and their locks.

    DIR/lock  DIR/users.json  DIR/tmp/  DIR/home/  DIR/repos/{models,datasets,spaces}/NAMESPACE/NAME/…

A repo is made, moved and deleted by one rename of its folder, so it is there whole or not at all. One process serves a folder
at a time: the locks of the repos live in it. Listings are in the order of names.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from aloe_hub.errors import AloeError
from aloe_hub.local_hub.disk import Incoming, incoming, make_folder, sync_folder
from aloe_hub.local_hub.names import KINDS, RepoName
from aloe_hub.local_hub.refusal import HubRefusal, repo_not_found
from aloe_hub.local_hub.repo import MAIN, CommitMessage, RepoFolder, RepoState, now

LARGE_SUFFIXES = (
    ".7z", ".arrow", ".bin", ".bz2", ".ckpt", ".gguf", ".gz", ".h5", ".joblib", ".msgpack", ".npy", ".npz", ".onnx", ".parquet",
    ".pickle", ".pkl", ".pt", ".pth", ".rar", ".safetensors", ".tar", ".tgz", ".xz", ".zip", ".zst",
)  # fmt: skip


class Store:
    """Opening takes the folder for this process, and clears what a killed one was writing."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory.absolute()
        self.temporary = self.directory / "tmp"
        self._locks: defaultdict[RepoName, threading.RLock] = defaultdict(threading.RLock)
        self._locks_lock = threading.Lock()
        try:
            make_folder(self.directory.parent)
            self.directory.mkdir(mode=0o700, exist_ok=True)  # private repos are no other user's either
            self._hold = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(self._hold, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._hold)
                raise AloeError(f"{directory}: another local Hub serves this folder; use that one, or another --dir") from None
            shutil.rmtree(self.temporary, ignore_errors=True)
            make_folder(self.temporary)
            for kind in KINDS:
                make_folder(self.directory / "repos" / kind)
        except OSError as error:
            raise AloeError(f"{directory}: cannot hold a local Hub ({error.strerror or error}); choose another --dir") from error

    def close(self) -> None:
        """Let another process have the folder."""
        os.close(self._hold)

    def incoming(self) -> AbstractContextManager[Incoming]:
        return incoming(self.temporary)

    # ------------------------------------------------------------------ finding

    def folder(self, name: RepoName) -> RepoFolder:
        """The repo's folder, to read from; `RepoFolder.state` refuses when there is none."""
        return RepoFolder(self._path(name), self.temporary)

    def names(self, kind: str) -> list[RepoName]:
        """Repos may come and go meanwhile: what is no longer there is refused when it is read."""
        found = (self.directory / "repos" / kind).glob("*/*")
        return sorted(RepoName(kind, path.parent.name, path.name) for path in found)

    def namespaces(self) -> set[str]:
        return {name.namespace for kind in KINDS for name in self.names(kind)}

    # ------------------------------------------------------------------ changing

    @contextmanager
    def locked(self, name: RepoName) -> Iterator[RepoFolder]:
        """The repo's folder, to write to: one writer at a time.

        Raises:
            HubRefusal: 404, when there is no such repo.
        """
        with self._lock(name):
            folder = self.folder(name)
            folder.state()
            yield folder

    def create(self, name: RepoName, *, private: bool, sdk: str | None, author: str) -> None:
        """A repo with a first commit on `main`: built aside, then put in place.

        Raises:
            HubRefusal: 409, when the name is taken.
        """
        with self._lock(name):
            if self._path(name).exists():
                raise HubRefusal(409, f"You already created this {name.kind[:-1]} repo: {name.id}")
            with self._aside() as aside:
                folder = RepoFolder(aside, self.temporary)
                attributes = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE_SUFFIXES)
                entry = folder.keep_bytes(attributes.encode())
                first = folder.write_commit({".gitattributes": entry}, None, CommitMessage("initial commit", "", author))
                folder.save(RepoState(private=private, created=now(), sdk=sdk, refs={MAIN: first}))
                self._rename(aside, self._path(name))

    def delete(self, name: RepoName) -> None:
        """Gone with one rename; the bytes are cleared after it."""
        with self.locked(name) as folder, self._aside() as aside:
            self._rename(folder.path, aside)

    def move(self, name: RepoName, target: RepoName) -> None:
        with ExitStack() as locks:
            for each in sorted({name, target}):  # always in the same order: two moves cannot wait for each other
                locks.enter_context(self._lock(each))
            folder = self.folder(name)
            folder.state()
            if self._path(target).exists():
                raise HubRefusal(409, f"There is already a {target.kind[:-1]} repo: {target.id}")
            self._rename(folder.path, self._path(target))

    # ------------------------------------------------------------------ details

    def _path(self, name: RepoName) -> Path:
        return self.directory / "repos" / name.kind / name.namespace / name.name

    def _lock(self, name: RepoName) -> threading.RLock:
        with self._locks_lock:
            return self._locks[name]

    @contextmanager
    def _aside(self) -> Iterator[Path]:
        path = self.temporary / uuid.uuid4().hex
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def _rename(self, source: Path, target: Path) -> None:
        make_folder(target.parent)
        try:
            source.rename(target)
        except FileNotFoundError:
            raise repo_not_found() from None
        sync_folder(target.parent)
        sync_folder(source.parent)
