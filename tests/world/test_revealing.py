"""How much of a person has been told, and used."""

from aloe_hub.types import Persona
from aloe_hub.world.revealing import shares, size

PERSON = Persona("She works as a nurse. She loves sushi.", "She is full of jokes. She has a soft heart.")
SAID = [
    ("I love sushi. Any dinner ideas?", "A warm recipe is always welcome. Have some sushi."),
    ("Haha, what a day! Any dinner ideas?", "A warm recipe is always welcome. It suits a busy nurse."),
    ("I work as a nurse. How do I stay fit?", "Walk half an hour every day. Have some pho."),
]


def test_facts_and_traits_are_told_one_by_one_and_a_guess_recalls_nothing():
    assert size(PERSON) == 4
    found = list(shares([PERSON] * 3, SAID))
    assert [one.revealed for one in found] == [0.25, 0.5, 0.75]
    assert [one.told for one in found] == [0.5, 0.5, 1.0]
    assert [one.recalled for one in found][:2] == [0.5, 0.5]  # the job was used before it was told


def test_who_has_more_to_tell_has_told_less():
    whole = Persona(f"{PERSON.profile} She always orders chai. Her hobby is chess.", PERSON.personality)
    assert [one.told for one in shares([PERSON] * 3, SAID, whole)] == [0.25, 0.25, 0.5]


def test_who_becomes_another_has_told_nothing_of_that_person():
    other = Persona("She works as a pilot. She loves tacos.", "She takes most things gravely.")
    assert [one.revealed for one in shares([PERSON, PERSON, other], SAID)] == [0.25, 0.5, 0.0]


def test_of_nobody_nothing_is_told():
    nobody = Persona("Hm.", "Hm.")
    assert [tuple(one) for one in shares([nobody], SAID[:1])] == [(0.0, 0.0, 0.0)]
