"""What a visitor may be answered: told before any model is asked, and by the page, in plain words.

The pocket model has read nothing but the sentences of the scripted world; of any other text it makes nonsense. So what is
written to it, or to the world itself, has to be made of such sentences, whatever their capitals and full stops. Other models are
asked anything. Whoever seems to be in distress is answered by the page whichever models there are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from random import Random
from typing import Literal

from delicate import delicate
from models import Models

from aloe_hub.errors import UsageError
from aloe_hub.hub.demo_settings import of_the_world
from aloe_hub.model_string import ModelString
from aloe_hub.types import Message, Persona
from aloe_hub.world.freetext import statements
from aloe_hub.world.lexicon import COLOURS, DIMENSIONS, GREETINGS, KINDS, POLES, REACTIONS, TOPICS, WORDS
from aloe_hub.world.sentences import from_first, from_third, split_sentences, to_first, to_third
from aloe_hub.world.speaking import said
from aloe_hub.world.understanding import Fact, read_message, read_messages, read_personality, read_profile

EXAMPLES = (
    "I live with my sister. I work as a nurse. Any ideas for the weekend?",
    "I was joking around all day. I play jazz in a band. How can I relax tonight?",
    "I only have a minute. I love sushi. How should I celebrate my birthday?",
)
_LONG = 60  # characters from which on a line may be broken because it is long
_MISSPELT = ("city",)  # what the pocket model often copies wrong is offered to nobody
_DELICATE = {
    "distress": "what was written sounds as if somebody may be in distress",
    "insult": "what was written is an insult",
}
_CHIPS = {"about you": 4, "your manner": 3, "a question": 4}


class AnsweredByPage(UsageError):
    """A text that no model is asked, and of which nothing is noted down.

    kind: `unknown`, the models of this page would make nonsense of it; `untold`, a question before anything was told that a model
    could use; `distress`; `insult`, somebody is angry at the page.
    """

    def __init__(self, kind: Literal["unknown", "untold", "distress", "insult"], why: str) -> None:
        super().__init__(why)
        self.kind = kind


def is_world(models: Models) -> bool:
    """Whether one of the two models that answer knows the sentences of the scripted world alone."""
    return any(of_the_world(ModelString.recorded(part.model)) for part in (models.base, models.aligned))


def sentences_of(text: str) -> list[tuple[str, str | None]]:
    """Each sentence of a text, and as the world has it; None: it does not know it.

    >>> sentences_of("i work as a nurse! I moved to Lisbon.")
    [('i work as a nurse!', 'I work as a nurse.'), ('I moved to Lisbon.', None)]
    """
    return [(sentence, _in_the_world(sentence)) for sentence in split_sentences(text)]


def understandable(text: str, world: bool, said_before: Sequence[Message] = ()) -> str:
    """The text as the models are asked it, after `said_before`.

    Raises:
        AnsweredByPage: somebody seems to need help, which no model here can give, or insults; or, `world`, not all of the text is
            of the world, nothing in it is a question, or nothing was told by which one model could know better than the other.
    """
    if found := delicate(text):
        raise AnsweredByPage(found, _DELICATE[found])
    if not world:
        return text
    sentences = sentences_of(text)
    strange = [sentence for sentence, known in sentences if known is None]
    if strange:
        raise AnsweredByPage("unknown", f"“{strange[0][:120]}{'…' if len(strange[0]) > 120 else ''}”")
    known = [sentence for _, sentence in sentences if sentence]
    if not any(sentence in _QUESTIONS for sentence in known):
        raise AnsweredByPage("unknown", "")
    told = read_messages([*(message.content for message in said_before if message.role == "user"), *known])
    if not (told.facts or told.traits):
        raise AnsweredByPage("untold", "nothing was told yet")
    return " ".join(known)


def chips(seed: int, said_before: Iterable[str] = ()) -> dict[str, list[str]]:
    """Sentences that the world knows, to be clicked: none that says again what was said."""
    random, known = Random(seed), " ".join(said_before)
    before = read_message(known)
    kinds = {fact.kind for fact in before.facts}
    facts = [
        to_first(said(Fact(kind, random.choice(KINDS[kind].values)), random))
        for kind in KINDS
        if kind not in {*kinds, *_MISSPELT}
    ]
    cues = [random.choice(POLES[pole].cues) for pair in DIMENSIONS if not {*pair} & {*before.traits} for pole in pair]
    topics = [topic for topic in TOPICS.values() if not any(one in known for one in topic.questions)]
    questions = [random.choice(topic.questions) for topic in topics]
    found = dict(zip(_CHIPS, (facts, cues, questions or [TOPICS["dinner"].questions[0]]), strict=True))
    return {title: random.sample(found[title], min(number, len(found[title]))) for title, number in _CHIPS.items()}


def in_third(persona: Persona) -> Persona:
    """A persona that somebody wrote, as the world reads one: of "They", whoever it was written of, and manners as manners.

    >>> in_third(Persona("I work as a nurse. I hate long answers.", "Ana is funny"))
    Persona(profile='They work as a nurse.', personality='They like things short. They are funny.')
    """
    profile: dict[str, None] = {}
    personality: dict[str, None] = {}
    for text, kept in ((persona.profile, profile), (persona.personality, personality)):
        for sentence in (sentence for line in _lines(text) for sentence in split_sentences(line)):
            for part in [sentence] if from_third(sentence) else statements(sentence):
                third = _third(part)
                first = to_first(from_third(third) or "you are") if third != part or from_third(part) else part
                traits = read_message(f"{first.rstrip(' .!')}.").traits  # said as in a conversation
                if traits and not (from_third(third) and read_personality(third)):
                    personality |= {f"They {POLES[trait].said[0]}.": None for trait in traits}
                else:
                    (personality if traits else kept)[third] = None
    return Persona(" ".join(profile), " ".join(personality))


def readings(persona: Persona, world: bool) -> list[tuple[str, str]]:
    """Each line of a persona, and how the scripted user reads it: "understood", "free text" or "" (not at all).

    In the world free text is not understood: the pocket model would make nonsense of what such a user says.
    """
    lines = []
    for text, reads in ((persona.profile, read_profile), (persona.personality, read_personality)):
        for line in split_sentences(text):
            found = reads(line)
            free = bool(found) and any(getattr(one, "free", False) for one in found)
            neutral = (from_third(line) or "").removeprefix("you ") in COLOURS  # a trait that no reply can show
            how = "understood" if neutral or (found and not free) else "free text" if found and not world else ""
            lines.append((line, how))
    return lines


def _lines(text: str) -> list[str]:
    """The lines of a text, each with an end; one that is broken because it is long goes on in the next."""
    lines: list[str] = []
    for line in filter(None, (_BULLET.sub("", line).strip() for line in text.splitlines())):
        if lines and len(lines[-1]) >= _LONG and line[0].islower() and lines[-1][-1] not in ".!?":
            lines[-1] += f" {line}"
        else:
            lines.append(line)
    return [line if line[-1] in ".!?" else f"{line.rstrip(' ,;:')}." for line in lines]


def _third(sentence: str) -> str:
    if from_third(sentence):
        return sentence
    you = from_first(sentence)
    if you is None and sentence.startswith(("You ", "Your ")):
        you = sentence[0].lower() + sentence[1:].rstrip(" .!")
    if you is None and (bare := _NAMED.match(sentence)):
        rest = sentence[bare.start("rest") :]
        you = from_third(f"She {'is ' if bare['age'] else ''}{rest[0].lower()}{rest[1:]}")
    return to_third(you, "they") if you else sentence


def _in_the_world(sentence: str) -> str | None:
    plain = _plain(sentence)
    if plain in _KNOWN:
        return _KNOWN[plain]
    for ending in (".", "!"):
        whole = f"{sentence[:1].upper()}{sentence[1:].rstrip(' .!')}{ending}"
        facts = read_message(whole).facts
        if len(facts) == 1 and not facts[0].free:
            return f"{whole[:-1]}."
    return None


def _plain(sentence: str) -> str:
    return " ".join(re.findall(r"[\w']+", sentence.replace("’", "'").lower()))


_BULLET = re.compile(r"^\s*(?:[-*•–]|\d+[.)])\s+")
_NO_NAME = "this|that|these|those|it|there|here|what|who|which|everyone|everybody|nobody|somebody|someone|one|the|my|life|we"
_NAMED = re.compile(  # "Ana works as …", "works as …", "34 years old"
    rf"(?:(?!(?i:{_NO_NAME})\b)(?:[A-Z][\w'’-]+ ){{1,2}})?(?P<rest>(?:(?:{'|'.join(WORDS['adverbs'])}) )*"
    rf"(?:(?i:{'|'.join(WORDS['verbs'])}|has|is)\b|(?P<age>\d+ years old)))"
)
_QUESTIONS = frozenset(sentence for topic in TOPICS.values() for one in topic.questions for sentence in split_sentences(one))
_CUES = (cue for pole in POLES.values() for cue in pole.cues)
_KNOWN = {_plain(sentence): sentence for sentence in (*GREETINGS, *REACTIONS, *_CUES, *_QUESTIONS)}
