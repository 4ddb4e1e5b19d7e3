"""Files and card → one commit with a tag, on the real Hub or on a local one.

The large files are uploaded first, then one commit holds everything together: nobody ever sees half of it. Publishing the same
again makes no new commit; an interrupted publish is finished by running it again. When somebody else commits meanwhile, the Hub
answers 412: the card is read and merged anew, and the commit is tried again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RemoteEntryNotFoundError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import logging

from aloe_hub.errors import AloeError, DataError, UsageError
from aloe_hub.hub_errors import hub_errors

RepoType = Literal["dataset", "space", "model"]
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
ATTEMPTS = 8  # publishes at the same time are few; each round lets at least one of them through


@dataclass(frozen=True, slots=True)
class Upload:
    """What a repo shall hold: files by their path in it, the card by what stands there now, and which old files go.

    card: None leaves the card as it is.
    made_from: a name for everything that files and card follow from; it stands in the commit's message, for `already_there`.
    """

    repo: str
    repo_type: RepoType
    files: Mapping[str, Path | bytes]
    card: Callable[[str | None], str] | None
    replaces: Callable[[str], bool]
    message: str
    private: bool = False
    made_from: str | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """Where it went. `commit` is the commit that holds it, `new` whether this publish made it; scores have no tag."""

    url: str
    commit: str
    tag: str | None
    new: bool


def push(upload: Upload, tag: str | None) -> Published:
    """Make `upload` the content of its repo, in one commit, and tag it."""
    _check_name(tag)
    api = HfApi(library_name="aloe-hub")
    with hub_errors(upload.repo):
        space_sdk = "gradio" if upload.repo_type == "space" else None
        api.create_repo(upload.repo, repo_type=upload.repo_type, private=upload.private, exist_ok=True, space_sdk=space_sdk)
        if tag is not None:
            _check_tag(api, upload, tag)
        head, commit = committed(api, upload)
        tags = _tags(api, upload.repo, upload.repo_type)
        named = tag or _tag_at(commit, tags) or _data_tag(upload.files)
        if named not in tags:
            api.create_tag(upload.repo, tag=named, revision=commit, repo_type=upload.repo_type, exist_ok=True)
    return Published(_url(api, upload.repo, upload.repo_type), commit, named, new=commit != head)


def already_there(repo: str, repo_type: RepoType, made_from: str, tag: str | None) -> Published | None:
    """The last commit of the repo, if it was made from the very same and is tagged as asked for; else everything must be made."""
    _check_name(tag)
    api = HfApi(library_name="aloe-hub")
    with hub_errors(repo):
        try:
            api.repo_info(repo, repo_type=repo_type)  # one request: a list of commits is asked for six times where no Hub answers
        except RepositoryNotFoundError:
            return None
        last = api.list_repo_commits(repo, repo_type=repo_type)[0]
        said = dict(line.split(": ", 1) for line in last.message.splitlines() if ": " in line)
        if said.get("Made from") != made_from:
            return None
        tags = _tags(api, repo, repo_type)
    # Where only the card was changed, the tag that is named by the content still marks the commit before.
    named = tag or _tag_at(last.commit_id, tags) or said.get("Tag")
    if named not in tags or (tag is not None and tags[tag] != last.commit_id):
        return None
    return Published(_url(api, repo, repo_type), last.commit_id, named, new=False)


def committed(api: HfApi, upload: Upload) -> tuple[str, str]:
    """(the commit before, the commit that holds the upload); the same when there was nothing to change."""
    with _without_warnings():
        for attempt in range(ATTEMPTS - 1):
            try:
                return _commit(api, upload)
            except HfHubHTTPError as error:
                if error.response.status_code != 412:
                    raise
                time.sleep(Random().uniform(0, 0.2 * 2**attempt))  # somebody else was first: look again, and not in step
        return _commit(api, upload)


@contextmanager
def _without_warnings() -> Iterator[None]:
    """ "Nothing to commit" is no warning here: it is what a second publish is for."""
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _commit(api: HfApi, upload: Upload) -> tuple[str, str]:
    head = str(api.repo_info(upload.repo, repo_type=upload.repo_type).sha)
    present = set(api.list_repo_files(upload.repo, repo_type=upload.repo_type, revision=head))
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(path, str(content) if isinstance(content, Path) else content) for path, content in upload.files.items()
    ]
    if upload.card is not None:
        card = upload.card(_card_on_the_hub(api, upload, head) if "README.md" in present else None)
        operations.append(CommitOperationAdd("README.md", card.encode()))
    operations += [CommitOperationDelete(path) for path in sorted(present - upload.files.keys()) if upload.replaces(path)]
    try:
        made = api.create_commit(
            upload.repo,
            operations,
            commit_message=upload.message,
            commit_description=upload.made_from and f"Made from: {upload.made_from}\nTag: {_data_tag(upload.files)}",
            repo_type=upload.repo_type,
            parent_commit=head,
        )
    except ValueError as error:  # what the Hub says of a card before it is committed
        raise AloeError(
            f"{upload.repo}: the Hub refuses the card ({' '.join(str(error).split())}); fix README.md there"
        ) from None
    return head, str(made.oid)


def last_change(api: HfApi, repo: str, paths: Collection[str], revision: str | None, repo_type: RepoType) -> str:
    """The last commit, up to `revision`, that changed one of `paths`: it stays the same when only the card is changed later."""
    entries = api.get_paths_info(repo, list(paths), expand=True, revision=revision, repo_type=repo_type)
    changes = [entry.last_commit for entry in entries if isinstance(entry, RepoFile) and entry.last_commit]
    return max(changes, key=lambda change: change.date).oid


def _card_on_the_hub(api: HfApi, upload: Upload, revision: str) -> str | None:
    try:
        path = api.hf_hub_download(upload.repo, "README.md", repo_type=upload.repo_type, revision=revision)
    except RemoteEntryNotFoundError:
        return None
    try:
        return Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"README.md of {upload.repo}: not UTF-8 ({error.reason}); fix it there and publish again") from None


def _check_tag(api: HfApi, upload: Upload, tag: str) -> None:
    """Refuse, before anything is committed, a tag that already marks something else."""
    target = _tags(api, upload.repo, upload.repo_type).get(tag)
    if target is None:
        return
    there = {
        entry.path: entry.lfs.sha256 if entry.lfs else entry.blob_id
        for entry in api.list_repo_tree(upload.repo, recursive=True, revision=target, repo_type=upload.repo_type)
        if isinstance(entry, RepoFile)
    }
    if any(there.get(path) not in oids(content) for path, content in upload.files.items()):
        raise AloeError(
            f"--tag {tag}: already marks commit {target[:8]} of {upload.repo}, which holds other data; give another tag"
        )


def _check_name(tag: str | None) -> None:
    if tag is not None and not (_TAG.fullmatch(tag) and ".." not in tag and not tag.endswith((".", ".lock"))):
        raise UsageError(f"--tag {tag!r}: not a name that the Hub takes; letters, digits, '.', '_' and '-', such as v1")


def _tags(api: HfApi, repo: str, repo_type: RepoType) -> dict[str, str]:
    return {ref.name: ref.target_commit for ref in api.list_repo_refs(repo, repo_type=repo_type).tags}


def _tag_at(commit: str, tags: Mapping[str, str]) -> str | None:
    return min((tag for tag, target in tags.items() if target == commit), default=None)


def _url(api: HfApi, repo: str, repo_type: RepoType) -> str:
    return f"{api.endpoint}/{repo if repo_type == 'model' else f'{repo_type}s/{repo}'}"


def oids(content: Path | bytes) -> tuple[str, str]:
    """The two names that the Hub may give to this content: SHA-256 for a large file, git's blob id for another."""
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest(), hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    sha256, blob = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % content.stat().st_size)
    with content.open("rb") as file:
        while block := file.read(2**20):
            sha256.update(block)
            blob.update(block)
    return sha256.hexdigest(), blob.hexdigest()


def _data_tag(files: Mapping[str, Path | bytes]) -> str:
    """A tag named by the content: the same data has the same tag, whoever publishes it."""
    lines = (f"{name} {oids(content)[0]}\n" for name, content in sorted(files.items()))
    return f"data-{hashlib.sha256(''.join(lines).encode()).hexdigest()[:12]}"


@contextmanager
def scratch(parent: Path, what: str) -> Iterator[Path]:
    """Where what is published is made: a folder beside what it is made from, not made yet, and gone after the context."""
    sweep(parent)
    folder = parent / f"publish-{what}-{os.getpid()}.partial"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(parent: Path) -> None:
    """Clear what a publish that was killed has left."""
    for left in parent.glob("publish-*.partial"):
        process = left.stem.rpartition("-")[2]
        if process.isdecimal() and not _alive(int(process)):
            shutil.rmtree(left, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
