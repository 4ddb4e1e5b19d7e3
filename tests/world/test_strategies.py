"""Strategies: each uses what it may, and nothing else."""

from random import Random

import pytest

from aloe_hub.world.grammar import parts
from aloe_hub.world.lexicon import POLES
from aloe_hub.world.strategies import STRATEGIES
from aloe_hub.world.understanding import newest

SAID = ["I love sushi. Haha, what a day! How can I relax tonight?", "I work as a nurse. Any dinner ideas?"]
MARKS = [mark for pole in POLES.values() for mark in pole.marks]


@pytest.mark.parametrize(
    ("name", "remembers", "marked"),
    [
        ("tailored", True, True),
        ("facts", True, False),
        ("style", False, True),
        ("memoryless", False, False),
        ("plain", False, False),
    ],
)
def test_a_strategy_uses_what_its_name_says(name, remembers, marked):
    for seed in range(10):
        reply = STRATEGIES[name](Random(seed), SAID)
        assert any(part.what == "sushi" for part in parts(reply)) == remembers
        assert any(mark in reply for mark in MARKS) == marked


def test_who_says_something_else_of_themselves_is_taken_at_their_last_word():
    known = newest(["I love sushi. Haha, what a day!", "I have a dog named Bo.", "I love tacos. I take things seriously."])
    assert [fact.value for fact in known.facts] == ["have a dog named Bo", "tacos"]
    assert known.traits == ("serious",)
