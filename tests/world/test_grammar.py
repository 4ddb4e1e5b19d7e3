"""Which sentences of a reply are the world's own: all that it says itself, and nothing that is a word off."""

from random import Random

import pytest

from aloe_hub.world.grammar import parts
from aloe_hub.world.lexicon import KINDS, POLES, TOPICS
from aloe_hub.world.speaking import personality_text, plain_reply, profile_text, tailored_reply, used
from aloe_hub.world.understanding import Fact, Known, read_personality, read_profile


@pytest.mark.parametrize("topic", TOPICS)
def test_whatever_the_world_replies_is_its_own(topic):
    for seed in range(40):
        random = Random(f"{topic} {seed}")
        known = Known(read_profile(profile_text(random)), read_personality(personality_text(random)))
        for reply in (plain_reply(random, topic), tailored_reply(random, topic, known)):
            said = [part.says for part in parts(reply)]
            assert "tip" in said
            assert set(said) <= {"tip", "use", "phrase"}, reply


@pytest.mark.parametrize("kind", KINDS)
def test_a_use_is_read_back_to_its_kind_and_value(kind):
    for seed in range(30):
        value = Random(seed).choice(KINDS[kind].values)
        (part,) = parts(used(Fact(kind, value), Random(seed)))
        assert (part.says, part.about, part.what) == ("use", kind, value)


def test_a_clause_of_free_text_is_read_back():
    for seed in range(9):
        (part,) = parts(used(Fact("hobby", "enjoy long baths", free=True), Random(seed)))
        assert part.says == "free use"
        assert part.what.lower() == "you enjoy long baths"


@pytest.mark.parametrize(
    ("sentence", "says"),
    [
        ("Make it a bit Mexican.", "use"),
        ("Make it a bit Mexicans.", "wrong name"),
        ("Make it a bit Mexicans, so bui on that", "other"),
        ("Set the dinner table early.", "other"),
        ("set the dinner table early tonight.", "other"),
        ("Step one: First: Set the dinner table early tonight.", "tip"),
        ("Plainly: Do it.", "phrase"),
    ],
)
def test_a_word_off_is_off(sentence, says):
    assert [part.says for part in parts(sentence)] == [says]


def test_every_mark_is_a_phrase_or_a_lead():
    for pole in POLES.values():
        for mark in pole.marks:
            assert {part.says for part in parts(f"{mark} Good luck.")} == {"phrase"}
