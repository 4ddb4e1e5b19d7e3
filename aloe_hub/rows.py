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
    spoken = [message.to_row() for exchange in tree.exchanges for message in exchange.messages]
    persona_id = tree.persona.persona_id
    for turn, exchange in enumerate(tree.exchanges):
        preferred = exchange.preferred
        if preferred is None:
            continue
        yield {
            "tree_id": tree.tree_id,
            "persona_id": persona_id,
            "turn": turn,
            "prompt": spoken[: 2 * turn + 1],  # both messages of each turn before, and the user's of this one
            "chosen": [Message("assistant", exchange.replies[preferred].text).to_row()],
            "rejected": [Message("assistant", exchange.replies[1 - preferred].text).to_row()],
        }


def sft(tree: Tree) -> Iterator[Row]:
    """`tree_id, persona_id, turn, prompt, completion` (the preferred reply): rows for TRL's SFTTrainer."""
    for pair in pairs(tree):
        yield {name: pair[name] for name in ("tree_id", "persona_id", "turn", "prompt")} | {"completion": pair["chosen"]}
