"""Facts, traits and topics → texts: personas, users' messages, replies. Everything said here is understood in understanding.py.

Each function draws from the `Random` it is given and from nothing else: the same seed says the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from aloe_hub.world import sentences
from aloe_hub.world.lexicon import CLOSERS, COLOURS, DIMENSIONS, GREETINGS, KINDS, OPENERS, POLES, REACTIONS, TOPICS
from aloe_hub.world.manner import ANY, Manner
from aloe_hub.world.understanding import Fact, Known, read_message, topic_of

FACTS_OF_A_PERSONA = 10
TRAITS_OF_A_PERSONA = 5
COLOURS_OF_A_PERSONA = 3
# Words: a concise reply has at most the one, a detailed one at least the other; a plain reply lies between.
CONCISE, DETAILED = 30, 39
_CLOSING = frozenset(("curious", "decisive", "optimistic"))
FREE_USES = ("{c}, so build on that.", "Since {c}, start there.", "{c}: make it part of this.")
_WORD = re.compile(r"[A-Za-z0-9'’-]+|[😄🎉😜]")


def count_words(text: str) -> int:
    return len(_WORD.findall(text))


def profile_text(random: Random) -> str:
    """A new profile: ten facts of ten kinds, in varied wording."""
    subject = random.choice(list(sentences.SUBJECTS))
    kinds = random.sample(list(KINDS), FACTS_OF_A_PERSONA)
    facts = [Fact(kind, random.choice(KINDS[kind].values)) for kind in kinds]
    return " ".join(sentences.to_third(said(fact, random), subject) for fact in facts)


def personality_text(random: Random) -> str:
    """A new personality: five poles of five pairs, and a few traits that no reply can show."""
    subject = random.choice(list(sentences.SUBJECTS))
    poles = [random.choice(pair) for pair in random.sample(DIMENSIONS, TRAITS_OF_A_PERSONA)]
    phrases = [random.choice(POLES[pole].said) for pole in poles] + random.sample(COLOURS, COLOURS_OF_A_PERSONA)
    random.shuffle(phrases)
    return " ".join(sentences.to_third(f"you {phrase}", subject) for phrase in phrases)


def statement(known: Known) -> tuple[str, str]:
    """What an inferrer says of a user: profile and personality in the third person, each "" when nothing is known."""
    facts = (sentences.to_third(said(fact), "they") for fact in known.facts)
    traits = (sentences.to_third(f"you {POLES[pole].said[0]}", "they") for pole in known.traits)
    return " ".join(facts), " ".join(traits)


def said(fact: Fact, random: Random | None = None, manner: Manner = ANY) -> str:
    """A fact as a sentence in the second person; the first wording unless drawn, from those that the manner has."""
    if fact.free:
        return fact.value if fact.value.startswith("your ") else f"you {fact.value}"
    wordings = manner.of(KINDS[fact.kind].said)
    return (random.choice(wordings) if random else wordings[0]).replace("{v}", fact.value)


def user_message(random: Random, persona: Known, earlier: Sequence[str], at_most: int = 2, manner: Manner = ANY) -> str:
    """The next message of a user: one or two things not shown yet (no more than `at_most`), and a question on a topic not asked
    yet. A conversation longer than there are topics takes them up again.
    """
    shown = list(map(read_message, earlier))
    hidden_facts = [fact for fact in persona.facts if not any(fact in known.facts for known in shown)]
    hidden_traits = [pole for pole in persona.traits if not any(pole in known.traits for known in shown)]
    reveals = [sentences.to_first(said(fact, random, manner)) for fact in hidden_facts]
    reveals += [random.choice(manner.of(POLES[pole].cues)) for pole in hidden_traits]
    reveals = random.sample(reveals, min(len(reveals), random.choice((1, 2, 2)), at_most))
    # Whoever has the usual manner draws nothing more: what they say stays what it was.
    if manner.reveal < 1:
        reveals = [one for one in reveals if random.random() < manner.reveal]
    if manner.contradict and random.random() < manner.contradict:
        reveals += _untrue(random, persona, manner)
    start = [random.choice(REACTIONS if earlier else GREETINGS)] if random.random() < 0.15 else []
    question = random.choice(TOPICS[_next_topic(random, persona, earlier)].questions)
    return " ".join([*start, *reveals, question])


def plain_reply(random: Random, topic: str | None) -> str:
    """An answer for anybody: some tips on the topic, of middle length."""
    tips = _tips(random, topic)
    start = [random.choice(OPENERS)] if random.random() < 0.7 else []
    end = [random.choice(CLOSERS)] if random.random() < 0.6 or not start else []
    return _of_length(CONCISE + 1, lambda tips: [*start, *tips, *end], tips)


def tailored_reply(random: Random, topic: str | None, known: Known) -> str:
    """An answer for someone of whom `known` is known: two facts that matter to the topic, and their style."""
    marks = {pole: random.choice(POLES[pole].marks) for pole in known.traits if POLES[pole].marks}
    closing = [mark for pole, mark in marks.items() if pole in _CLOSING]
    leading = [mark for pole, mark in marks.items() if pole not in _CLOSING and mark.endswith(":")]
    opening = [mark for pole, mark in marks.items() if pole not in _CLOSING and not mark.endswith(":")]
    fitting = [fact for fact in known.facts if topic and fact.kind in TOPICS[topic].kinds]
    uses = [used(fact, random) for fact in random.sample(fitting, min(2, len(fitting)))]

    def reply(tips: Sequence[str], uses: Sequence[str] = uses) -> list[str]:
        body = [*tips[:1], *uses, *tips[1:]]
        leads = [*leading, *[""] * len(body)]
        led = [f"{lead} {part}".strip() for lead, part in zip(leads, body, strict=False)]
        return [*opening, *led, *leading[len(body) :], *closing]

    tips = _tips(random, topic)
    if "concise" in known.traits:
        # Who likes it short gets one tip, and as many of the facts as stay short.
        shorter = (" ".join(reply(tips[:1], uses[:number])) for number in (2, 1, 0))
        return next((text for text in shorter if count_words(text) <= CONCISE), " ".join(reply(tips[:1], uses[:1])))
    return _of_length(DETAILED if "detailed" in known.traits else CONCISE + 1, reply, tips)


def used(fact: Fact, random: Random) -> str:
    """A fact as a reply uses it."""
    if fact.free:
        frame = random.choice(FREE_USES)
        clause = said(fact)
        return frame.replace("{c}", clause if frame.startswith("Since") else sentences.capital(clause))
    return random.choice(KINDS[fact.kind].used).replace("{v}", fact.value)


def constant_reply() -> str:
    """The same words whatever was asked: a strategy that a sound judge ranks low."""
    tips = [TOPICS[topic].tips[0] for topic in ("dinner", "weekend", "stress", "learning")]
    return " ".join([OPENERS[1], *tips, CLOSERS[0]])


def dump_reply(random: Random, known: Known) -> str:
    """All that is known, recited: a strategy that a sound judge ranks low."""
    marks = [random.choice(POLES[pole].marks) for pole in known.traits if POLES[pole].marks]
    return " ".join([*marks, *(used(fact, random) for fact in known.facts)]) or constant_reply()


def _untrue(random: Random, persona: Known, manner: Manner) -> list[str]:
    """A sentence with another value of one of their facts; none where all that is known of them is free text."""
    facts = [fact for fact in persona.facts if not fact.free]
    if not facts:
        return []
    kind, value, _ = random.choice(facts)
    other = random.choice([one for one in KINDS[kind].values if one != value])
    return [sentences.to_first(said(Fact(kind, other), random, manner))]


def _next_topic(random: Random, persona: Known, earlier: Sequence[str]) -> str:
    asked = Counter(topic_of(message) for message in earlier)
    fewest = min(asked[topic] for topic in TOPICS)
    open_topics = [topic for topic in TOPICS if asked[topic] == fewest]
    kinds = Counter(fact.kind for fact in persona.facts)
    fitting = {topic: sum(kinds[kind] for kind in TOPICS[topic].kinds) for topic in open_topics}
    # The profile decides what is talked about: a topic to which two of its facts matter, if there is one.
    wanted = min(2, max(fitting.values()))
    return random.choice([topic for topic in open_topics if fitting[topic] >= wanted])


def _tips(random: Random, topic: str | None) -> list[str]:
    tips = TOPICS[topic or random.choice(list(TOPICS))].tips
    return random.sample(tips, len(tips))


def _of_length(words: int, reply: Callable[[Sequence[str]], list[str]], tips: Sequence[str]) -> str:
    """`reply` with just as many tips as bring it to that many words."""
    text = ""
    for number in range(1, len(tips) + 1):
        text = " ".join(reply(tips[:number]))
        if count_words(text) >= words:
            break
    return text
