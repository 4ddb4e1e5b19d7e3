"""What was imported into a run folder, as chats again, one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.stages.chats.base import Answer, Chat, Said
from aloe_hub.stages.chats.forms import chat_in, form_named
from aloe_hub.types import Row, Transcript


def recorded(run: Path) -> Iterator[Chat]:
    """The rated chats of each assistant, then those without forks and ratings. Trees are no chats: their replies have verdicts.

    Raises:
        DataError: nothing was imported there, or a line cannot be read.
    """
    files = [path for path in (*sorted((run / "transcripts").glob("*.jsonl")), run / "conversations.jsonl") if path.is_file()]
    if not (run / "import.json").exists():
        raise DataError(f"{run}: no chats were imported there: aloe import CHATS --run {run}")
    for path in files:
        yield from read_rows(path, _of_conversation if path.parent == run else _of_transcript)


def _of_transcript(row: Row) -> Chat:
    talk = Transcript.from_row(row)
    return Chat(
        tuple(Said(turn.user, (Answer(turn.reply, turn.score),)) for turn in talk.turns),
        unanswered=talk.unanswered,
        chat_id=talk.chat_id or None,
        user_id=talk.user_id or None,
        model=talk.policy,
        profile=talk.persona.profile,
        personality=talk.persona.personality,
    )


def _of_conversation(row: Row) -> Chat:
    try:
        return chat_in(row, form_named("messages"))
    except DataError as error:
        raise ValueError(str(error)) from None
