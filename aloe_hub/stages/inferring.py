"""How well a statement of who the user is agrees with what the user has told: an F1, as RLPA's profile reward (arXiv 2505.15456).

Of what has been told, what does the statement hold (recall); of what it holds, what has been told (precision). In the scripted
world both are exact, over facts and traits. Elsewhere an embedder stands in for a reader: a sentence is held by another text if
one of that text's sentences lies near it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import compress

from aloe_hub import parsing
from aloe_hub.chat.base import ChatReply
from aloe_hub.chat.scripted import revealing
from aloe_hub.errors import ParseError
from aloe_hub.stages.revealed import EXACT, nearness, sentences, statements
from aloe_hub.types import Persona

# A statement, the persona and what the user has said → F1; None where nothing has been told yet.
Agreement = Callable[[Persona, Persona, Sequence[str]], float | None]

_TAG = re.compile(r"</?[A-Za-z|_]{1,20}>")


def stated_in(raw: str) -> Persona:
    """What the reasoning before a reply states of the user, under the labels of the inferrer; nothing where it has none.

    >>> stated_in("<think>\\nProfile: They have a cat.\\nPersonality: unknown\\n</think>\\n\\nHow is the cat?")
    Persona(profile='They have a cat.', personality='')
    """
    answer = ChatReply.received(raw).text
    before = raw[: raw.rfind(answer)] if answer else raw
    try:
        return parsing.inferred(_TAG.sub("\n", before))
    except ParseError:
        return Persona("", "")


def agreement_of(how: str) -> Agreement:
    """ "exact", or the name of an embedder.

    Raises:
        AloeError: the embedder cannot be opened.
    """
    if how == EXACT:
        return revealing.agreement
    near = nearness(how)

    def agreement(stated: Persona, persona: Persona, said: Sequence[str]) -> float | None:
        of = statements(persona)
        told = list(compress(of, near(of, [part for text in said for part in sentences(text)])))
        if not told:
            return None
        states = statements(stated)
        return f1(sum(near(states, told)), len(states), sum(near(told, states)), len(told))

    return agreement


def f1(right: float, stated: int, held: float, told: int) -> float:
    """The harmonic mean of precision and recall; 0 where either is.

    >>> f1(1, 2, 1, 1)
    0.6666666666666666
    """
    precision, recall = right / stated if stated else 0.0, held / told
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0
