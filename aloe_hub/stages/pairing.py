"""Profiles x personalities → personas, and which of them are held out for the benchmark. Paper, section 2.1."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from aloe_hub.errors import DataError
from aloe_hub.files.settings import at_least
from aloe_hub.types import Persona, PoolText, Split, call_seed


@dataclass(frozen=True, slots=True)
class Pairing:
    """How profiles and personalities are made into personas, and which are held out.

    The test split is `test_profiles` x `test_personalities`, fully crossed, taken out of the pool first: no profile and no
    personality is in both splits. `test_profiles` 0 keeps all for training.
    """

    pairings: int = 10
    test_profiles: int = 20
    test_personalities: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        at_least("--pairings", self.pairings, 1)
        at_least("--test-profiles", self.test_profiles, 0)
        at_least("--test-personalities", self.test_personalities, 0)
        at_least("--seed", self.seed, 0)


def pair(profiles: Sequence[PoolText], personalities: Sequence[PoolText], pairing: Pairing) -> Iterator[tuple[Split, Persona]]:
    """(split, persona): first those for training, in pool order, then the held-out ones.

    Seeds are held out only when nothing else is left: they stand in the package, where any model may have read them.

    Raises:
        DataError: the pool is too small for what is asked.
    """
    random = Random(call_seed(pairing.seed, "pairing"))
    held_profiles = _held_out(profiles, pairing.test_profiles, "profiles", random)
    held_personalities = _held_out(personalities, pairing.test_personalities if held_profiles else 0, "personalities", random)
    manners = [text.text for text in personalities if text not in held_personalities]
    if len(manners) < pairing.pairings:
        raise DataError(
            f"--pairings {pairing.pairings}: only {len(manners)} personalities are left for training; "
            "ask for fewer pairings or grow more personalities"
        )
    for profile in profiles:
        if profile not in held_profiles:
            for place in sorted(random.sample(range(len(manners)), pairing.pairings)):
                yield "train", Persona(profile.text, manners[place])
    for profile in held_profiles:
        for personality in held_personalities:
            yield "test", Persona(profile.text, personality.text)


def _held_out(texts: Sequence[PoolText], number: int, name: str, random: Random) -> list[PoolText]:
    if number >= len(texts) and number:
        raise DataError(f"--test-{name} {number}: the pool has {len(texts)} {name}; hold out fewer or grow more")
    fresh = [place for place, text in enumerate(texts) if text.source != "seed"]
    spare = [place for place, text in enumerate(texts) if text.source == "seed"]
    places = random.sample(fresh, min(number, len(fresh)))
    places += random.sample(spare, number - len(places))
    return [texts[place] for place in sorted(places)]
