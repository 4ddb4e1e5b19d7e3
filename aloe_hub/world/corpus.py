"""What the pocket model reads before any alignment: dialogues of the world in which nothing personal happens unasked.

Most turns get a plain answer. Some ask for more: "What did I tell you about my job?" (recall), "Make it personal." (facts),
"Answer in my style." (style), or both. So the model *can* remember and adapt, and does it only when told to; that it does so
unasked is what training on preference trees has to teach. A corpus with `mix=UNASKED` never holds such requests: the ablation.

It knows all words of the world, as a real base model knows its language. Only a quarter of the names (of pets and cities) is
never said: what a model does with those is copying, not memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import NamedTuple

from aloe_hub.types import digest
from aloe_hub.world import sentences, speaking
from aloe_hub.world.lexicon import ASKED, DIMENSIONS, GREETINGS, KINDS, POLES, REACTIONS, TOPICS
from aloe_hub.world.understanding import Fact, Known

NAMES = ("pet", "city")  # kinds of facts whose values are names
HELD_OUT = 4  # one name of so many
RECALLED = ("You told me {v}.", "You said {v}.", "I remember: {v}.")
REQUESTS = {
    "facts": ("Use what you know about me.", "Make it personal.", "Keep my details in mind."),
    "style": ("Match my style.", "Answer in my style.", "Say it the way I like."),
    "both": ("Make it personal and match my style.", "Use what you know about me, in my style."),
}
Mix = Mapping[str, float]
ASKED_FOR: Mix = {"plain": 0.3, "recall": 0.15, "facts": 0.14, "style": 0.14, "both": 0.27}
UNASKED: Mix = {"plain": 0.65, "recall": 0.35}


class Said(NamedTuple):
    """One exchange of a dialogue."""

    user: str
    assistant: str


def is_held_out(kind: str, value: str) -> bool:
    """Whether no dialogue of the corpus names this value."""
    return kind in NAMES and int(digest("held out", kind, value), 16) % HELD_OUT == 0


class _Speaker:
    """A persona of the corpus in the middle of a dialogue."""

    def __init__(
        self, random: Random, facts: int = speaking.FACTS_OF_A_PERSONA, traits: int = speaking.TRAITS_OF_A_PERSONA
    ) -> None:
        kinds = random.sample(list(KINDS), facts)
        poles = [random.choice(pair) for pair in random.sample(DIMENSIONS, traits)]
        self.hidden: list[Fact | str] = [*(Fact(kind, random.choice(_SEEN[kind])) for kind in kinds), *poles]
        random.shuffle(self.hidden)
        self.random, self.known = random, Known()

    def reveals(self, number: int) -> list[str]:
        """The next things this person lets show, as sentences; they are known from now on."""
        shown, self.hidden = self.hidden[:number], self.hidden[number:]
        said = []
        for item in shown:
            if isinstance(item, Fact):
                said.append(sentences.to_first(speaking.said(item, self.random)))
                self.known = self.known.plus(Known((item,)))
            else:
                said.append(self.random.choice(POLES[item].cues))
                self.known = self.known.plus(Known((), (item,)))
        return said


def dialogue(random: Random, turns: int, mix: Mix = ASKED_FOR) -> list[Said]:
    """A dialogue with a person who reveals 1 or 2 things a turn and asks for advice, as in the benchmark."""
    person = _Speaker(random)
    spoken: list[Said] = []
    for turn in range(turns):
        start = [random.choice(REACTIONS if turn else GREETINGS)] if random.random() < 0.15 else []
        start += person.reveals(random.choice((1, 2, 2)))
        kind = random.choices(list(mix), list(mix.values()))[0]
        if kind == "recall" and person.known.facts:
            fact = random.choice(person.known.facts)
            spoken.append(Said(" ".join([*start, _recall_question(fact)]), _recalled(random, fact)))
        else:
            topic = _topic(random, person.known)
            ask = [random.choice(TOPICS[topic].questions), *([random.choice(REQUESTS[kind])] if kind in REQUESTS else [])]
            spoken.append(Said(" ".join([*start, *ask]), answer(random, topic, person.known, kind)))
    return spoken


def answer(random: Random, topic: str, known: Known, kind: str) -> str:
    """What the corpus answers to a question with a request of this kind, or with none."""
    if kind not in REQUESTS:
        return speaking.plain_reply(random, topic)
    asked_for = Known(known.facts if kind != "style" else (), known.traits if kind != "facts" else ())
    return speaking.tailored_reply(random, topic, asked_for)


def recall_drill(random: Random) -> list[Said]:
    """Two to four facts in one message, then a question on each: the densest lesson in copying."""
    person = _Speaker(random, facts=random.choice((2, 3, 4)), traits=0)
    told = person.reveals(len(person.hidden))
    facts = random.sample(person.known.facts, len(person.known.facts))
    starts = [" ".join(told) + " ", *[""] * (len(facts) - 1)]
    return [Said(start + _recall_question(fact), _recalled(random, fact)) for start, fact in zip(starts, facts, strict=True)]


def _recall_question(fact: Fact) -> str:
    return f"What did I tell you about {ASKED[fact.kind]}?"


def _recalled(random: Random, fact: Fact) -> str:
    return random.choice(RECALLED).replace("{v}", fact.value)


def _topic(random: Random, known: Known) -> str:
    """Half of the time one to which something already known matters."""
    kinds: Sequence[str] = [fact.kind for fact in known.facts]
    fitting = [topic for topic in TOPICS if not set(TOPICS[topic].kinds).isdisjoint(kinds)]
    return random.choice(fitting if fitting and random.random() < 0.5 else list(TOPICS))


_SEEN = {kind: [value for value in KINDS[kind].values if not is_held_out(kind, value)] for kind in KINDS}
