"""Free text, such as the authors' personas: clauses are the facts, words of a small lexicon the traits. Approximate.

What is missed or misread here costs the scripted world some truth about an imported persona; it never breaks a run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from aloe_hub.world import sentences
from aloe_hub.world.lexicon import POLES

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
    for kind, beginnings in _KIND_WORDS.items():
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
_EMPTY = frozenset(
    [
        "a",
        "an",
        "the",
        "and",
        "or",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "with",
        "from",
        "by",
        "about",
        "into",
        "as",
        "is",
        "am",
        "are",
        "was",
        "were",
        "be",
        "been",
        "being",
        "has",
        "have",
        "had",
        "do",
        "does",
        "i",
        "you",
        "he",
        "she",
        "they",
        "it",
        "my",
        "your",
        "his",
        "her",
        "their",
        "its",
        "me",
        "him",
        "them",
        "this",
        "that",
        "these",
        "those",
        "who",
        "which",
        "own",
        "very",
        "really",
        "often",
        "always",
        "sometimes",
        "also",
        "so",
        "such",
        "than",
        "then",
        "there",
        "enjoy",
        "love",
        "like",
        "named",
        "called",
        "lot",
        "many",
        "much",
        "some",
        "any",
        "one",
        "two",
        "three",
        "several",
        "various",
        "new",
        "local",
        "part",
        "time",
        "year",
        "old",
        "spend",
        "free",
        "regularly",
        "frequently",
        "currently",
    ]
)
_VERBS = (
    "is|has|loves|enjoys|likes|plays|works|lives|owns|runs|volunteers|participates|practices|collects|spends|travels|cooks|"
    "bakes|grows|makes|takes|goes|hopes|plans|dreams|studies|speaks|writes|reads|teaches|attends|keeps|raises|follows|"
    "prefers|hates|holds|serves|leads|performs|organizes|hosts|specializes|coaches|shares|sings|dances|paints|rides|drives|"
    "builds|brews|watches|visits|explores|experiments|drinks|eats|uses|wears|walks|fixes|restores|knits|sews|streams|swims|"
    "competes|sells|designs|manages|trains|studied|recently|often|frequently|regularly|currently|occasionally|also"
)
_CLAUSE_END = re.compile(rf"(?:,? who|,? and|,|;)\s+(?=(?:{_VERBS})\b)")
_LEADING_ADVERB = re.compile(r"^(?:recently|often|frequently|regularly|currently|occasionally|also)\s+")
_AGED = re.compile(r"are an? (?P<age>\d\d)[- ]years?[- ]old(?: (?P<rest>.+))?", re.IGNORECASE)
_LIKES = re.compile(r"(enjoy|love|like|really enjoy|really love) (.+)")
_ITEM_END = re.compile(r",? and |, ")
_REMARK = re.compile(r",| that | which | where | while | when | because | who | whom | and ")
_KIND_WORDS: dict[str, tuple[str, ...]] = {
    "pet": ("dog", "cat", "puppy", "kitten", "pet", "rabbit", "hamster", "parrot", "ferret", "turtle", "tortoise", "goldfish",
            "canary", "retriever"),
    "cause": ("volunteer", "charit", "community", "shelter", "activis", "nonprofit", "organiz"),
    "study": ("degree", "student", "studi", "study", "college", "university", "diploma", "phd", "bachelor", "master", "school"),
    "family": ("married", "wife", "husband", "daughter", "son", "sister", "brother", "twin", "mother", "father", "parent",
               "single", "divorced", "engaged", "widow", "child", "grand", "family", "kids", "girlfriend", "boyfriend", "partner",
               "relationship"),
    "collects": ("collect", "vintage", "antique"),
    "music": ("music", "guitar", "piano", "violin", "saxophone", "jazz", "sing", "choir", "band", "concert", "cello", "drum"),
    "book": ("read", "book", "novel", "poe", "literature", "writ", "library", "blog"),
    "drink": ("coffee", "tea", "wine", "beer", "brew"),
    "food": ("cook", "food", "bak", "recipe", "vegan", "vegetarian", "cuisine", "dish", "cake", "gluten", "restaurant", "spic"),
    "sport": ("run", "marathon", "hik", "climb", "swim", "cycl", "bik", "soccer", "tennis", "yoga", "surf", "sport", "team",
              "basketball", "fitness", "gym", "ski", "golf", "pilates", "danc", "salsa", "kickbox", "belt", "skat", "ride"),
    "city": ("live", "apartment", "city", "house", "home", "town", "farm", "from", "moved"),
    "culture": ("travel", "cultur", "countr", "tradition", "heritage", "language", "abroad", "speak"),
    "hobby": ("hobby", "paint", "garden", "photograph", "knit", "sew", "craft", "game", "gaming", "woodwork", "pottery",
              "bird", "camp", "fish", "draw", "chess", "puzzle", "enjoy", "love", "like", "spend", "plants"),
    "ability": ("wheelchair", "deaf", "blind", "dyslexi", "hearing", "left-handed", "sign"),
    "job": ("work", "engineer", "teacher", "nurse", "designer", "manager", "chef", "doctor", "lawyer", "owner", "artist",
            "own", "business", "retired", "architect", "analyst", "developer", "freelance", "driver", "job", "are"),
}  # fmt: skip
