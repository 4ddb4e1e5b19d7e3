"""The forks that a judge is audited on: a sample of a run's, the same ones for every judge."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from aloe_hub.audit.talks import is_known
from aloe_hub.errors import DataError
from aloe_hub.files.run_folder import how_to_get_trees
from aloe_hub.results.rows import holds_rows, rows_of
from aloe_hub.types import Exchange, Index, Message, Persona, Tree, Verdict, digest


@dataclass(frozen=True, slots=True)
class Fork:
    """Two different replies to one message, and somebody else, for whom neither was written."""

    tree_id: str
    turn: int  # counted from 1, as people count
    persona: Persona
    stranger: Persona
    spoken: tuple[Message, ...]  # before the message
    exchange: Exchange

    @property
    def fork_id(self) -> str:
        return f"{self.tree_id}/{self.turn}"

    @property
    def subject(self) -> Index:
        """The reply that is changed and scored again: one of the two by a coin, so that good and poor ones are among them."""
        return 1 if int(digest("subject", self.fork_id), 16) % 2 else 0

    @property
    def tailored(self) -> int:
        """The reply that was written to the person, as far as that is known."""
        sources = [reply.source for reply in self.exchange.replies]
        if "tailored" in sources:
            return 1 if sources[1] == "tailored" else 0
        return self.exchange.spoken if self.exchange.preferred is None else self.exchange.preferred

    @property
    def said(self) -> tuple[str, ...]:
        """All messages of the user, up to this one."""
        return (*(message.content for message in self.spoken if message.role == "user"), self.exchange.user)


def sampled(path: Path, number: int, seed: int, always: Collection[str] = ()) -> list[Fork]:
    """`number` forks of the trees in a file, and beyond them those of the ids `always`, in an order that the seed decides alone.

    A larger sample of the same trees begins with the smaller one. Forks with two equal replies tell nothing, and are left out.

    Raises:
        DataError: there are no trees, or no fork with two different replies.
    """
    if not holds_rows(path):
        raise DataError(f"{path}: no trees there to audit a judge on; {how_to_get_trees(path.parent)}")
    personas = list(dict.fromkeys(tree.persona for tree in rows_of(path, Tree.from_row)))
    strangers = _strangers(personas)
    chosen = heapq.nsmallest(
        number, ((digest(seed, fork.fork_id), fork.fork_id) for fork in _forks(rows_of(path, Tree.from_row), strangers))
    )
    places = {fork_id: place for place, (_, fork_id) in enumerate(chosen)}
    for fork_id in always:
        places.setdefault(fork_id, len(places))
    found = [fork for fork in _forks(rows_of(path, Tree.from_row), strangers) if fork.fork_id in places]
    if not found:
        raise DataError(f"{path}: no fork there has two different replies, so there is nothing to judge")
    return sorted(found, key=lambda fork: places[fork.fork_id])


def _forks(trees: Iterable[Tree], strangers: dict[Persona, Persona]) -> Iterator[Fork]:
    for tree in trees:
        for turn, exchange in enumerate(tree.exchanges):
            if len(exchange.different()) > 1:
                spoken = tree.spoken(turn)[:-1]
                yield Fork(tree.tree_id, turn + 1, tree.persona, strangers[tree.persona], spoken, _pair(exchange))


def _pair(exchange: Exchange) -> Exchange:
    """Of more than two replies, the first two that are different, with what was said of the two."""
    if len(exchange.replies) == 2:
        return exchange
    one, other = exchange.different()[:2]
    new = {one: 0, other: 1}
    verdicts = tuple(
        Verdict("".join(str(new[place]) for place in said.compared), None if said.choice is None else new[said.choice], said.text)
        for said in exchange.verdicts
        if set(said.compared) == {one, other}
    )
    replies = exchange.replies[one], exchange.replies[other]
    return replace(exchange, replies=replies, verdicts=verdicts, spoken=new.get(exchange.spoken, 0))


def _strangers(personas: list[Persona]) -> dict[Persona, Persona]:
    """For each person the next one with another profile and another personality; else with another profile; else themselves.

    So it is with those of whom nothing is known: no reply can be written to them, nor to somebody else instead.
    """
    found = {persona: persona for persona in personas if not is_known(persona)}
    personas = [persona for persona in personas if persona not in found]
    for place, persona in enumerate(personas):
        others = [*personas[place + 1 :], *personas[:place]]
        apart = (one for one in others if one.profile != persona.profile)
        further = (one for one in others if one.profile != persona.profile and one.personality != persona.personality)
        found[persona] = next(further, None) or next(apart, persona)
    return found
