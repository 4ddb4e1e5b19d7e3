"""Profiles x personalities → personas, and the held-out ones among them."""

from collections import Counter

import pytest

from aloe_hub.errors import DataError
from aloe_hub.stages.pairing import Pairing, pair
from aloe_hub.types import PoolText


def texts(kind, number, source="generated"):
    return [PoolText(f"{kind} {index}", source) for index in range(number)]


def test_no_profile_and_no_personality_is_in_both_splits_and_the_test_split_is_crossed():
    found = list(pair(texts("profile", 40), texts("personality", 20), Pairing(pairings=7)))
    train = [persona for split, persona in found if split == "train"]
    test = [persona for split, persona in found if split == "test"]
    assert len(train) == 20 * 7
    assert len(test) == 20 * 5 == len({persona.persona_id for persona in test})
    assert not {persona.profile for persona in train} & {persona.profile for persona in test}
    assert not {persona.personality for persona in train} & {persona.personality for persona in test}
    assert Counter(persona.profile for persona in train).most_common()[-1][1] == 7
    assert len({persona.persona_id for persona in train}) == len(train)


def test_zero_test_profiles_keep_all_for_training():
    found = list(pair(texts("profile", 331), texts("personality", 71), Pairing(test_profiles=0)))
    assert len(found) == 3310
    assert {split for split, _ in found} == {"train"}
    assert len({persona.personality for _, persona in found}) == 71


def test_seeds_are_held_out_last():
    profiles = [*texts("seed", 20, "seed"), *texts("profile", 20)]
    personalities = [*texts("seed", 20, "seed"), *texts("personality", 5)]
    held = [persona for split, persona in pair(profiles, personalities, Pairing()) if split == "test"]
    assert not any("seed" in persona.profile or "seed" in persona.personality for persona in held)


@pytest.mark.parametrize(
    ("profiles", "personalities", "message"),
    [(20, 20, "--test-profiles 20"), (30, 5, "--test-personalities 5"), (30, 12, "--pairings 10: only 7")],
)
def test_a_pool_too_small_for_the_split_is_refused(profiles, personalities, message):
    with pytest.raises(DataError, match=message):
        list(pair(texts("profile", profiles), texts("personality", personalities), Pairing()))
