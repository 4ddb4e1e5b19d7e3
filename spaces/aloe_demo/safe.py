"""Text of strangers (visitors, personas, models) is data: shown as text whatever it holds, cut with a notice, or refused.

No Markdown is rendered, so nothing in a text is ever fetched; HTML is escaped; each text is an element of its own whose direction
follows its letters, so that right-to-left text stays in its place. Long words are broken by the style sheet (`.text`).
"""

from __future__ import annotations

import unicodedata

from markupsafe import Markup

from aloe_hub.errors import UsageError
from aloe_hub.text import is_blank, valid

MOST_SHOWN = 8000  # characters of one text
LEAST_REPEATED, MOST_REPEATED = 8, 200  # characters of what a small model may say again and again


def tidy(text: str) -> str:
    """`text` as every browser and every JSON can hold it: without control characters and halves of surrogate pairs.

    >>> tidy("a\\x00b\\x1b[31m\\ud800")
    'ab[31m�'
    """
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return "".join(letter for letter in whole if letter in "\n\t" or unicodedata.category(letter) != "Cc")


def shown(text: str, most: int = MOST_SHOWN) -> Markup:
    """A text as an element of HTML, cut with a notice where it is too long for a page.

    >>> shown("<b>hi")
    Markup('<div class="text" dir="auto">&lt;b&gt;hi</div>')
    """
    whole = tidy(text)
    element = Markup('<div class="text" dir="auto">{}</div>').format(whole[:most])
    if len(whole) <= most:
        return element
    return element + Markup('<p class="cut">cut here: {:,} of {:,} characters are shown</p>').format(most, len(whole))


def repeats(text: str) -> int | None:
    """Where a text whose end is one thing four times in a row begins to say it again; None, where it does not.

    >>> text = "It is lovely. And you are here. And you are here. And you are here. And you are here."
    >>> text[:repeats(text)]
    'It is lovely. And you are here.'
    """
    for size in range(LEAST_REPEATED, min(MOST_REPEATED, len(text) // 4) + 1):
        again = text[-size:]
        if text.endswith(again * 4) and len({*again}) > 1 and any(map(str.isalpha, again)):  # and no line of dashes
            place = len(text)
            while text.endswith(again, 0, place):
                place -= size
            return place + size
    return None


def entered(text: str | None, what: str, most: int) -> str:
    """What somebody typed, as valid Unicode, without blanks around it.

    Raises:
        UsageError: nothing that can be seen, or more than the page takes.
    """
    found = valid(text or "").strip()
    if is_blank(found):
        raise UsageError(f"{what} is empty: write something first")
    if len(found) > most:
        raise UsageError(f"{what} has {len(found):,} characters, and this page takes {most:,}: shorten it")
    return found
