"""What the inferrer stated, and since when."""

from understood import understood

from aloe_hub.types import Persona


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
