"""One sentence in three persons: exact for all that the world says, usable for free text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.world.lexicon import COLOURS, KINDS, POLES
from aloe_hub.world.sentences import (
    SUBJECTS,
    capital,
    from_first,
    from_third,
    inflected,
    split_sentences,
    to_first,
    to_third,
    uninflected,
)


def some(values):
    """Several values of a kind, the first, the last and some between."""
    return sorted({*values[:: max(1, len(values) // 5)], values[-1]})


SAID = sorted({said.replace("{v}", value) for kind in KINDS.values() for said in kind.said for value in some(kind.values)})
SHOWN = sorted({f"you {said}" for pole in POLES.values() for said in pole.said} | {f"you {colour}" for colour in COLOURS})


@pytest.mark.parametrize("subject", SUBJECTS)
def test_every_sentence_of_the_lexicon_comes_back_from_the_third_person(subject):
    for you in (*SAID, *SHOWN):
        third = to_third(you, subject)
        assert third.startswith((subject.capitalize(), SUBJECTS[subject].capitalize()))
        assert split_sentences(third) == [third]
        assert from_third(third) == you, third


def test_every_sentence_of_the_lexicon_comes_back_from_the_first_person():
    for you in (*SAID, *SHOWN):
        first = to_first(you)
        assert first.startswith(("I ", "My "))
        assert split_sentences(first) == [first]
        assert from_first(first) == you, first


@pytest.mark.parametrize("subject", SUBJECTS)
def test_no_sentence_of_the_lexicon_mixes_persons(subject):
    others = {"you", "your"} | {word for pair in SUBJECTS.items() for word in pair} - {subject, SUBJECTS[subject]}
    for you in SAID:
        assert others.isdisjoint(to_third(you, subject).lower().split()), you
        assert {"you", "your"}.isdisjoint(to_first(you).lower().split()), you


@pytest.mark.parametrize(
    ("you", "first", "she", "they"),
    [
        ("you are a nurse", "I am a nurse.", "She is a nurse.", "They are a nurse."),
        ("your roots are Welsh", "My roots are Welsh.", "Her roots are Welsh.", "Their roots are Welsh."),
        ("you never plan ahead", "I never plan ahead.", "She never plans ahead.", "They never plan ahead."),
        ("you carry your bag", "I carry my bag.", "She carries her bag.", "They carry their bag."),
        ("you watch birds", "I watch birds.", "She watches birds.", "They watch birds."),
        ("you have long been shy", "I have long been shy.", "She has long been shy.", "They have long been shy."),
        ("you cannot stay up", "I cannot stay up.", "She cannot stay up.", "They cannot stay up."),
        ("you went to college", "I went to college.", "She went to college.", "They went to college."),
        ("you would rather be safe", "I would rather be safe.", "She would rather be safe.", "They would rather be safe."),
    ],
)  # fmt: skip
def test_a_sentence_in_three_persons(you, first, she, they):
    assert (to_first(you), to_third(you, "she"), to_third(you, "they")) == (first, she, they)
    assert from_first(first) == from_third(she) == from_third(they) == you


@pytest.mark.parametrize(
    ("sentence", "you"),
    [
        ("She's a 34-year-old designer.", "you are a 34-year-old designer"),
        ("he’s fond of chess!", "you are fond of chess"),
        ("They're close to their sister.", "you are close to your sister"),
        ("He has two cats named Pixel and Scribble.", "you have two cats named Pixel and Scribble"),
        ("He often studies late.", "you often study late"),
        ("She recently moved to Porto.", "you recently moved to Porto"),
        ("Her husband and she run a bakery.", "your husband and she run a bakery"),
        ("She runs her own bakery.", "you run your own bakery"),
        ("She lives with her brother and his cat.", "you live with your brother and his cat"),
        ("His wife and her sister sing.", "your wife and her sister sing"),
        ("He keeps to himself.", "you keep to yourself"),
        ("He goes fishing.", "you go fishing"),
        ("She passes by.", "you pass by"),
    ],
)
def test_free_text_in_the_third_person_is_read_usefully(sentence, you):
    assert from_third(sentence) == you


@pytest.mark.parametrize(
    ("sentence", "you"),
    [
        ("I'm a nurse.", "you are a nurse"),
        ("I’ve two cats!", "you have two cats"),
        ("i was a sailor", "you were a sailor"),
        ("My sister lives with me.", "your sister lives with you"),
    ],
)
def test_free_text_in_the_first_person_is_read_usefully(sentence, you):
    assert from_first(sentence) == you


@pytest.mark.parametrize(
    "sentence", ["", " ", "I", "My.", "I.", "Nice.", "You are kind.", "She is kind.", "Itching all day.", "..."]
)
def test_a_sentence_that_is_not_about_the_speaker_is_none(sentence):
    assert from_first(sentence) is None


@pytest.mark.parametrize("sentence", ["", "She", "Her.", "I am kind.", "The cat sleeps.", "Sheila sings.", "..."])
def test_a_sentence_that_is_not_about_one_person_is_none(sentence):
    assert from_third(sentence) is None


@pytest.mark.parametrize(
    "verb", ["work", "have", "are", "do", "go", "carry", "play", "watch", "wish", "pass", "fix", "buzz", "cannot", "had"]
)
def test_a_verb_comes_back_from_its_third_person(verb):
    assert uninflected(inflected(verb)) == verb


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("She has a Ph.D. in law. She sings.", 2),
        ("He met Dr. Smith at St. Mary's. Fine!", 2),
        ("One?  Two!\n\nThree", 3),
        ("", 0),
        (" \n", 0),
        ("It costs 5.50 now.", 1),
    ],
)  # fmt: skip
def test_sentences_are_split_at_their_ends_alone(text, count):
    assert len(split_sentences(text)) == count


def test_a_capital_changes_the_first_letter_alone():
    assert (capital("yOu"), capital(""), capital("éa")) == ("YOu", "", "Éa")


@given(st.text())
def test_any_text_can_be_read(text):
    for sentence in (text, *split_sentences(text)):
        for you in (from_first(sentence), from_third(sentence)):
            assert you is None or you.startswith(("you ", "your "))
    inflected(text)
    uninflected(text)


@given(
    st.lists(
        st.sampled_from(["I", "my", "me", "You", "are", "is", "has", "y", "s", "she", "Her", "their", "often", ".", "!", ","])
    )
)
def test_any_odd_sentence_can_be_turned_and_turned_back(words):
    sentence = " ".join(words)
    for you in (from_first(sentence), from_third(sentence)):
        if you is not None:
            to_first(you)
            for subject in SUBJECTS:
                to_third(you, subject)
