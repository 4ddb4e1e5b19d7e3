"""Text is never structure: what a message says must not be read as the control tokens that a chat template writes around it.

A tokenizer knows its control tokens wherever they stand. A reply that holds `<|im_end|>` would teach two ends of a turn, and a
user's message could forge a turn of the assistant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from aloe_hub.text import answer_of, control_markers, is_blank
from aloe_hub.types import Row

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_MESSAGES = ("prompt", "completion", "chosen", "rejected")
_REPLIES = "completions"
_TOLD = "privileged_context"
_SAID = "criticisms"


class ControlTokens:
    """The control tokens of a tokenizer: those that it calls special, and added ones that chat templates are made of."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        template = str(tokenizer.chat_template)
        special = {str(token) for token in tokenizer.added_tokens_decoder.values() if token.special}
        added = {token for token in tokenizer.get_added_vocab() if token in template or control_markers(token)}
        names = sorted(
            (name for name in {*special, *tokenizer.all_special_tokens, *added} if name.strip()), key=len, reverse=True
        )
        self._pattern = re.compile("|".join(map(re.escape, names)) if names else r"(?!)")
        self._clean: set[str] = set()  # a text stands in many rows, and is searched once

    def first_in(self, row: Row) -> tuple[str, str] | None:
        """(role, token) of the first message whose text holds a control token; what a teacher is told has the column's name."""
        for role, text in _texts(row):
            if text in self._clean:
                continue
            if found := self._pattern.search(text):
                return role, found[0]
            self._clean.add(text)
        return None

    def cleaned(self, rows: Sequence[Row]) -> tuple[list[Row], int]:
        """The rows without control tokens in their texts, and how many rows had some. A row without any text left goes."""
        kept: list[Row] = []
        changed = 0
        for row in rows:
            if self.first_in(row) is not None:
                changed += 1
                row = row | {name: [self._message(message) for message in row[name]] for name in _MESSAGES if name in row}
                if _REPLIES in row:
                    row[_REPLIES] = [[self._message(message) for message in reply] for reply in row[_REPLIES]]
                if _TOLD in row:
                    row[_TOLD] = self._without(row[_TOLD])
                if _SAID in row:
                    row[_SAID] = [None if said is None else self._without(said) for said in row[_SAID]]
                if any(is_blank(text) for _, text in _texts(row)):
                    continue
            kept.append(row)
        return kept, changed

    def _message(self, message: Row) -> Row:
        """The message without them; of a reply, only what is the answer: nothing of its reasoning, or of turns that follow it."""
        text = message["content"]
        if self._pattern.search(text) and message["role"] == "assistant":
            text = answer_of(text).text
        return message | {"content": self._without(text)}

    def _without(self, text: str) -> str:
        while self._pattern.search(text):  # what is left around one may make up another
            text = self._pattern.sub("", text).strip()
        return text


def _texts(row: Row) -> Iterator[tuple[str, str]]:
    """(role, text) of each message, and what a teacher is told."""
    for messages in (*(row.get(column, ()) for column in _MESSAGES), *row.get(_REPLIES, ())):
        for message in messages:
            yield message["role"], message["content"]
    if _TOLD in row:
        yield _TOLD, row[_TOLD]
    for said in row.get(_SAID, ()):
        if said is not None:
            yield _SAID, said
