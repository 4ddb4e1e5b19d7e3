"""Tree → training rows: pure functions. Nothing is in a row that is not in its tree.

Rows are what TRL wants with an explicit prompt: lists of `{role, content}`, never pre-templated, exactly what a chat user
would send. The prompt is the path actually spoken. A tie teaches nothing: it is in the tree, in neither `pairs` nor `sft`,
and counted.
"""

from __future__ import annotations

from collections.abc import Iterator

from aloe_hub.types import Message, Row, Tree


def pairs(tree: Tree) -> Iterator[Row]:
    """`tree_id, persona_id, turn, prompt, chosen, rejected` for each decided fork: rows for TRL's DPOTrainer."""
    for head, preferred, rejected in _decided(tree):
        yield head | {"chosen": preferred, "rejected": rejected}


def sft(tree: Tree) -> Iterator[Row]:
    """`tree_id, persona_id, turn, prompt, completion` (the preferred reply): rows for TRL's SFTTrainer."""
    for head, preferred, _ in _decided(tree):
        yield head | {"completion": preferred}


def _decided(tree: Tree) -> Iterator[tuple[Row, list[Row], list[Row]]]:
    """What each row of a decided fork begins with, its preferred and its rejected completion."""
    spoken = [message.to_row() for exchange in tree.exchanges for message in exchange.messages]
    persona_id = tree.persona.persona_id
    for turn, exchange in enumerate(tree.exchanges):
        if exchange.preferred is None:
            continue
        # The path before this turn, and the user's message.
        head = {"tree_id": tree.tree_id, "persona_id": persona_id, "turn": turn, "prompt": spoken[: 2 * turn + 1]}
        preferred, rejected = exchange.replies[exchange.preferred], exchange.replies[1 - exchange.preferred]
        yield head, [Message("assistant", preferred.text).to_row()], [Message("assistant", rejected.text).to_row()]
