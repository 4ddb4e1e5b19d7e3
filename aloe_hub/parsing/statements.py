"""Finding the one statement of a kind (a score, a verdict) in a judge's answer, in whatever typography it stands.

A statement is a label and a value on a line of their own, or a field of a JSON object. All statements must agree; one that
cannot be read, or is taken back, makes the whole answer unreadable. What the judge quotes (`>`, `|`, quotation marks, a fence)
counts only where nothing follows it, and what it introduces as somebody's words does not count.

Every pattern is bounded and every line is looked at once: the work is linear in the length of the answer.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from aloe_hub.errors import ParseError
from aloe_hub.parsing.json_answer import find_json
from aloe_hub.text import answer_of, visible

T = TypeVar("T")
Value = tuple[T, str]  # what was read, and what stands behind it

_MARKUP = " \t\xa0*_`~$\"'“”‘’„«»()[]{}\\"
_CLOSING = "*_`~$\"'”’»)]}"
_BEFORE_LABEL = _MARKUP + "#>|-–—•·"
_QUOTES = frozenset(">|\"'“”‘’„«»")
_TAGS = re.compile(
    r"</?(?:b|strong|i|em|u|p|div|span|br|code|mark|center|h[1-6])\s?/?>|\\(?:boxed|text|textbf|mathbf|mathrm)\{", re.I
)
_NUMBERING = re.compile(r"\d{1,2}[.)]\s")
_SCALE_NAMED = re.compile(r"\((?:on a scale (?:of|from) )?(?:1\s?(?:-|–|to)\s?5|out of 5|/\s?5|x\s?/\s?5)\)")
_IS = re.compile(r"is\s{0,3}:?\s", re.I)
_TAGGED = re.compile(r"<(/?)(score|rating|verdict)>", re.I)
_REASON = re.compile(r"(?:because|since|as|for)\b", re.I)
_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s")
_OTHERS_WORDS = re.compile(
    r"\b(?:says?|said|saying|claims?|claimed|claiming|writes?|wrote|written|quot(?:es?|ed|ing)|contains?|includes?|ends?|ended|adds?"
    r"|added|states?|stated|reads?|gives? itself|gave itself|instructs?|demands?|asks?)\b",
    re.I,
)
_TAKEN_BACK = re.compile(
    r"\b(?:second thoughts?|on reflection|scratch that|reconsider\w{0,10}|revis(?:e|ed|ing|ion)|correct(?:ion|ed)|changed? my"
    r"|(?:score|rating|verdict|it|that|this) (?:should|would|ought to) (?:be|have been)|of itself|gives? itself|gave itself"
    r"|make (?:it|that) (?:an? )?(?:\d|one|two|three|four|five|tie|draw|the first|the second)"
    r"|(?:what|as|so|because) (?:the )?(?:reply|assistant|it|user) (?:itself )?(?:says|said|claims|claimed|writes|wrote))\b"
    r"|(?:^|[.!?\n]\s{0,3})(?:wait|hmm|actually|sorry|oops|no,)",
    re.I,
)
_WORD = re.compile(r"[^\W\d]{1,30}|\d{1,20}(?:[.,]\d{1,20})?")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """What is looked for.

    `label` matches a label in small letters; `read` a value at the start of a text; `clashes` says whether a further word (in
    small letters, or a number) speaks of another value; `unlabelled` matches a line that needs no label if it is the last one.
    """

    wanted: str
    label: re.Pattern[str]
    read: Callable[[str], Value[T] | None]
    clashes: Callable[[str, T], bool]
    unlabelled: re.Pattern[str]
    like_a_value: re.Pattern[str]  # what begins so was meant as a value: if it cannot be read, nothing can
    numbers_after: bool  # whether a closing sentence may name other values


def only_statement(text: str, kind: Kind[T]) -> T:
    """The value that the answer states.

    Raises:
        ParseError: it states none, several, or one that cannot be read.
    """
    answer = answer_of(text)
    if answer.open:
        raise ParseError(kind.wanted, text)
    try:
        values, after = _statements(answer.text or _before_stray_tag(text), kind)
    except ValueError:
        raise ParseError(kind.wanted, text) from None
    if not values or any(value != values[0] for value in values) or _TAKEN_BACK.search(after):
        raise ParseError(kind.wanted, text)
    if not kind.numbers_after and any(kind.clashes(word, values[0]) for word in _WORD.findall(after.lower())):
        raise ParseError(kind.wanted, text)
    return values[0]


def states(line: str, kind: Kind[T]) -> bool:
    """Whether one line is a statement of this kind that can be read."""
    try:
        stated = _stated(fold(line), kind)
    except ValueError:
        return False
    return bool(stated)


def fold(text: str) -> str:
    """Without format characters, with full-width forms and all decimal digits as ASCII.

    >>> fold("Score：٤")
    'Score:4'
    """
    return text if text.isascii() else visible(text).translate(_ASCII)


def undecorated(line: str) -> str:
    """A line without markup around it: heading, bullet, emphasis, quotation, HTML and LaTeX.

    >>> undecorated("### **Score: 4**"), undecorated("1. Score: 4")
    ('Score: 4', 'Score: 4')
    """
    if "<" in line or "\\" in line:
        line = _TAGS.sub("", line)
    line = line.lstrip(_BEFORE_LABEL)
    if numbering := _NUMBERING.match(line):
        line = line[numbering.end() :].lstrip(_BEFORE_LABEL)
    return line.rstrip(_MARKUP + "|")


def _statements(text: str, kind: Kind[T]) -> tuple[list[T], str]:
    """All values stated, and what the answer goes on to say after the last one.

    Raises:
        ValueError: something that was meant as a statement cannot be read.
    """
    values: list[T] = []
    found, around = find_json(text)
    if isinstance(found, dict):
        for key, value in found.items():
            if kind.label.fullmatch(key.lower().replace("_", " ").strip()):
                values.append(_value(str(value), kind))
        text = around
    lines = fold(text).splitlines()
    last = _last_visible(lines)
    after = last + 1
    for place, end, rest, quoted in _of_lines(lines, kind):
        if (quoted and end < last) or _introduced(lines, place):
            continue
        values.append(_value(rest, kind))
        after = end + 1
    if not values and last >= 0 and not _introduced(lines, last):
        values += _on_last_line(lines[last], kind)
    return values, "\n".join(lines[after:])


def _of_lines(lines: Sequence[str], kind: Kind[T]) -> Iterator[tuple[int, int, str, bool]]:
    """Each statement: its first and last line, what stands behind its label, and whether it is quoted."""
    fenced = False
    for place, line in enumerate(lines):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        rest = _behind_label(line, kind)
        if rest is None:
            continue
        end = place
        if not rest:  # a heading: the value stands on the next line
            end = next((below for below in range(place + 1, len(lines)) if lines[below].strip(_BEFORE_LABEL)), place)
            rest = undecorated(lines[end]) if end > place and _behind_label(lines[end], kind) is None else ""
        if kind.like_a_value.match(rest):
            yield place, end, rest, fenced or _is_quoted(line)


def _stated(line: str, kind: Kind[T]) -> list[T]:
    rest = _behind_label(line, kind)
    return [_value(rest, kind)] if rest and kind.like_a_value.match(rest) else []


def _behind_label(line: str, kind: Kind[T]) -> str | None:
    """What stands behind the label and its colon; None if the line has no label."""
    bare = undecorated(_TAGGED.sub(lambda tag: "" if tag[1] else f"{tag[2]}:", line) if "<" in line else line)
    label = kind.label.match(bare[:80].lower())
    if label is None:
        return None
    rest = bare[label.end() :]
    spaced = rest[:1].isspace()
    rest = rest.lstrip(_MARKUP.replace("(", ""))
    if scale := _SCALE_NAMED.match(rest):
        rest = rest[scale.end() :].lstrip(_MARKUP)
    if not rest:
        return ""
    if rest[0] in ":=|":
        return rest[1:].lstrip(_MARKUP)
    if spaced and rest[0] in "-–—→" and rest[1:2].isspace():
        return rest[1:].lstrip(_MARKUP)
    if spaced and (verb := _IS.match(rest)):
        return rest[verb.end() :].lstrip(_MARKUP)
    return None


def _value(rest: str, kind: Kind[T]) -> T:
    """The value that a text begins with and does not contradict.

    Raises:
        ValueError: there is none, or it goes on to something else.
    """
    read = kind.read(rest)
    if read is None:
        raise ValueError(rest)
    value, behind = read
    behind = behind.lstrip(_CLOSING)
    spaced, tail = behind[:1].isspace(), behind.strip(_MARKUP.replace("(", "").replace("[", ""))
    words = _WORD.findall(tail.lower())
    if tail and not _explains(tail, spaced):
        raise ValueError(rest)
    if _TAKEN_BACK.search(tail) or any(kind.clashes(word, value) for word in words):
        raise ValueError(rest)
    return value


def _explains(tail: str, spaced: bool) -> bool:
    """Whether what stands behind a value can only be a remark on it."""
    if any(char.isnumeric() and not char.isdecimal() for char in tail):  # 4½
        return False
    first, second = tail[0], tail[1:2]
    if first in ",.;:!|":
        return not second.isdecimal()
    if first in "-–—→":
        return spaced and not second.isalnum()
    return first in "([" or unicodedata.category(first) == "So" or (spaced and _REASON.match(tail) is not None)


def _on_last_line(line: str, kind: Kind[T]) -> list[T]:
    """The value of a last line that has no label, or whose last sentence is the statement."""
    bare = line.strip(_MARKUP.replace("[", "").replace("]", "").replace("(", "") + "#>|")
    if found := kind.unlabelled.match(bare):
        return [_value(found[found.lastindex or 0], kind)]
    *before, last = _SENTENCE_END.split(line)
    said = "".join(before)
    if not before or _OTHERS_WORDS.search(said) or any(mark in line for mark in '"“”«»„'):
        return []
    return _stated(last, kind)


def _introduced(lines: Sequence[str], place: int) -> bool:
    """Whether the line before introduces it as somebody's words: "The reply says:"."""
    before = next((lines[above].strip(_MARKUP) for above in range(place - 1, -1, -1) if lines[above].strip(_BEFORE_LABEL)), "")
    return before.endswith(":") and _OTHERS_WORDS.search(before[-200:]) is not None


def _is_quoted(line: str) -> bool:
    decoration = line[: len(line) - len(line.lstrip(_BEFORE_LABEL))]
    return not _QUOTES.isdisjoint(decoration)


def _last_visible(lines: Sequence[str]) -> int:
    """The last line with more than markup on it; -1 if there is none."""
    return next((place for place in range(len(lines) - 1, -1, -1) if lines[place].strip(_BEFORE_LABEL)), -1)


def _before_stray_tag(text: str) -> str:
    """A whole answer that only a closing tag without an opening one follows."""
    before, tag, after = text.rpartition("</think>")
    return before if tag and not after.strip() and "<think" not in before else ""


class _ToAscii(dict[int, str]):
    """For `str.translate`: full-width forms and decimal digits."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if char.isdecimal():
            char = str(unicodedata.decimal(char))
        elif 0xFF01 <= code <= 0xFF5E:
            char = chr(code - 0xFEE0)
        else:
            char = _EAST_ASIAN.get(char, char)
        self[code] = char
        return char


_EAST_ASIAN = {"\u3000": " ", "。": ".", "、": ",", "【": "[", "】": "]"}
_ASCII = _ToAscii()
