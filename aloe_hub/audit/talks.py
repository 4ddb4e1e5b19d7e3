"""What users said, simulated or real: the conversations of a run folder, or of a file of chats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aloe_hub.errors import DataError
from aloe_hub.results.rows import finished, holds_rows, rows_of
from aloe_hub.stages.chats.base import Chat
from aloe_hub.stages.chats.forms import chat_in, form_of
from aloe_hub.stages.chats.outcomes import UNKNOWN, id_of
from aloe_hub.stages.chats.records import records
from aloe_hub.types import Persona, Transcript, Tree

FORM = "wanted: a form that aloe import reads, such as messages, a list of {role, content}, and, if known, user_id"


@dataclass(frozen=True, slots=True)
class Talk:
    """One conversation. `user`: who it is, so that several conversations of one person are known as theirs.

    revealed: R(k) by turn, where it was measured. persona: whom the user was told to be.
    """

    talk_id: str
    user: str
    turns: tuple[tuple[str, str], ...]  # (message, reply)
    persona: Persona | None = None
    revealed: tuple[float, ...] = ()

    @property
    def messages(self) -> list[str]:
        return [message for message, _ in self.turns]


def is_known(persona: Persona) -> bool:
    """Whether it says anything: of most people whose chats are imported nothing is recorded."""
    return persona.personality != UNKNOWN or not persona.profile.startswith(UNKNOWN)


def talks_of(run: Path) -> list[Talk]:
    """The conversations of a run's benchmark, of all policies; where there are none those of its trees, as they were spoken."""
    found = [talk for path in finished(run / "transcripts") for talk in rows_of(path, _of_transcript)]
    return found or list(rows_of(run / "trees.jsonl", _of_tree))


def people(source: Path) -> list[Talk]:
    """What people said: a run folder that chats were imported to, or a file of chats in any form that `aloe import` reads.

    Raises:
        DataError: nothing is there, or a record is no chat.
    """
    if source.is_dir():
        chats = source / "conversations.jsonl"
        # What was imported lies in one of these, by what it holds: ratings, forks or neither.
        found = [*talks_of(source), *(_chats(chats) if holds_rows(chats) else ())]
    else:
        found = list(_chats(source))
    if not found:
        raise DataError(f"--people {source}: no conversations there; {FORM}")
    return found


def _of_transcript(row: Mapping[str, Any]) -> Talk:
    transcript = Transcript.from_row(row)
    revealed = [turn.revealed for turn in transcript.turns]
    return Talk(
        transcript.conversation_id,
        str(row.get("user_id") or transcript.persona.profile_id),  # a real user may have several personas
        tuple((turn.user, turn.reply) for turn in transcript.turns),
        transcript.persona if transcript.became is None and is_known(transcript.persona) else None,
        tuple(share for share in revealed if share is not None) if None not in revealed else (),
    )


def _of_tree(row: Mapping[str, Any]) -> Talk:
    tree = Tree.from_row(row)
    turns = tuple((exchange.user, exchange.replies[exchange.spoken].text) for exchange in tree.exchanges)
    return Talk(tree.tree_id, tree.persona.profile_id, turns, tree.persona if is_known(tree.persona) else None)


def _chats(path: Path) -> Iterator[Talk]:
    """The chats of a file, read as `aloe import` reads them; unlike there, one that cannot be used is an error."""
    form = None
    for where, record in records(path):
        try:
            if isinstance(record, DataError):
                raise record
            form = form or form_of(record)
            if form is None:
                raise DataError(f"no chat; {FORM}")
            yield _of_chat(chat_in(record, form))
        except DataError as error:
            raise DataError(f"--people {path}, {where}: {error}") from None


def _of_chat(chat: Chat) -> Talk:
    turns = tuple((turn.user, turn.answers[turn.spoken].text) for turn in chat.turns)
    last = ((chat.unanswered, ""),) if chat.unanswered else ()
    return Talk(id_of(chat), chat.user_id or id_of(chat), (*turns, *last))
