"""How much of a judge's work could not be read: what the commands say once everything is written.

Up to a tenth is noise that the report counts. Beyond it the numbers say more about the reader than about the policy, so the
command fails; its files stay as they are, and the same command fails again.
"""

from __future__ import annotations

from collections.abc import Iterable

from aloe_hub.errors import AloeError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder, policy_file
from aloe_hub.results.trees import NO_VERDICT, outcome, unread
from aloe_hub.text import is_blank
from aloe_hub.types import Transcript, Tree

MOST_UNREAD = 0.1
QUOTED = 160  # characters of an answer
REMEDY = (
    "ask with --structured if the server can, or another --judge, and in another --run folder, since this one keeps its settings"
)


def check_scores(run: RunFolder, policies: Iterable[str]) -> None:
    """Raises: AloeError: more than a tenth of the scores of one of the policies are missing."""
    for policy in policies:
        path = run.file(f"transcripts/{policy_file(policy)}")
        turns = [turn for one in read_rows(path, Transcript.from_row) for turn in one.turns]
        unread = [turn.judgement for turn in turns if turn.score is None]
        _check(unread, len(turns), f"scores of {policy}", "the judge gave none that could be read")


class UnreadVerdicts:
    """Counts the forks of trees, and those without a verdict."""

    def __init__(self) -> None:
        self._forks = 0
        self._unread: list[str] = []

    def add(self, tree: Tree) -> None:
        self._forks += len(tree.exchanges)
        self._unread += [unread(fork) or "" for fork in tree.exchanges if outcome(fork) == NO_VERDICT]

    def check(self) -> None:
        """Raises: AloeError: more than a tenth of the forks have no verdict."""
        _check(self._unread, self._forks, "forks", "they have no verdict that could be read")


def _check(unread: list[str], whole: int, of_what: str, why: str) -> None:
    if len(unread) <= MOST_UNREAD * whole:
        return
    answer = next((text for text in unread if not is_blank(text)), "")
    shortened = answer if len(answer) <= QUOTED else answer[:QUOTED] + "…"
    said = f"it answered {shortened!r}" if answer else "its answers were empty"
    raise AloeError(f"{len(unread)} of {whole} {of_what} are missing: {why}; {said}; all files are written; {REMEDY}")
