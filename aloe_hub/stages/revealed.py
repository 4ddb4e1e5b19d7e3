"""R(k), the share of a persona that the user's messages have revealed by turn k: what a policy can know of them at most.

In the scripted world it is exact, and beside it stand the share of the profile that was told, and the share that replies have
used. Elsewhere an embedder stands in for a reader: a sentence of the persona is told once a sentence of a message lies near it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from aloe_hub.chat.scripted import revealing
from aloe_hub.stages.people import Person
from aloe_hub.types import Persona

EXACT = "exact"
# Cosine similarity. Where R(k) is known, all-MiniLM's follows it best from 0.3 (personas of the world's grammar) to 0.4 (those of
# the demo's recipe), r = 0.96 at either's best: `python bench/revealed.py`. It reads too little, 0.56 where 0.99 was told: a cue
# such as "Long texts tire me." resembles no sentence of a persona.
NEAR = 0.4
MOST_KNOWN = 1 << 14  # sentences whose vectors are kept, 25 MB
Measure = Callable[[Person, Sequence[tuple[str, str]]], list[dict[str, float]]]  # (user, reply) of each turn → shares of each
Near = Callable[[Sequence[str], Sequence[str]], list[bool]]  # for each of these sentences, whether one of those lies near it

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def measure_of(revealed: str | None) -> Measure:
    """What measures a conversation, as the setting `revealed` says.

    Raises:
        AloeError: the embedder cannot be opened.
    """
    if revealed is None:
        return not_measured
    return exactly if revealed == EXACT else by_embedder(revealed)


def not_measured(person: Person, said: Sequence[tuple[str, str]]) -> list[dict[str, float]]:
    return [{} for _ in said]


def exactly(person: Person, said: Sequence[tuple[str, str]]) -> list[dict[str, float]]:
    return [share._asdict() for share in revealing.shares(person.turns, said, person.whole)]


def by_embedder(name: str, near_from: float = NEAR) -> Measure:
    """`revealed` alone: the share of the persona's sentences to which something that the user said so far is similar."""
    near = nearness(name, near_from)

    def measure(person: Person, said: Sequence[tuple[str, str]]) -> list[dict[str, float]]:
        told: list[str] = []
        shares = []
        for persona, (message, _) in zip(person.turns, said, strict=True):
            told += sentences(message)
            items = statements(person.whole or persona)
            shares.append({"revealed": round(sum(near(items, told)) / len(items), 4)})
        return shares

    return measure


def nearness(name: str, near_from: float = NEAR) -> Near:
    """By an embedder. Raises: AloeError: it cannot be opened."""
    from aloe_hub.embedding import Vectors, open_embedder

    embed, known = open_embedder(name), dict[str, Vectors]()

    def vectors(sentences: Sequence[str]) -> list[Vectors]:
        if len(known) > MOST_KNOWN:
            known.clear()
        if new := [sentence for sentence in dict.fromkeys(sentences) if sentence not in known]:
            known.update(zip(new, embed(new), strict=True))
        return [known[sentence] for sentence in sentences]

    def near(these: Sequence[str], those: Sequence[str]) -> list[bool]:
        mine, its = vectors(these), vectors(those)
        return [any(float(one @ other) >= near_from for other in its) for one in mine]

    return near


def statements(persona: Persona) -> list[str]:
    return sentences(persona.profile) + sentences(persona.personality)


def sentences(text: str) -> list[str]:
    return [sentence for sentence in _SENTENCE_END.split(text.strip()) if sentence]
