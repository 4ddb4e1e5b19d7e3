"""Is a simulated user a person: how fast it tells who it is, whether it stays that person, how varied it is, how like people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from aloe_hub.audit.diversity import MOST, distinct, topics, vendi
from aloe_hub.audit.likeness import among_themselves, likeness
from aloe_hub.audit.measured import Floats, mean, places, share
from aloe_hub.audit.talks import Talk
from aloe_hub.chat.scripted import revealing
from aloe_hub.chat.semantic.reading import sentences
from aloe_hub.embedding import Vectors
from aloe_hub.types import digest

Embed = Callable[[str], Vectors]
AMONG = 100  # personas that a user's own is looked for among


def findings(
    talks: Sequence[Talk], *, scripted: bool, embed: Embed | None, real: Sequence[Talk] = (), seed: int = 0
) -> dict[str, Any]:
    """scripted: the user is of the scripted world, whose facts can be read exactly. embed: without it what needs it is None."""
    few = sorted(talks, key=lambda talk: digest(seed, talk.talk_id))
    found: dict[str, Any] = {
        "conversations": len(talks),
        "revelation": revelation(talks),
        "contradictions": contradictions(talks) if scripted else None,
        "distinct": {str(n): distinct([message for talk in few[:AMONG] for message in talk.messages], n) for n in (1, 2, 3)},
        "found": None,
        "vendi": None,
        "topics": None,
    }
    if embed is not None:
        messages = list(dict.fromkeys(message for talk in few for message in talk.messages))[:MOST]
        vectors = np.stack([embed(message) for message in messages])
        found |= {"found": found_again(few, embed, seed), "vendi": vendi(vectors), "topics": topics(vectors)}
        found["vendi_of"] = len(messages)
    if real:
        found |= {"likeness": likeness(talks, real, seed=seed), "people_among_themselves": among_themselves(real, seed=seed)}
    return found


def revelation(talks: Sequence[Talk]) -> dict[str, Any] | None:
    """R(k), the share of the persona that is told by turn k, and its largest step; None where it was not measured."""
    measured = [talk for talk in talks if talk.revealed]
    turns = min((len(talk.revealed) for talk in measured), default=0)
    if not turns:
        return None
    table = np.array([talk.revealed[:turns] for talk in measured])
    people = places([talk.user for talk in measured])
    steps = np.diff(table, axis=1, prepend=0.0)
    largest = int(steps.mean(axis=0).argmax())
    return {
        "r": [share(column, people) for column in table.T],
        "largest_step": {"turn": largest + 1, "step": mean(steps[:, largest], people, within=(-1, 1))},
    }


def contradictions(talks: Sequence[Talk]) -> dict[str, Any] | None:
    """The share of messages that say of the user what is not so: exact, in the scripted world."""
    known = [talk for talk in talks if talk.persona is not None]
    shares = [revealing.contradicts(talk.persona, message) for talk in known if talk.persona for message in talk.messages]
    people = places([talk.user for talk in known for _ in talk.messages])
    return {"messages": len(shares), "share": share([float(one) for one in shares], people)} if shares else None


def found_again(talks: Sequence[Talk], embed: Embed, seed: int = 0) -> dict[str, Any] | None:
    """Whether a user's messages lie nearest to the user's own persona, among as many as `AMONG` of the run.

    `top1`: how often the own one comes first. `rank`: its mean rank; by chance half of `among`, and a half more. None where
    fewer than two personas are known.
    """
    known = [talk for talk in talks if talk.persona is not None][:AMONG]
    personas = list(dict.fromkeys(talk.persona for talk in talks if talk.persona is not None))
    personas = sorted(personas, key=lambda one: digest(seed, one.persona_id))
    if len(personas) < 2:
        return None
    of_persona = {one: _middle(sentences(f"{one.profile}\n{one.personality}"), embed) for one in personas}
    ranks = []
    for talk in known:
        own = talk.persona
        assert own is not None
        others = [one for one in personas if one != own][: AMONG - 1]
        said = _middle(talk.messages, embed)
        nearer = sum(float(said @ of_persona[one]) > float(said @ of_persona[own]) for one in others)
        ranks.append(1.0 + nearer)
    people = places([talk.user for talk in known])
    top: list[float] = [float(rank == 1) for rank in ranks]
    among = min(AMONG, len(personas))
    return {"among": among, "top1": share(top, people), "rank": mean(ranks, people, within=(1, among))}


def _middle(texts: Sequence[str], embed: Embed) -> Floats:
    """The direction of the mean of some texts."""
    total = np.sum([np.asarray(embed(text), dtype=float) for text in texts], axis=0)
    out: Floats = total / max(1e-12, float(np.linalg.norm(total)))
    return out
