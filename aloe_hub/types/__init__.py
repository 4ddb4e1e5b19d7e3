"""The nouns of ALOE: persona, exchange, tree, transcript. Frozen values, standard library only.

Every value has an id that follows from its content (never from when or where it was made), and turns into a JSON row and
back without loss: `from_row(value.to_row()) == value`, also through `json.dumps`. Any other row is a KeyError (the
name of what is missing) or a ValueError of one line; whoever reads a file adds the file and the line.
"""

from aloe_hub.ids import call_seed, digest
from aloe_hub.types.personas import Persona, PoolText, Row, Split, TextSource, persona_and_split
from aloe_hub.types.transcripts import SHARES, Transcript, Turn
from aloe_hub.types.trees import MOST_REPLIES, Exchange, Index, Message, Order, Reply, ReplySource, Tree, Verdict

__all__ = [
    "MOST_REPLIES", "SHARES", "Exchange", "Index", "Message", "Order", "Persona", "PoolText", "Reply", "ReplySource", "Row",
    "Split", "TextSource", "Transcript", "Tree", "Turn", "Verdict", "call_seed", "digest", "persona_and_split",
]  # fmt: skip
