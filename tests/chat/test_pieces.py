"""What of a growing text can be heard: nothing that is taken back later, and in the end all of it."""

from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.chat.pieces import Pieces, before

LETTERS = st.text("abé€🎉\ufffd", max_size=12)


def heard(texts, stops=()):
    """The pieces of a text that is `texts`, one after the other; the last of them, what is heard at the end, may be empty."""
    pieces = Pieces(stops)
    return [*filter(None, map(pieces.grown, texts)), pieces.rest(texts[-1])]


@given(LETTERS)
def test_a_text_that_grows_byte_by_byte_is_heard_in_whole_characters_and_whole(text):
    letters = text.encode()
    grown = [letters[: end + 1].decode(errors="replace") for end in range(len(letters))]
    found = heard([*grown, text])
    assert "".join(found) == text
    assert all(not piece.endswith("\ufffd") for piece in found[:-1])
    assert found[-1].strip("\ufffd") == ""


@given(LETTERS, st.lists(st.text("abé", min_size=1, max_size=3), max_size=3))
def test_nothing_of_a_stop_string_is_heard(text, stops):
    pieces, found = Pieces(stops), ""
    for end in range(1, len(text) + 1):
        grown, stopped = before(text[:end], stops)
        if stopped:
            break
        found += pieces.grown(grown)
        assert text.startswith(found)
    whole = before(text, stops)[0]
    assert whole.startswith(found)
    assert found + pieces.rest(whole) == whole


def test_what_only_began_like_a_stop_string_is_heard_once_it_goes_on_otherwise():
    assert heard(["a", "a\n", "a\nUs", "a\nUsual"], ("\nUser:",)) == ["a", "\nUsual", ""]


def test_the_first_of_several_stop_strings_counts():
    assert before("one two three", ("three", "two")) == ("one ", True)
    assert before("one", ("two",)) == ("one", False)


def test_what_was_heard_stays_said_though_the_tokenizer_reads_it_in_another_way_later():
    assert heard(["do", "do n", "don't", "don't."]) == ["do", " n", "t."]
