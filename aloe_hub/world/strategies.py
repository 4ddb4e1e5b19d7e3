"""Policies of the world: what the user has said → a reply. The oracle, an answer for anybody, and strategies with known faults.

    tailored     all that was said, in the manner that was asked for (the oracle)
    memoryless   the same, of the last message alone: adapts, and does not remember
    facts        the oracle's content in nobody's manner
    style        the oracle's manner without its content
    plain        an answer for anybody
    constant     always the same words
    parrot       the user's last message
    dump         recites all that it knows
    leak         knows the whole person from the first turn
    stranger     knows another person, and takes the user for them

The last two are handed a persona, which no real policy is: see `HANDED`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from aloe_hub.world import speaking
from aloe_hub.world.understanding import Known, newest, read_message, topic_of

Strategy = Callable[[Random, Sequence[str]], str]


def tailored(random: Random, said: Sequence[str]) -> str:
    return knowing(random, said, newest(said))


def memoryless(random: Random, said: Sequence[str]) -> str:
    return knowing(random, said, read_message(said[-1]))


def facts(random: Random, said: Sequence[str]) -> str:
    return knowing(random, said, Known(facts=newest(said).facts))


def style(random: Random, said: Sequence[str]) -> str:
    return knowing(random, said, Known(traits=newest(said).traits))


def plain(random: Random, said: Sequence[str]) -> str:
    return speaking.plain_reply(random, topic_of(said[-1]))


def constant(random: Random, said: Sequence[str]) -> str:
    return speaking.constant_reply()


def parrot(random: Random, said: Sequence[str]) -> str:
    return said[-1]


def dump(random: Random, said: Sequence[str]) -> str:
    return speaking.dump_reply(random, newest(said))


def knowing(random: Random, said: Sequence[str], known: Known) -> str:
    """A reply to the last message, tailored to `known`."""
    return speaking.tailored_reply(random, topic_of(said[-1]), known)


STRATEGIES: dict[str, Strategy] = {
    strategy.__name__: strategy for strategy in (tailored, plain, constant, parrot, dump, memoryless, facts, style)
}
# Whose persona the benchmark hands to a strategy that is told one. Both speak as the oracle does, of what they were told.
HANDED = {"leak": "the user's own", "stranger": "another's"}
