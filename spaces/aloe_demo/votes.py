"""Votes that somebody consented to: a file here always, and a private dataset on the Hub where one is named.

Each process appends to a file of its own, since a Space loses its disk when it starts anew, and what it pushed must not be
overwritten. A row holds the `pairs` columns without any id: the texts, and nothing of who wrote them.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, get_args
from uuid import uuid4

from blind import Agreement

from aloe_hub.errors import AloeError
from aloe_hub.files.jsonl import encoded, read_rows
from aloe_hub.types import Row, digest

if TYPE_CHECKING:
    from huggingface_hub import CommitScheduler

MINUTES = 5.0
VOTES, JUDGED = "votes-*.jsonl", "judged-*.jsonl"


class Votes:
    """The store. `problem`: why nothing is pushed, although a repo is named."""

    def __init__(self, folder: Path, repo: str = "", token: str | None = None, minutes: float = MINUTES) -> None:
        self.folder = folder.expanduser()
        self.problem = ""
        self._lock = threading.Lock()
        self._name = uuid4().hex[:12]
        self._scheduler: CommitScheduler | None = None
        self._agreement = Counter(self._counted())
        self._receipts: dict[str, tuple[str, Agreement]] = {}
        if repo:
            try:
                self._scheduler = _scheduler(repo, self.folder, token, minutes)
            except Exception as error:  # the Hub is away, or refuses: votes are kept here all the same
                said = str(error) if isinstance(error, AloeError) else f"{repo} cannot be pushed to ({type(error).__name__})"
                self.problem = f"votes stay on this machine: {said}"

    @property
    def pushed(self) -> bool:
        return self._scheduler is not None

    @property
    def agreement(self) -> Mapping[Agreement, int]:
        """How the judge stood to the votes that are kept here."""
        return self._agreement

    def judged(self, receipt: str) -> Agreement | None:
        """How the judge stood to a vote that can be taken back; None: this process keeps none of that receipt."""
        _, agreement = self._receipts.get(receipt, ("", None))
        return agreement

    def keep(self, row: Row, agreement: Agreement) -> str:
        """Keep a vote, and how the judge stood to it. The receipt, which nobody can guess, is needed to take it back.

        Raises:
            AloeError: it cannot be written.
        """
        vote = encoded(row, "the vote")
        receipt, told = token_hex(), (_digest(vote), agreement)
        with self._alone():
            self._append(VOTES, vote)
            self._append(JUDGED, _judged(*told))
            self._agreement[agreement] += 1
            self._receipts[receipt] = told
        return receipt

    def take_back(self, receipt: str) -> None:
        """Forget a vote that this process keeps; the next push replaces what was pushed of it.

        Raises:
            AloeError: the file cannot be written.
        """
        with self._alone():
            if receipt not in self._receipts:
                return
            vote, agreement = self._receipts[receipt]
            self._drop(VOTES, lambda line: _digest(line) == vote)
            self._drop(JUDGED, lambda line: line == _judged(vote, agreement))
            self._agreement[agreement] -= 1
            del self._receipts[receipt]

    def close(self) -> None:
        """Push what is not pushed yet, and push no more."""
        if self._scheduler is not None:
            self._scheduler.trigger().result()
            self._scheduler.stop()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else writes, and nothing is pushed."""
        beside: AbstractContextManager[object] = self._scheduler.lock if self._scheduler else nullcontext()
        with self._lock, beside:
            yield

    def _path(self, pattern: str) -> Path:
        return self.folder / pattern.replace("*", self._name)

    def _append(self, pattern: str, line: bytes) -> None:
        path = self._path(pattern)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(line)
        except OSError as error:
            raise AloeError(f"{path}: the vote cannot be kept ({error.strerror})") from None

    def _drop(self, pattern: str, is_meant: Callable[[bytes], bool]) -> None:
        """Write the file without the last line that is meant; of equal ones it does not matter which goes."""
        path = self._path(pattern)
        try:
            lines = path.read_bytes().splitlines(keepends=True)
            place = max((place for place, line in enumerate(lines) if is_meant(line)), default=len(lines))
            path.write_bytes(b"".join(lines[:place] + lines[place + 1 :]))
        except OSError as error:
            raise AloeError(f"{path}: the vote cannot be taken back ({error.strerror})") from None

    def _counted(self) -> list[Agreement]:
        found: list[Agreement] = []
        for path in sorted(self.folder.glob(JUDGED)):
            try:
                found += [row for row in read_rows(path, lambda row: row["judge"]) if row in get_args(Agreement)]
            except AloeError:  # a torn line of a process that was killed: the votes themselves are in another file
                continue
        return found


def _digest(line: bytes) -> str:
    return digest(line.decode().rstrip("\n"))


def _judged(vote: str, agreement: Agreement) -> bytes:
    return encoded({"vote": vote, "judge": agreement}, "the vote")


def _scheduler(repo: str, folder: Path, token: str | None, minutes: float) -> CommitScheduler:
    """
    Raises:
        AloeError: there is no token; or the dataset is public, and visitors were told that it is not.
    """
    if not token:
        raise AloeError(f"ALOE_VOTES_REPO={repo} needs a token (HF_TOKEN)")
    from huggingface_hub import CommitScheduler, HfApi

    api = HfApi(token=token, library_name="aloe-hub")
    api.create_repo(repo, repo_type="dataset", private=True, exist_ok=True)
    if not api.repo_info(repo, repo_type="dataset").private:
        raise AloeError(f"{repo} is public, and votes go to a private dataset only: make it private")
    return CommitScheduler(
        repo_id=repo,
        repo_type="dataset",
        folder_path=folder,
        path_in_repo="data",
        every=minutes,
        allow_patterns=VOTES,
        hf_api=api,
        private=True,
    )
