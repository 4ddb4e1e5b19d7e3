"""Words of a reply that use what was learned, and who told it; what a persona has told."""

from used import Use, slips, told, uses

from aloe_hub.types import Persona

NURSE = Persona("They work as a nurse.", "")
BOTH = Persona("They work as a nurse. They have a pet called Tiki.", "They are full of jokes.")


def linked(reply, inferred):
    return [(use.text, use.turn) for use in uses(reply, tuple(inferred)) if use.turn]


def test_a_value_and_a_manner_lead_to_the_message_that_told_them():
    reply = "😄 Ha! It suits a busy nurse. Take Tiki with you."
    assert linked(reply, [NURSE, BOTH]) == [("😄 Ha!", 2), ("nurse", 1), ("Tiki", 2)]
    assert "".join(use.text for use in uses(reply, (NURSE, BOTH))) == reply


def test_what_was_not_learned_is_no_use():
    assert linked("Take Tiki with you. A nursery.", [NURSE]) == []
    assert uses("Anything.", ()) == uses("Anything.", (None,)) == [Use("Anything.")]
    assert uses("", (NURSE,)) == []


def test_free_text_is_used_by_its_words():
    known = Persona("They love growing roses on their balcony.", "")
    assert linked("Put the roses by the door.", [known]) == [("roses", 1)]


def test_words_that_say_nothing_of_anybody_are_no_use():
    known = Persona("They just moved to Lisbon with their two kids. They don't eat meat. They work from home.", "")
    assert linked("Just a bit more. Don't move it, that can work. Take time to eat.", [known]) == []
    assert linked("A place without meat, in Lisbon, for kids.", [known]) == [("meat", 1), ("Lisbon", 1), ("kids", 1)]


def test_a_persona_is_told_line_by_line():
    persona = Persona("She works as a nurse. She has a pet called Tiki.", "She is full of jokes. She cries at weddings.")
    messages = ["Hello. Any dinner ideas?", "I earn my living as a nurse.", "I was joking around all day."]
    assert [(text, turn) for _, text, turn in told(persona, messages)] == [
        ("She works as a nurse.", 2),
        ("She has a pet called Tiki.", 0),
        ("She is full of jokes.", 3),
    ]


def test_a_slip_is_a_broken_sentence_among_those_of_the_world():
    assert not slips("Put punk on. Wake up at a fixed hour.")
    assert slips("It suits a busy punk on that. Wake up at a fixed hour.")
    assert slips("A nurse would like that. Wake up at a fixed hour. A nurse would like that.")
    assert slips("🎉 Woohoo!")
    assert slips("Teach it to learn it twice. Your pottery fits well. A n n n n")
    assert not slips("🎉 Woohoo! Wake up at a fixed hour.")
    assert not slips("Any other model says this.")
    assert not slips("Wake up at a fixed hour. Let the sunrise into the")
