"""What the inferrer stated, and since when."""

import asyncio

import pytest
from understood import understood

from aloe_hub.chat.scripted import Scripted
from aloe_hub.stages import roles
from aloe_hub.stages.roles import Call
from aloe_hub.types import Message, Persona
from tests.spaces.aloe_demo.free_messages import TOLD


def test_a_statement_is_new_in_the_turn_in_which_it_was_first_made():
    turns = [
        Persona("They sing.", ""),
        Persona("They sing. They have a cat!", "They are brief."),
        Persona("they sing", "They are brief."),
    ]
    found = [(statement.kind, statement.text, statement.turn, statement.new) for statement in understood(turns[:2])]
    assert found == [
        ("profile", "They sing.", 1, False),
        ("profile", "They have a cat!", 2, True),
        ("personality", "They are brief.", 2, True),
    ]
    last = [(statement.text, statement.turn, statement.new) for statement in understood(turns)]
    assert last == [
        ("they sing", 1, False),
        ("They are brief.", 2, False),
    ]


def test_a_turn_without_an_inference_keeps_what_was_known_and_nothing_is_new():
    found = understood([Persona("They sing.", ""), None])
    assert [(statement.text, statement.new) for statement in found] == [("They sing.", False)]
    assert understood([None]) == understood([]) == []


def test_the_same_words_in_profile_and_personality_are_two_statements():
    assert len(understood([Persona("They sing.", "They sing.")])) == 2


@pytest.mark.parametrize(("messages", "listed"), TOLD)
def test_what_is_listed_of_free_text_is_lasting_and_not_taken_back(messages, listed):
    said = [Message("user", text) for text in messages]
    inferred = [asyncio.run(roles.inferred(Scripted(), said[:count], Call("t", 0))) for count in range(1, len(said) + 1)]
    assert [statement.text for statement in understood(inferred)] == listed


def test_a_statement_that_is_so_again_takes_the_place_of_its_denial():
    assert [one.text for one in understood([Persona("They do not eat meat. They eat meat.", "")])] == ["They eat meat."]
    assert [one.text for one in understood([Persona("The user has a dog. The user no longer has a dog.", "")])] == []
