"""The benchmark judge's numbers: the score, and what it says of each criterion of a rubric.

The score is what must be read, or the answer is asked for again. A criterion is only a line beside it: one that is not there, or
could mean two things, is missing. Where the score follows from the criteria, one that fails decides, and all must be read to
say that all hold.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from aloe_hub.errors import ParseError
from aloe_hub.parsing.statements import Kind, only_statement
from aloe_hub.rubrics import FIVE, HOLDS, Criterion, Rubric

_NUMBER = r"\d{1,3}(?:\.\d{1,17}|,\d{1,2})?(?![.,]?\d)"
_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_NUMBERS = {word: number for number, word in enumerate(_WORDS)}


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge said of one reply: its score, and its criteria by name (None: that one could not be read)."""

    score: float
    criteria: Mapping[str, float | None]


def judged(text: str, rubric: Rubric) -> Judged:
    """What the answer says in the lines that the rubric's prompt asks for.

    Raises:
        ParseError: the score is not stated, or does not follow from the criteria that can be read.

    >>> from aloe_hub.rubrics import rubric
    >>> judged("Style: 4\\nContent: high\\nOverreach: no\\nScore: 3.5", rubric("aloe-hub"))
    Judged(score=3.5, criteria={'style': 4.0, 'content': None, 'quality': None, 'overreach': 0.0})
    """
    criteria = {criterion.name: _criterion(text, criterion) for criterion in rubric.criteria}
    if not rubric.follows:
        return Judged(score(text, rubric.scale, whole=rubric.whole), criteria)
    if 0 not in criteria.values() and None in criteria.values():
        unread = ", ".join(name for name, value in criteria.items() if value is None)
        raise ParseError(f"yes or no for {unread}", text)
    return Judged(float(0 not in criteria.values()), criteria)


def score(text: str, scale: tuple[float, float] = FIVE, *, whole: bool = False) -> float:
    """The benchmark judge's score, on `scale` and perhaps `whole`: `Score: 4`, `**Final Score:** 4.5/5`, `{"score": 4}`, …

    >>> score("It fits her humour.\\n### Score: 4.5 out of 5")
    4.5
    """
    found = only_statement(text, score_on(scale[1]))
    if not scale[0] <= found <= scale[1] or (whole and found % 1):
        raise ParseError(f"{'whole ' * whole}score from {scale[0]:g} to {scale[1]:g}", text)
    return found


def _criterion(text: str, criterion: Criterion) -> float | None:
    try:
        found = only_statement(text, _criterion_kind(criterion))
    except ParseError:
        return None
    low, high = criterion.scale
    return found if low <= found <= high else None


@cache
def _criterion_kind(criterion: Criterion) -> Kind[float]:
    """A number or a yes behind the criterion's name. Other criteria, with other values, may follow it."""
    kind = _YES_OR_NO if criterion.scale == HOLDS else score_on(criterion.scale[1])
    label = re.compile(rf"(?:the )?{criterion.name}(?: (?:score|rating))?(?!\w)")
    return replace(kind, wanted=criterion.name, label=label, unlabelled=_NEVER, numbers_after=True)


@cache
def score_on(highest: float) -> Kind[float]:
    """A number, perhaps out of `highest`."""
    unit = r"(?:\s{0,3}(?:(?:stars?|points?|pts)\b|分|星))?"
    value = re.compile(
        rf"(?:x\s{{0,3}}=\s{{0,3}})?[+~≈]?\s{{0,3}}({_NUMBER}|(?:{'|'.join(_NUMBERS)})\b)"
        rf"(?:[*_`\s\])}}$]{{0,6}}\(?(?:/|out of|of)[*_\s]{{0,6}}({_NUMBER}|(?:{'|'.join(_NUMBERS)})\b))?{unit}",
        re.IGNORECASE,
    )

    def read(rest: str) -> tuple[float, str] | None:
        found = value.match(rest)
        if found is None or (found[2] and _number(found[2]) != highest):
            return None
        return _number(found[1]), rest[found.end() :]

    def clashes(word: str, score: float) -> bool:
        if word == "half" or word.startswith("quarter"):
            return True
        return (word[0].isdecimal() or word in _NUMBERS) and word != "one" and _number(word) != score

    return Kind(
        f"score from 1 to {highest:g}",
        re.compile(
            r"(?:(?:the|my|your|final|overall|total|resulting|alignment|numeric|judge'?s|assigned) ){0,3}"
            r"(?:score|rating|grade|mark)(?!\w)"
            r"|(?:最终|总)?(?:评分|分数|得分|打分)"
        ),
        read,
        clashes,
        re.compile(rf"\[\[({_NUMBER})\]\]\.?$|({_NUMBER}\s?(?:/|out of)\s?{highest:g}(?:\.0{{1,3}})?)[*_]{{0,3}}\.?$"),
        re.compile(rf"(?:x\s{{0,3}}=)?[-+~≈±<>–−.,]?\s{{0,3}}\d|(?:{'|'.join(_NUMBERS)})\b|between\b", re.IGNORECASE),
        numbers_after=False,
    )


def _number(text: str) -> float:
    return float(_NUMBERS.get(text.lower(), text.replace(",", ".")))


_NEVER = re.compile(r"(?!)")
_HOLDS = {"yes": 1.0, "true": 1.0, "1": 1.0, "no": 0.0, "false": 0.0, "0": 0.0}
_ANSWER = re.compile(r"(yes|no|true|false|[01])(?![\w%]|[.,/:-]\w)", re.IGNORECASE)


def _read_answer(rest: str) -> tuple[float, str] | None:
    found = _ANSWER.match(rest)
    return None if found is None else (_HOLDS[found[1].lower()], rest[found.end() :])


_YES_OR_NO: Kind[float] = Kind(
    "yes or no",
    _NEVER,
    _read_answer,
    lambda word, value: _HOLDS.get(word, value) != value,
    _NEVER,
    re.compile(r"(?:yes|no|true|false)(?!\w)|[-+]?\d", re.IGNORECASE),
    numbers_after=True,
)
