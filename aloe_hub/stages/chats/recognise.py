"""What a source of `aloe import` holds: the authors' files, texts for a pool, or chats."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Literal

from aloe_hub.errors import DataError
from aloe_hub.stages.chats.forms import first_of, form_of
from aloe_hub.stages.chats.records import records
from aloe_hub.stages.import_files import found
from aloe_hub.stages.import_trees import CONVERSATIONS

What = Literal["aloe", "personas", "chats"]  # the first two also as --form names them
MANY = 100  # records that are looked at


def is_authors_folder(path: Path) -> bool:
    """Whether it holds files under the authors' names, and no chats of a form of others among them."""
    if any(found(path, name).exists() for name in ("profile", "personality")):
        return True
    talks = found(path, CONVERSATIONS)
    return talks.exists() and what_are(records(talks)) in (None, "aloe")


def what_are(found: Iterable[tuple[str, object]]) -> What | None:
    """By the first record that tells; None where none of the first does."""
    for _, record in islice(found, MANY):
        if isinstance(record, str) or (
            isinstance(record, dict) and isinstance(record.get("persona"), str) and not form_of(record)
        ):
            return "personas"
        if isinstance(record, dict) and isinstance(first_of(record, "conversations").get("assistant"), dict):
            return "aloe"
        if not isinstance(record, DataError) and form_of(record):
            return "chats"
    return None
