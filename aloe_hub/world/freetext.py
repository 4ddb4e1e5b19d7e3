"""Free text, such as the authors' personas: clauses are the facts, words of a small lexicon the traits. Approximate.

What is missed or misread here costs the scripted world some truth about an imported persona; it never breaks a run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from aloe_hub.world import sentences
from aloe_hub.world.lexicon import DIMENSIONS, GUESSES, POLES, WORDS

FREE_KIND = "other"


def statements(sentence: str) -> list[str]:
    """What a sentence that somebody typed states, each part from its subject on; what it asks at its end is left out.

    >>> statements("hi, I just moved to Lisbon with my two kids and I hate long answers")
    ['I just moved to Lisbon with my two kids', 'I hate long answers']
    >>> statements("I work as a nurse, any dinner ideas?")
    ['I work as a nurse']
    >>> statements("My son is 6 and allergic to peanuts, and I like your answer")
    ['My son is 6', 'My son is allergic to peanuts']
    """
    commas = _NEXT_SUBJECT.split(_HELLO.sub("", sentence))
    parts = [part for one in commas for part in (_AND_I.split(one) if _I.match(one) else [one])]
    asked = parts[:-1] if sentence.endswith("?") else parts
    own = [part for part in asked if wished(part) or not _YOURS.search(part)]  # whose it is, is no fact of whoever speaks
    return [part for one in own for part in _AND_STATE.sub(r"\g<is>\g<first>\n\g<is>\g<second>", one).split("\n")]


def wished(statement: str) -> str | None:
    """The pole of somebody who says how they like to be answered.

    >>> wished("I hate long answers"), wished("Please keep it short"), wished("I hate long winters")
    ('concise', 'concise', None)
    >>> wished("please be brief"), wished("explain step by step with lots of detail")
    ('concise', 'detailed')
    """
    wish = next(filter(None, (pattern.fullmatch(statement.rstrip(" .!")) for pattern in _WISHES)), None)
    if wish is None:
        return None
    pole = _LENGTHS.get(wish["how"].lower()) or next(iter(poles_in(wish["how"])), None)
    return _OPPOSITE[pole] if pole and wish.groupdict().get("not") else pole


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
_HELLO = re.compile(
    r"^(?:(?:hi|hello|hey|good (?:morning|afternoon|evening)|well|so|ok|okay|btw|by the way|no|sorry|oops|wait"
    r"|correction|actually|i mean|i meant(?: to say)?(?: that)?)(?: there| all)?,? )+"
    r"(?=(?:i|i'm|my|please)\b)",
    re.IGNORECASE,
)
_NEXT_SUBJECT = re.compile(
    r"[,;] (?:(?:and|but|so|because) )?(?=(?:i|my|what|how|where|which|who|when|can|could|should|do|any|please)\b)", re.IGNORECASE
)
_I = re.compile(r"i\b", re.IGNORECASE)
_YOURS = re.compile(r"\byours?\b", re.IGNORECASE)
_AND_STATE = re.compile(
    r"^(?P<is>(?:i am|i['’]m|my [\w' -]+? is) )(?P<first>.+?),? and (?:also )?"
    r"(?P<second>(?:allergic|intolerant|diabetic|vegan|vegetarian|married|single|retired|pregnant|deaf|blind|dyslexic)\b.*)$",
    re.IGNORECASE,
)
_AND_I = re.compile(r" (?:and|but|so|because) (?=i\b)", re.IGNORECASE)
_TOO = "(?:very |really |too )?"
_ANSWERS = r"(?:answers?|repl(?:y|ies)|responses?|explanations?|texts?|messages?)"
_NOT = r"(?P<not>hate|dislike|can['’]?t stand|do(?:n['’]t| not) (?:like|want|need))"
_TELL = "(?:explain|answer|reply|write|describe|tell me|give me)(?: (?:it|me|things|everything|all|answers|examples))*"
_MUCH = "(?:(?:a )?lots? of |plenty of |much |more |great |full |all the |as much |every |a |as )*"
_WISHES = tuple(
    re.compile(wish, re.IGNORECASE)
    for wish in (
        rf"i (?:really |just |always )?(?:{_NOT}|like|love|prefer|want|need) (?:an? )?{_TOO}(?P<how>[\w-]+) {_ANSWERS}",
        rf"(?:please )?(?:keep|make) (?:it|them|things|your {_ANSWERS}) {_TOO}(?P<how>[\w-]+)(?:,? please)?",
        rf"(?:please )?(?:be|stay) {_TOO}(?P<how>brief|short|concise|succinct|thorough|detailed|precise|blunt|direct|gentle|kind)"
        r"(?:,? please)?",
        rf"(?:please )?{_TELL}(?: step by step)?(?:,? (?:and )?(?:in|with)) {_MUCH}(?P<how>detail|few words)s?(?:,? please)?",
    )
)
_OPPOSITE = {one: other for pair in DIMENSIONS for one, other in (pair, pair[::-1])}
_LENGTHS = {
    "long": "detailed",
    "lengthy": "detailed",
    "longer": "detailed",
    "short": "concise",
    "shorter": "concise",
    "brief": "concise",
}
