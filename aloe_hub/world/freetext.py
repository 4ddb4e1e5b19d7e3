"""Free text, such as the authors' personas: clauses are the facts, words of a small lexicon the traits. Approximate.

What is missed or misread here costs the scripted world some truth about an imported persona; it never breaks a run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from aloe_hub.world import sentences
from aloe_hub.world.lexicon import GUESSES, POLES, WORDS

FREE_KIND = "other"


def clauses(you: str) -> Iterator[str]:
    """The statements that a free sentence is made of, as "enjoy hiking" or "your roots are …"."""
    if you.startswith("your "):
        yield _shortened(you)
        return
    text = you.removeprefix("you ")
    for part in _split_at_verbs(text):
        aged = _AGED.fullmatch(part)
        if aged:
            yield f"are {aged['age']} years old"
            article = "an" if aged["rest"] and aged["rest"][0] in "aeiou" else "a"
            part = f"are {article} {aged['rest']}" if aged["rest"] else ""
        listed = _LIKES.fullmatch(part)
        items = _ITEM_END.split(listed[2]) if listed else []
        if listed and len(items) > 1 and all(len(item.split()) <= 4 for item in items):
            yield from (f"{listed[1]} {item}" for item in items)
        elif part:
            yield _shortened(part)


def _split_at_verbs(text: str) -> list[str]:
    """ "are a chef who enjoys surfing and has a cat" → three clauses, each with its verb in the base form."""
    first, *others = (_LEADING_ADVERB.sub("", part) for part in _CLAUSE_END.split(text))
    verbs_and_rest = (part.partition(" ") for part in others)
    return [first, *(f"{sentences.uninflected(verb)} {rest}".strip() for verb, _, rest in verbs_and_rest)]


def _shortened(clause: str) -> str:
    """A clause without its side remarks: what a person would say in passing. Full stops would end the sentence."""
    short = _REMARK.split(clause, maxsplit=1)[0]
    return (short if len(short.split()) >= 3 else clause).replace(".", "").rstrip(" ,;:!?")


def kind_of(clause: str) -> str:
    words = words_of(clause)
    for kind, beginnings in GUESSES.items():
        if any(word.startswith(beginnings) for word in words):
            return kind
    return FREE_KIND


def poles_in(sentence: str) -> list[str]:
    text = sentence.lower()
    return [pole for pole, pattern in _POLE_WORDS.items() if pattern.search(text)]


def words_of(text: str) -> list[str]:
    return _WORD.findall(text.lower())


@lru_cache(maxsize=4096)
def content_words(clause: str) -> frozenset[str]:
    """The words that carry a clause, by their stems."""
    return frozenset(_stem(word) for word in words_of(clause) if word not in _EMPTY)


def _stem(word: str) -> str:
    for ending in ("ing", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)].rstrip("e")
    return word.rstrip("e")


_WORD = re.compile(r"[a-z0-9'’]+(?:-[a-z0-9]+)*")
_POLE_WORDS = {
    pole: re.compile(r"\b(?<!not )(?<!rarely )(?:" + "|".join(map(re.escape, POLES[pole].words)) + ")") for pole in POLES
}
_EMPTY = frozenset(WORDS["empty"])
_VERBS = "|".join((*WORDS["verbs"], *WORDS["leading"]))
_CLAUSE_END = re.compile(rf"(?:,? who|,? and|,|;)\s+(?=(?:{_VERBS})\b)")
_LEADING_ADVERB = re.compile(rf"^(?:{'|'.join(WORDS['leading'])})\s+")
_AGED = re.compile(r"are an? (?P<age>\d\d)[- ]years?[- ]old(?: (?P<rest>.+))?", re.IGNORECASE)
_LIKES = re.compile(r"(enjoy|love|like|really enjoy|really love) (.+)")
_ITEM_END = re.compile(r",? and |, ")
_REMARK = re.compile(r",| that | which | where | while | when | because | who | whom | and ")
