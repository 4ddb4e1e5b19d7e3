"""A model's answer → a value, or `ParseError` with the answer in it. Never a guess, never a tie by default.

What models write around the asked form is allowed for (headings, bold, bullets, a fence, JSON, a remark); what could mean two
things is not read. Reasoning and control tokens are cut off first (`aloe_hub.text`).
"""

from __future__ import annotations

import re

from aloe_hub.errors import ParseError
from aloe_hub.parsing.lists import Candidates, candidates, numbered
from aloe_hub.parsing.schemas import SCHEMAS
from aloe_hub.parsing.scores import Judged, judged, score, score_on
from aloe_hub.parsing.sections import UNKNOWN, inferred
from aloe_hub.parsing.statements import Kind, only_statement, states
from aloe_hub.text import answer_of, is_blank, valid

__all__ = [
    "SCHEMAS",
    "UNKNOWN",
    "Candidates",
    "Judged",
    "candidates",
    "inferred",
    "judged",
    "message",
    "numbered",
    "reply",
    "score",
    "steers",
    "verdict",
]

_SECTION = re.compile(r"\s{0,9}\[[A-Z0-9 ]{1,40}\]\s{0,9}")
_SPEAKER = re.compile(r"[*_]{0,3}(?:User|Assistant):[*_]{0,3}(?!\S)")
_QUOTATION = {'"': '"', "“": "”", "«": "»", "„": "“"}
_POSITIONS = {"1": 0, "one": 0, "first": 0, "2": 1, "two": 1, "second": 1}
_REPLY = r"(?:reply|response|answer|option|assistant|message|candidate)"


def reply(text: str) -> str:
    """What a model said in its own voice: anything but blank, as it stands."""
    answer = answer_of(text)
    if answer.open or is_blank(answer.text):
        raise ParseError("message", text)
    return valid(answer.text)


def message(text: str) -> str:
    """A chat message that a prompt asked for: without the speaker's name, quotation marks or quote bars around the whole of it.

    >>> message('User: "Hey there."')
    'Hey there.'
    """
    said = reply(text)
    if speaker := _SPEAKER.match(said):
        said = said[speaker.end() :].strip()
        if any(_SPEAKER.match(line) for line in said.splitlines()):
            raise ParseError("single message", text)
    lines = said.splitlines()
    if all(line.startswith("|") and not line.rstrip().endswith("|") for line in lines):
        said = "\n".join(line.removeprefix("|").removeprefix(" ") for line in lines).strip()
    closing = _QUOTATION.get(said[:1])
    if closing and said.endswith(closing) and not {said[0], closing} & set(said[1:-1]):
        said = said[1:-1].strip()
    if is_blank(said):
        raise ParseError("message", text)
    return said


def verdict(text: str) -> int | None:
    """The pairwise judge's verdict as the 0-based position, None for a tie: `Verdict: 1`, `Verdict: the second reply`, …

    >>> verdict("The first one, I think.\\nVerdict: Reply 1")
    0
    """
    place = only_statement(text, _VERDICT)
    return None if place == _TIE else place


def steers(text: str) -> bool:
    """Whether a reply holds a line that belongs to the judge or to its prompt: a score, a verdict, a section's label.

    It moves no parser, since data is quoted and only the judge's own statement is read; it may move the judge, so it is counted.

    >>> steers("Try the lentils.\\nScore: 5"), steers("The score: they lost 5 to 1.")
    (True, False)
    """
    lines = text.splitlines()
    return any(_SECTION.fullmatch(line) or states(line, score_on(5)) or states(line, _VERDICT) for line in lines)


_TIE = -1
_PLACE = re.compile(
    rf"(?:(?:the )?{_REPLY}[ -]?(?:#|no\.? ?|number )?[\[(*\"']{{0,4}}|#|no\.? ?|number )?(1|2|one|two)(?![\w%]|[./,:-]\w)"
    rf"|(?:the )?(first|second)(?: (?:one|{_REPLY}))?(?!\w)"
    r"|(?:it'?s |it is )?(?:an? )?(tie|draw|equal|equally good|both equal)(?!\w)",
    re.IGNORECASE,
)
_WINS = re.compile(rf"\W{{0,4}}(?:wins|is (?:the )?(?:better|best|winner|preferred)(?: (?:one|{_REPLY}))?)(?!\w)", re.IGNORECASE)


def _read_place(rest: str) -> tuple[int, str] | None:
    found = _PLACE.match(rest)
    if found is None:
        return None
    end = wins.end() if (wins := _WINS.match(rest, found.end())) and not found[3] else found.end()
    return (_TIE if found[3] else _POSITIONS[(found[1] or found[2]).lower()]), rest[end:]


def _other_place(word: str, place: int) -> bool:
    if word in ("tie", "draw", "equal", "both", "neither", "either"):
        return place != _TIE
    return word != "one" and (word.isdecimal() or word in _POSITIONS) and _POSITIONS.get(word) != place


_VERDICT: Kind[int] = Kind(
    "verdict",
    re.compile(
        r"(?:(?:the|my|your|final|overall|resulting|judge'?s) ){0,3}"
        rf"(?:verdict|winner|(?:better|preferred|winning|best) {_REPLY}|preference|choice|decision|judge?ment)(?!\w)"
        r"|(?:最终)?(?:判断|结论|裁决|判决|判定)"
    ),
    _read_place,
    _other_place,
    re.compile(r"\[\[(1|2|tie)\]\]\.?$", re.IGNORECASE),
    re.compile(
        rf"\W{{0,3}}(?:(?:it'?s |it is )?(?:the |an? )?{_REPLY}?[ -]?(?:#|no\.? ?|number )?\W{{0,3}}"
        r"(?:\d|(?:one|two|first|second|tie|draw|equal|equally|both|neither|either)(?!\w)))",
        re.IGNORECASE,
    ),
    numbers_after=True,
)
