"""What users said, simulated or real: the conversations of a run folder, or of a file of chats."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import build_row
from aloe_hub.results.rows import finished, holds_rows, rows_of
from aloe_hub.types import Persona, Transcript, Tree

MESSAGES = ("messages", "history", "conversation", "conversations")  # what the list of messages is called in a file of chats
USERS = ("user_id", "user", "person")  # … and who the user is
FORM = "wanted: lines with messages, a list of {role, content}, and, if known, user_id"


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


def talks_of(run: Path) -> list[Talk]:
    """The conversations of a run's benchmark, of all policies; where there are none those of its trees, as they were spoken."""
    found = [talk for path in finished(run / "transcripts") for talk in rows_of(path, _of_transcript)]
    return found or list(rows_of(run / "trees.jsonl", _of_tree))


def people(source: Path) -> list[Talk]:
    """What people said: a run folder that chats were imported to, or a file of JSON lines, plain or `.gz`.

    Raises:
        DataError: nothing is there, or a line is no chat.
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
        transcript.persona if transcript.became is None else None,
        tuple(share for share in revealed if share is not None) if None not in revealed else (),
    )


def _of_tree(row: Mapping[str, Any]) -> Talk:
    tree = Tree.from_row(row)
    turns = tuple((exchange.user, exchange.replies[exchange.spoken].text) for exchange in tree.exchanges)
    return Talk(tree.tree_id, tree.persona.profile_id, turns, tree.persona)


def _chats(path: Path) -> Iterator[Talk]:
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    where = f"--people {path}, line {number}"
                    yield build_row(line, where, lambda row, place=where: _of_chat(row, place))  # type: ignore[misc]
    except (OSError, EOFError) as error:
        raise DataError(f"--people {path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _of_chat(row: Mapping[str, Any], where: str) -> Talk:
    key = next((name for name in MESSAGES if isinstance(row.get(name), list)), None)
    if key is None:
        raise ValueError(f"no chat; {FORM}")
    turns = tuple(_paired(row[key]))
    user = next((str(row[name]) for name in USERS if row.get(name) is not None), where)
    return Talk(where, user, turns)


def _paired(messages: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """Each message of the user with the reply that followed; several in a row are one."""
    asked: list[str] = []
    replied: list[str] = []
    for message in messages:
        if not isinstance(message, Mapping) or not isinstance(message.get("content"), str):
            raise ValueError(f"a message without role and content; {FORM}")
        if message.get("role") == "user":
            if replied:
                yield "\n".join(asked), "\n".join(replied)
                asked, replied = [], []
            asked.append(message["content"])
        elif message.get("role") == "assistant" and asked:
            replied.append(message["content"])
    if asked:
        yield "\n".join(asked), "\n".join(replied)
