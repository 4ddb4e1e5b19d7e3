"""People who change: in the world's own sentences exactly, in free text by somebody else's."""

from random import Random

import pytest

from aloe_hub.types import Persona
from aloe_hub.world.changing import another_person, more, with_more
from aloe_hub.world.lexicon import DIMENSIONS, KINDS
from aloe_hub.world.speaking import personality_text, profile_text
from aloe_hub.world.understanding import read_personality, read_profile


def a_person(seed: int) -> Persona:
    random = Random(seed)
    return Persona(profile_text(random), personality_text(random))


@pytest.mark.parametrize("seed", range(20))
def test_a_fact_gets_another_value_of_its_kind_and_a_trait_its_opposite(seed):
    before = a_person(seed)
    after = another_person(before, None, 1.0, Random(1))
    facts = [[(fact.kind, fact.value) for fact in read_profile(one.profile)] for one in (before, after)]
    assert [kind for kind, _ in facts[0]] == [kind for kind, _ in facts[1]]
    assert not set(facts[0]) & set(facts[1])
    traits = [set(read_personality(one.personality)) for one in (before, after)]
    assert not traits[0] & traits[1]
    assert [any(set(pair) & one for pair in DIMENSIONS) for one in traits] == [True, True]
    assert after == another_person(before, None, 1.0, Random(1))


def test_free_text_gives_way_to_somebody_else_s():
    before = Persona("He restores old motorcycles. He owns two llamas.", "He tells stories.")
    other = Persona("She paints lighthouses. She hums at work.", "She never answers letters.")
    assert another_person(before, other, 1.0, Random(1)) == other
    assert another_person(before, None, 1.0, Random(1)) == before
    half = another_person(before, other, 0.5, Random(1))
    assert len(set(half.profile.split(". ")) & set(before.profile.split(". "))) == 1


@pytest.mark.parametrize("seed", range(20))
def test_a_longer_life_adds_what_was_not_spoken_of_one_thing_at_a_time(seed):
    person = a_person(seed)
    assert more(person) == len(KINDS) - 10 + len(DIMENSIONS) - 5
    known = person
    for number in range(1, more(person) + 1):
        longer = with_more(person, number, Random(seed))
        facts, traits = read_profile(longer.profile), read_personality(longer.personality)
        assert len(facts) + len(traits) == 15 + number
        assert len({fact.kind for fact in facts}) == len(facts)
        assert longer.profile.startswith(known.profile)
        assert longer.personality.startswith(known.personality)
        known = longer
