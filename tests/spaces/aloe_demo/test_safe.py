"""Text of strangers is shown as text, cut with a notice, or refused with a message."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from safe import entered, repeats, shown, tidy

from aloe_hub.errors import UsageError


class Seen(HTMLParser):
    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.tags, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))

    def handle_data(self, data):
        self.text += data


@given(st.text(max_size=200))
def test_any_text_is_one_element_that_holds_just_that_text(text):
    seen = Seen()
    seen.feed(str(shown(text)))
    assert seen.tags == [("div", [("class", "text"), ("dir", "auto")])]
    assert seen.text == tidy(text)
    tidy(text).encode()


@given(st.text(max_size=200))
def test_what_is_tidied_is_tidy(text):
    assert tidy(tidy(text)) == tidy(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]", tidy(text))


def test_a_text_too_long_for_a_page_is_cut_with_a_notice():
    page = shown("א" * 20_000)
    assert page.count("א") == 8000
    assert "cut here: 8,000 of 20,000 characters are shown" in page


def test_what_is_typed_is_stripped_or_refused():
    assert entered("  hello \n", "the message", 10) == "hello"
    assert entered("Ju\u0308rgen \ud83d\0", "the message", 10) == "Jürgen \ufffd"
    for text in (None, "", " \n\x00", "\u200b\ufeff"):
        with pytest.raises(UsageError, match="the message is empty"):
            entered(text, "the message", 10)
    with pytest.raises(UsageError, match="the message has 20,000 characters, and this page takes 4,000"):
        entered("x" * 20_000, "the message", 4000)


def test_one_thing_again_and_again_is_found_whatever_it_is_but_no_line_of_dashes():
    assert repeats("A: " * 60) == len("A: " * 3)
    assert repeats("A n n n n n n n n n n n n n n n n n n") is not None
    assert repeats("w" * 80) is None
    assert repeats("Dinner:\n" + "-" * 80) is None
    assert repeats("Yes, yes, yes, and no.") is None
