"""A generator's list → its items, and of these the ones that can be a profile or a personality."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from aloe_hub.errors import ParseError
from aloe_hub.parsing.json_answer import find_json
from aloe_hub.parsing.sections import CLOSING_WORDS
from aloe_hub.text import answer_of, is_blank

# A conversation reveals one or two things a turn, so fewer than three are told at once; a title or "Anna, 34" has fewer.
LEAST_FACTS = 3
_NUMBER = re.compile(
    r"(?P<indent>[ \t]{0,12})(?P<markup>[#>*_`]{0,6}\s{0,3}[*_]{0,3})"
    r"(?:profile|personality|persona|person|character|item)?\s{0,3}[#(]?"
    r"\d{1,4}\s{0,3}(?:[.):]{1,2}(?P<closed>[*_]{0,3})(?=\s|$)|[、．)）：](?P<closed_too>[*_]{0,3}))",
    re.IGNORECASE,
)
_BULLET = re.compile(r"(?P<indent>[ \t]{0,12})[-*•·–](?=\s|$)")
_CLAUSE = re.compile(r"[.!?。！？;；:,，、\n]|\s(?:and|who|with|but)\s", re.IGNORECASE)
_TITLE = re.compile(r"[*_]{2}[^*_]{1,80}[*_]{2}:?|[^.!?:]{1,60}:")
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a generator's answer holds: `texts` that can be used, and `dropped` ones with too few facts."""

    texts: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)


def candidates(text: str) -> Candidates:
    """The items of a list that state at least `LEAST_FACTS` facts, without bold type, and the others.

    >>> candidates("1. **Anna**\\n2. She sews, sings alto and has two cats.").dropped
    ['Anna']
    """
    items = [_BOLD.sub(r"\1", item) for item in numbered(text)]
    enough = [item for item in items if facts(item) >= LEAST_FACTS]
    return Candidates(enough, [item for item in items if item not in enough])


def facts(text: str) -> int:
    """Roughly how many things a text states: its clauses.

    >>> facts("She is 34, a nurse from Lyon and has two cats.")
    3
    """
    return sum(any(char.isalnum() for char in clause) for clause in _CLAUSE.split(text))


def numbered(text: str) -> list[str]:
    """The items of a list, numbered, bulleted or in JSON; the lines and bullets below an item belong to it.

    A title above the list and a closing word below it are left out.
    """
    answer = answer_of(text)
    items = [] if answer.open else _of_json(answer.text) or [" ".join(parts) for parts in _items(answer.text)]
    items = [item for item in items if not is_blank(item)]
    if not items:
        raise ParseError("numbered list", text)
    return items


def _of_json(text: str) -> list[str]:
    """The texts of a JSON list, also as the only field of an object, also in objects with one text each."""
    value, _ = find_json(text)
    if isinstance(value, dict):
        lists = [one for one in value.values() if isinstance(one, list)]
        value = lists[0] if len(lists) == 1 else None
    if not isinstance(value, list):
        return []
    texts = [_only_text(one) for one in value]
    return [" ".join(text.split()) for text in texts if text is not None] if None not in texts else []


def _only_text(value: object) -> str | None:
    if isinstance(value, dict):
        texts = [one for one in value.values() if isinstance(one, str)]
        value = texts[0] if len(texts) == 1 else None
    return value if isinstance(value, str) else None


def _items(text: str) -> Iterator[list[str]]:
    """The parts of each item: its own line, the lines that go on with it, and the bullets below it."""
    item: list[str] | None = None
    bulleted = False  # whether the item itself began with a bullet
    indent, gap = 0, False
    for line in text.splitlines():
        if is_blank(line) or line.strip() in ("```", "---", "***"):
            gap = True
            continue
        number, bullet = _NUMBER.match(line), _BULLET.match(line)
        if gap and not number and CLOSING_WORDS.match(line):
            break
        mark = number or bullet
        if mark and (item is None or number or not _belongs(len(mark["indent"]), indent, item, bulleted)):
            if item is not None:
                yield item
            item, bulleted, indent = [_own_text(line, mark)], number is None, len(mark["indent"])
        elif mark and item is not None:
            item[-1] = _ended(item[-1])
            item.append(line[mark.end() :].strip())
        elif item is not None and not (gap and not line[:1].isspace() and not _is_title(item)):
            item.append(line.strip())
        elif item is not None:  # words after a blank line: the list is over, unless it goes on
            yield item
            item = None
        gap = False
    if item is not None:
        yield item


def _belongs(indent: int, of_item: int, item: list[str], bulleted: bool) -> bool:
    """Whether a bullet is a part of the item above it: it is indented more, or the item is but a title so far."""
    return indent > of_item or (not bulleted and (_is_title(item[:1]) or len(item) > 1))


def _is_title(item: list[str]) -> bool:
    return len(item) == 1 and _TITLE.fullmatch(item[0]) is not None


def _own_text(line: str, mark: re.Match[str]) -> str:
    """The text behind a mark; markup that was opened before the number ends behind the text, if not behind the number."""
    text = line[mark.end() :].strip()
    opened = mark.groupdict().get("markup") or ""
    closed = mark.groupdict().get("closed") or mark.groupdict().get("closed_too")
    stars = opened.strip("#>` \t")
    return text.removesuffix(stars).strip() if stars and not closed else text


def _ended(part: str) -> str:
    """A part that more follows as a sentence."""
    return part if not part or part[-1] in ".!?:;,。！？" else f"{part}."
