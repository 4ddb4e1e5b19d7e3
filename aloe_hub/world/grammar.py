"""The sentences of a reply, as far as they are of the world: tips, uses of facts, phrases, and what is none of them.

A sentence is the world's own only word by word: "Make it a bit Mexicans" is none. Leads such as "Step one:" may stand before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from aloe_hub.world.lexicon import CLOSERS, GREETINGS, KINDS, OPENERS, POLES, TOPICS
from aloe_hub.world.sentences import split_sentences
from aloe_hub.world.speaking import FREE_USES

Says = Literal["tip", "use", "free use", "wrong name", "phrase", "other"]


@dataclass(frozen=True, slots=True)
class Part:
    """One sentence. `about`: of a tip its topic, of a use the kind of fact; `what`: the value, or the clause of free text."""

    says: Says
    text: str
    about: str = ""
    what: str = ""


def parts(reply: str) -> Iterator[Part]:
    """
    >>> [part.says for part in parts("Sure. First: Have some sushi. Take Xyz with you. Make it a bit Mexicans, so bui on that")]
    ['phrase', 'use', 'wrong name', 'other']
    """
    for sentence in split_sentences(reply):
        yield _part(_LEADS.sub("", sentence))


def _part(text: str) -> Part:
    if text in _TIPS:
        return Part("tip", text, _TIPS[text])
    if text in _PHRASES or not text:
        return Part("phrase", text)
    slots = [(kind, found[1]) for kind, use in _USES if (found := use.fullmatch(text))]
    for kind, value in slots:
        if value in _VALUES[kind]:
            return Part("use", text, kind, value)
    for frame in _FREE_USES:
        if found := frame.fullmatch(text):
            return Part("free use", text, what=found[1])
    if any(_NAME.fullmatch(value) for _, value in slots):
        return Part("wrong name", text)
    return Part("other", text)


_NAME = re.compile(r"[\w'-]+( [\w'-]+)?")
_VALUES = {kind: frozenset(KINDS[kind].values) for kind in KINDS}
_USES = [(kind, re.compile(re.escape(used).replace(r"\{v\}", "(.+)"))) for kind in KINDS for used in KINDS[kind].used]
_FREE_USES = [re.compile(re.escape(frame).replace(r"\{c\}", r"([Yy]our? .+)")) for frame in FREE_USES]
_TIPS = {sentence: topic for topic in TOPICS for tip in TOPICS[topic].tips for sentence in split_sentences(tip)}
_MARKS = [mark for pole in POLES.values() for mark in pole.marks]
_PHRASES = frozenset(
    sentence
    for phrase in (*OPENERS, *CLOSERS, *GREETINGS, *_MARKS)
    for sentence in split_sentences(phrase)
    if sentence[-1] != ":"
)
_LEADS = re.compile(f"(?:(?:{'|'.join(re.escape(mark) for mark in _MARKS if mark.endswith(':'))})\\s*)*")
