"""How near texts are to one another in meaning, by all-MiniLM-L6-v2: the one embedder of chats, so their names say it all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from typing import Any

from aloe_hub.embedding import EMBEDDED, Vectors, open_embedder

REMEMBERED = 16_384  # texts, 25 MB: what was said is looked at again in every later turn, of a hundred conversations at once


def nearness(text: str, others: Sequence[str]) -> list[float]:
    """The cosine similarity of each of some texts to a text.

    Embedding takes place in the event loop, for some milliseconds a text: in a thread it would end when it likes, and the batches
    in which a model of this process is asked would be others in every run.
    """
    embed = embedder()
    own: Any = embed(text)
    return [float(own @ embed(other)) for other in others]


@cache
def embedder() -> Callable[[str], Vectors]:
    """The vector of a text; those of the last texts are remembered. Raises: AloeError: the embedder is not installed."""
    embed = open_embedder(EMBEDDED)
    return lru_cache(REMEMBERED)(lambda text: embed([text])[0])
