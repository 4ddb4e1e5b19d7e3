"""Text of strangers (visitors, personas, models) is data: shown as text whatever it holds, cut with a notice, or refused.

No Markdown is rendered, so nothing in a text is ever fetched; HTML is escaped; each text is an element of its own whose direction
follows its letters, so that right-to-left text stays in its place. Long words are broken by the style sheet (`.text`).
"""

from __future__ import annotations

import unicodedata

from markupsafe import Markup

from aloe_hub.errors import UsageError

MOST_SHOWN = 8000  # characters of one text


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


def entered(text: str | None, what: str, most: int) -> str:
    """What somebody typed, without blanks around it.

    Raises:
        UsageError: nothing, or more than the page takes.
    """
    found = tidy(text or "").strip()
    if not found:
        raise UsageError(f"{what} is empty: write something first")
    if len(found) > most:
        raise UsageError(f"{what} has {len(found):,} characters, and this page takes {most:,}: shorten it")
    return found
