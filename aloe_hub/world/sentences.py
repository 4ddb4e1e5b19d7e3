"""One sentence in the first, second and third person: "I am a nurse", "you are a nurse", "She is a nurse", "They are a nurse".

The second person is the normal form: what is understood from any text is kept as "you are a nurse", without capital and full
stop. Exact for the world's own sentences; for free text a usable approximation (a pronoun in the object, "her", is taken for
"your").
"""

from __future__ import annotations

import re

from aloe_hub.world.lexicon import WORDS

SUBJECTS = {"she": "her", "he": "his", "they": "their"}

_ADVERBS = frozenset(WORDS["adverbs"])
_INFLECTED = {"are": "is", "have": "has", "do": "does", "were": "was"}
_BASE = {third: base for base, third in _INFLECTED.items()}
_UNCHANGED = frozenset(WORDS["unchanged"])
_WORD_TO_FIRST = {"your": "my", "yourself": "myself", "yours": "mine", "you": "me"}
_FIRST_TO_WORD = {first: word for word, first in _WORD_TO_FIRST.items()}
# Of each subject only its own words: in "She lives with her brother and his cat" the cat is not hers.
_THIRD_TO_SECOND = {
    "she": {"her": "your", "herself": "yourself"},
    "he": {"his": "your", "him": "you", "himself": "yourself"},
    "they": {"their": "your", "themselves": "yourself"},
}
_SUBJECT_OF = {possessive: subject for subject, possessive in SUBJECTS.items()}
_WORD = re.compile(r"[A-Za-z0-9'’-]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")
_ABBREVIATION = re.compile(r"\b(Ph|[A-Z]|Dr|Mr|Mrs|Ms|St|vs|etc)\.(?=\s?[A-Za-z])")
_CONTRACTIONS = ((re.compile(r"^(she|he)['’]s\b", re.I), r"\1 is"), (re.compile(r"^they['’]re\b", re.I), r"they are"),
                 (re.compile(r"^i['’]m\b", re.I), "I am"), (re.compile(r"^i['’]ve\b", re.I), "I have"))  # fmt: skip


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, with their ends; a full stop inside "Ph.D." ends nothing."""
    text = _ABBREVIATION.sub(r"\1", " ".join(text.split()))
    return [sentence for sentence in _SENTENCE_END.split(text) if sentence]


def to_first(you: str) -> str:
    """
    >>> to_first("you are close to your sister")
    'I am close to my sister.'
    """
    head, _, rest = you.partition(" ")
    if head == "you":
        verb, _, tail = rest.partition(" ")
        verb = {"are": "am", "were": "was"}.get(verb, verb)
        return f"I {verb} {_each(tail, _WORD_TO_FIRST)}.".replace(" .", ".")
    return f"My {_each(rest, _WORD_TO_FIRST)}."


def to_third(you: str, subject: str) -> str:
    """
    >>> to_third("you never plan ahead with your sister", "he")
    'He never plans ahead with his sister.'
    """
    possessive = SUBJECTS[subject]
    head, _, rest = you.partition(" ")
    words = [possessive if word == "your" else word for word in rest.split(" ")]
    if head == "your":
        return f"{possessive.capitalize()} {' '.join(words)}."
    if subject != "they":
        verb = _verb_at(words)
        words[verb] = inflected(words[verb])
    return f"{subject.capitalize()} {' '.join(words)}."


def capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def from_first(sentence: str) -> str | None:
    """ "I am a nurse." → "you are a nurse"; None for a sentence that is not about the speaker.

    >>> from_first("My roots are Welsh.")
    'your roots are Welsh'
    """
    subject, rest = _subject(sentence)
    if subject not in ("i", "my") or not rest:
        return None
    if subject == "my":
        return f"your {_each(rest, _FIRST_TO_WORD)}"
    verb, _, tail = rest.partition(" ")
    verb = {"am": "are", "was": "were"}.get(verb, verb)
    return f"you {verb} {_each(tail, _FIRST_TO_WORD)}".rstrip(" ")


def from_third(sentence: str) -> str | None:
    """ "She works as a nurse." → "you work as a nurse"; None for a sentence that is not about one person.

    >>> from_third("Her roots are Welsh.")
    'your roots are Welsh'
    """
    subject, rest = _subject(sentence)
    if not rest:
        return None
    if subject in _SUBJECT_OF:
        return f"your {_each(rest, _THIRD_TO_SECOND[_SUBJECT_OF[subject]])}"
    if subject not in SUBJECTS:
        return None
    words = rest.split(" ")
    if subject != "they":
        verb = _verb_at(words)
        words[verb] = uninflected(words[verb])
    return f"you {_each(' '.join(words), _THIRD_TO_SECOND[subject])}"


def _subject(sentence: str) -> tuple[str, str]:
    """The first word, in lower case, and the rest; contractions are spelt out."""
    for contraction, full in _CONTRACTIONS:
        sentence = contraction.sub(full, sentence)
    head, _, rest = sentence.rstrip(" .!").partition(" ")
    return head.lower(), rest


def inflected(verb: str) -> str:
    """work → works, have → has, carry → carries."""
    if verb in _UNCHANGED:
        return verb
    if verb in _INFLECTED:
        return _INFLECTED[verb]
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return verb[:-1] + "ies"
    return verb + ("es" if verb.endswith(("s", "sh", "ch", "x", "z", "o")) else "s")


def uninflected(verb: str) -> str:
    """works → work, has → have, carries → carry."""
    if verb in _UNCHANGED or verb in _INFLECTED:
        return verb
    if verb in _BASE:
        return _BASE[verb]
    if verb.endswith("ies") and len(verb) > 4:
        return verb[:-3] + "y"
    if verb.endswith(("sses", "shes", "ches", "xes", "zzes", "oes")):
        return verb[:-2]
    return verb[:-1] if verb.endswith("s") and not verb.endswith("ss") else verb


def _verb_at(words: list[str]) -> int:
    """Where the verb stands: after the adverbs."""
    for place, word in enumerate(words):
        if word.lower() not in _ADVERBS and not (word.endswith("ly") and len(word) > 4):
            return place
    return 0


def _each(text: str, table: dict[str, str]) -> str:
    """`text` with the words in `table` exchanged, whatever punctuation clings to them."""
    return _WORD.sub(lambda found: table.get(found[0], found[0]), text)
