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

from httpx2 import HTTPError
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    LocalTokenNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import logging

from aloe_hub.errors import AloeError, DataError, UsageError

RepoType = Literal["dataset", "space", "model"]
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
ATTEMPTS = 8  # publishes at the same time are few; each round lets at least one of them through


@dataclass(frozen=True, slots=True)
class Upload:
    """What a repo shall hold: files by their path in it, the card by what stands there now, and which old files go.

    card: None leaves the card as it is.
    """

    repo: str
    repo_type: RepoType
    files: Mapping[str, Path | bytes]
    card: Callable[[str | None], str] | None
    replaces: Callable[[str], bool]
    message: str
    private: bool = False


@dataclass(frozen=True, slots=True)
class Published:
    """Where it went. `commit` is the commit that holds it, `new` whether this publish made it; scores have no tag."""

    url: str
    commit: str
    tag: str | None
    new: bool


def push(upload: Upload, tag: str | None) -> Published:
    """Make `upload` the content of its repo, in one commit, and tag it."""
    if tag is not None and not (_TAG.fullmatch(tag) and ".." not in tag and not tag.endswith((".", ".lock"))):
        raise UsageError(f"--tag {tag!r}: not a name that the Hub takes; letters, digits, '.', '_' and '-', such as v1")
    api = HfApi(library_name="aloe-hub")
    with hub_errors(upload.repo, api.endpoint):
        space_sdk = "gradio" if upload.repo_type == "space" else None
        api.create_repo(upload.repo, repo_type=upload.repo_type, private=upload.private, exist_ok=True, space_sdk=space_sdk)
        if tag is not None:
            _check_tag(api, upload, tag)
        head, commit = committed(api, upload)
        named = _tag(api, upload, commit, tag)
    path = upload.repo if upload.repo_type == "model" else f"{upload.repo_type}s/{upload.repo}"
    return Published(f"{api.endpoint}/{path}", commit, named, new=commit != head)


def committed(api: HfApi, upload: Upload) -> tuple[str, str]:
    """(the commit before, the commit that holds the upload); the same when there was nothing to change."""
    # "Nothing to commit" is no warning here: it is what a second publish is for.
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    for attempt in range(ATTEMPTS - 1):
        try:
            return _commit(api, upload)
        except HfHubHTTPError as error:
            if error.response.status_code != 412:
                raise
            time.sleep(Random().uniform(0, 0.2 * 2**attempt))  # somebody else was first: look again, and not in step
    return _commit(api, upload)


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
    made = api.create_commit(
        upload.repo, operations, commit_message=upload.message, repo_type=upload.repo_type, parent_commit=head
    )
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
        raise DataError(f"README.md of {upload.repo}: not UTF-8 ({error.reason}); mend it there and publish again") from None


def _check_tag(api: HfApi, upload: Upload, tag: str) -> None:
    """Refuse, before anything is committed, a tag that already marks something else."""
    target = _tags(api, upload).get(tag)
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


def _tag(api: HfApi, upload: Upload, commit: str, asked: str | None) -> str:
    """The tag that marks the commit: the one asked for, else one that it has, else one named by the content."""
    tags = _tags(api, upload)
    there = sorted(tag for tag, target in tags.items() if target == commit)
    tag = asked or (there[0] if there else f"data-{_digest(upload.files)[:12]}")
    if tag not in tags:
        api.create_tag(upload.repo, tag=tag, revision=commit, repo_type=upload.repo_type, exist_ok=True)
    return tag


def _tags(api: HfApi, upload: Upload) -> dict[str, str]:
    return {ref.name: ref.target_commit for ref in api.list_repo_refs(upload.repo, repo_type=upload.repo_type).tags}


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


def _digest(files: Mapping[str, Path | bytes]) -> str:
    """A name for this content: the same data has the same tag, whoever publishes it."""
    lines = (f"{name} {oids(content)[0]}\n" for name, content in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


@contextmanager
def hub_errors(repo: str, endpoint: str) -> Iterator[None]:
    """What the Hub answers, as one line that says what to do. Never the request, which carries the token."""
    login = "log in with `hf auth login` or set HF_TOKEN"
    try:
        yield
    except HFValidationError as error:
        raise AloeError(f"--repo {repo!r}: not a name that the Hub takes, such as org/aloe-prefs ({error})") from None
    except LocalTokenNotFoundError:
        raise AloeError(f"{endpoint}: not logged in; {login}") from None
    except RepositoryNotFoundError:
        raise AloeError(f"{repo}: {endpoint} knows no such repo, or not for you; {login}") from None
    except HfHubHTTPError as error:
        status = error.response.status_code
        said = " ".join((error.server_message or "").split()) or f"status {status}"
        advice = {
            401: f"not logged in, or the token is not valid; {login}",
            403: f"no permission ({said}); use a token that may write to {repo.partition('/')[0]}",
            412: "others kept committing to it at the same time; run the same command again",
        }.get(status, f"the Hub refused ({said})")
        raise AloeError(f"{repo}: {advice}") from None
    except (HTTPError, LocalEntryNotFoundError, ConnectionError, TimeoutError) as error:
        raise AloeError(
            f"{endpoint}: cannot be reached ({_first_line(error)}); nothing half-way is there: run it again"
        ) from None
    except ValueError as error:  # what the Hub says of a card before it is committed
        raise AloeError(f"{repo}: the Hub refuses the card ({' '.join(str(error).split())}); mend README.md there") from None


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


@contextmanager
def scratch(parent: Path, what: str) -> Iterator[Path]:
    """Where what is published is made: a folder beside what it is made from, not made yet, and gone after the context."""
    for left in parent.glob("publish-*.partial"):  # by a publish that was killed
        process = left.stem.rpartition("-")[2]
        if process.isdecimal() and not _alive(int(process)):
            shutil.rmtree(left, ignore_errors=True)
    folder = parent / f"publish-{what}-{os.getpid()}.partial"
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
