"""Was the user dissatisfied with a reply? By what can be counted, without a model: a logistic regression with its weights.

Most users say nothing of a reply that dissatisfied them: they go on to the next thing. So besides their next message (does it
complain, thank, say the same again?) the reply itself is looked at: how long it is, whether it repeats an earlier one, whether
it is in the user's script. The weights were learnt on RecLLMSim's ratings (`python bench/feedback.py --fit`), which are of chats
in Chinese; the words looked for are Chinese and English.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from aloe_hub.stages.chats.base import Chat

VERSION = 1
GRAM = 3  # characters
WEIGHTS = {
    "reply's length": -0.831,
    "message's length": 0.436,
    "turn": -0.576,
    "another script": 2.704,
    "reply said before": 1.524,
    "message said again": 1.705,
    "complaint": 1.14,
    "thanks": -0.789,
    "question": -0.828,
}
INTERCEPT = 1.389
DISSATISFIED = 0.135  # above it a reply counts as one that dissatisfied: of RecLLMSim's as many as people rated 2 or less
COMPLAINTS = re.compile(
    r"不对|不是|不要|不行|错了|错误|重新|不够|不满|不好|没用|不能用|不方便|你没|没有回答|没有按|没有给|我说的|我要的是"
    r"|^no\b|\bno,|\bnot what\b|\bwrong\b|\bincorrect\b|\bmistake|\bmisunder|\bi (?:said|asked|meant)\b|\btry again\b|\buseless\b"
    r"|\b(?:doesn|didn)['’]t\b",
    re.IGNORECASE,
)
THANKS = re.compile(
    r"谢谢|感谢|很好|不错|太好了|太棒|完美|满意|\bthank|\bgreat\b|\bperfect|\bgood\b|\bnice\b|\bawesome\b|\blove it\b",
    re.IGNORECASE,
)
OPENING = 40  # characters of a message in which thanks are for what was said before


def thanked(message: str) -> bool:
    """Whether a message opens with thanks or praise.

    >>> thanked("Great, thank you!"), thanked("And in shade?")
    (True, False)
    """
    return bool(THANKS.search(message[:OPENING]))


def probability(features: Sequence[float]) -> float:
    """That the user was dissatisfied."""
    logit = INTERCEPT + math.fsum(weight * value for weight, value in zip(WEIGHTS.values(), features, strict=True))
    return 1 / (1 + math.exp(-logit))


def features(chat: Chat, turn: int) -> list[float]:
    """What `WEIGHTS` weigh, of a reply, the turn counted from 0. Lengths are logarithms."""
    before, said = chat.turns[:turn], chat.turns[turn]
    reply, after = said.answers[said.spoken].text, said_after(chat, turn)
    return [
        math.log(1 + len(reply)),
        math.log(1 + len(said.user)),
        math.log(1 + turn),
        abs(_latin(said.user) - _latin(reply)),
        shared(reply, [one.answers[one.spoken].text for one in before]),
        shared(after, [said.user]),
        float(bool(COMPLAINTS.search(after))),
        float(thanked(after)),
        float(any(mark in after for mark in "?？؟")),
    ]


def said_after(chat: Chat, turn: int) -> str:
    """The user's next message; "" where there is none."""
    return chat.turns[turn + 1].user if turn + 1 < len(chat.turns) else chat.unanswered


def shared(text: str, others: Sequence[str]) -> float:
    """The share of a text's runs of `GRAM` characters that stand in one of the others.

    >>> shared("In shade?", ["And in shade"]), shared("In shade?", [])
    (1.0, 0.0)
    """
    own = _grams(text)
    there = set().union(*map(_grams, others))
    return sum(gram in there for gram in own) / len(own) if own else 0.0


def _grams(text: str) -> list[str]:
    kept = "".join(character for character in text.lower() if character.isalnum())
    return [kept[start : start + GRAM] for start in range(len(kept) - GRAM + 1)]


def _latin(text: str) -> float:
    """The share of its letters that are Latin."""
    letters = [character for character in text if character.isalpha()]
    return sum(character < "ɐ" for character in letters) / max(1, len(letters))
