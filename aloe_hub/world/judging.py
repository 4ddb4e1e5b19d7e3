"""How well a reply fits a persona, 1 to 5: the world's judge. It knows the truth, and it is a test bed, not a model of taste.

    1 + on topic (1) + facts (1.5 x fitting facts used, at most 2, / 2) + style (1.5 x net match / traits of the persona)

Off topic, facts and style count half. Faults cost: a contradiction 0.75, an unrevealed or irrelevant fact 0.5, a second
further topic 0.5, repetition 1, echoing the user 1, repeating an earlier reply 0.5, each word over 75 0.05. Under 5
words scores 1.

Only what the user has *revealed* pays, in facts and in style: guessing the persona right is not aligning with it. Bipolar
style and topics to which only some facts matter are what defeat constant replies and recitals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from aloe_hub.world.freetext import content_words, words_of
from aloe_hub.world.lexicon import DIMENSIONS, POLES, TOPICS
from aloe_hub.world.sentences import split_sentences
from aloe_hub.world.speaking import CONCISE, DETAILED, count_words
from aloe_hub.world.understanding import Fact, mentions, read_messages, read_personality, read_profile, topic_of

MOST_WORDS, FEWEST_WORDS = 75, 5
TIE_BELOW = 0.2  # two scores nearer than this are a tie
_MEANT = 0.6  # share of a clause's content words that a text must hold to mean it


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge saw in a reply; `score` follows from it."""

    on_topic: bool
    further_topics: int
    fitting: int
    contradictions: int
    unrevealed: int
    irrelevant: int
    style: float
    repeats: bool
    echoes: bool
    said_before: bool
    words: int

    @property
    def score(self) -> float:
        if self.words < FEWEST_WORDS:
            return 1.0
        weight = 1.0 if self.on_topic else 0.5
        score = 1.0 + max(-0.5, self.on_topic - 0.5 * max(0, self.further_topics - 1))
        score += weight * (1.5 * min(2, self.fitting) / 2 + 1.5 * self.style)
        score -= 0.75 * self.contradictions + 0.5 * self.unrevealed + 0.5 * self.irrelevant
        score -= 1.0 * self.repeats + 1.0 * self.echoes + 0.5 * self.said_before + 0.05 * max(0, self.words - MOST_WORDS)
        return round(min(5.0, max(1.0, score)), 2)

    def reasons(self) -> str:
        faults = [
            f"{count} {name}"
            for count, name in (
                (self.contradictions, "contradiction(s)"),
                (self.unrevealed, "unrevealed fact(s)"),
                (self.irrelevant, "irrelevant fact(s)"),
                (self.repeats, "repetition"),
                (self.echoes, "echo of the user"),
                (self.said_before, "repeat of an earlier reply"),
            )
            if count
        ]
        return (
            f"{'On' if self.on_topic else 'Off'} topic, {min(2, self.fitting)} of 2 fitting facts, "
            f"style {self.style:+.2f}. Faults: {', '.join(faults) or 'none'}."
        )


@lru_cache(maxsize=256)  # the pairwise judge sees each reply in two orders
def judge(profile: str, personality: str, earlier: tuple[tuple[str, str], ...] | None, message: str, reply: str) -> Judgement:
    """Judge `reply` to `message`, after the `earlier` (user, assistant) exchanges.

    None: the judge is not shown them. It cannot tell what was revealed, and takes all that is true for known.
    """
    asked = [*(user for user, _ in earlier or ()), message]
    topic = topic_of(message)
    facts, said = read_profile(profile), set(words_of(profile))
    traits = read_personality(personality)
    revealed = set(facts) if earlier is None else _revealed(facts, asked)
    uses, others, rest = _facts_in(reply, facts)
    topics = {name for name in TOPICS if any(word in TOPICS[name].keywords for word in words_of(rest))}
    kinds = TOPICS[topic].kinds if topic else ()
    return Judgement(
        on_topic=topic in topics,
        further_topics=len(topics - {topic}),
        fitting=sum(fact in revealed and fact.kind in kinds for fact in uses),
        contradictions=sum(not said.issuperset(words_of(value)) for _, value in others),
        unrevealed=sum(fact not in revealed for fact in uses),
        irrelevant=sum(fact in revealed and fact.kind not in kinds for fact in uses),
        style=_style(reply, traits, traits if earlier is None else read_messages(asked).traits),
        repeats=_repeated(_grams(reply)) > 0.1,
        echoes=_shared(_grams(rest), set(_grams(message))) > 0.3,
        said_before=any(reply == said for _, said in earlier or ()),
        words=count_words(reply),
    )


def _revealed(facts: Sequence[Fact], messages: Sequence[str]) -> set[Fact]:
    said = {mention for message in messages for mention in mentions(message)}
    stems = frozenset().union(*(content_words(message) for message in messages))
    return {fact for fact in facts if (_held(fact, stems) if fact.free else (fact.kind, fact.value) in said)}


def _facts_in(reply: str, facts: Sequence[Fact]) -> tuple[set[Fact], set[tuple[str, str]], str]:
    """The facts that a reply uses, the values it names that are none of them, the reply without its uses of free facts."""
    uses: set[Fact] = set()
    named: set[tuple[str, str]] = set()
    rest: list[str] = []
    free = [fact for fact in facts if fact.free]
    for sentence in split_sentences(reply):
        # Only a sentence about "you" uses a clause of free text: "Cook a meal" is a tip, "you love to cook" is a use.
        about_you = free and not {"you", "your"}.isdisjoint(words_of(sentence))
        meant = {fact for fact in free if _held(fact, content_words(sentence))} if about_you else set()
        uses |= meant
        if not meant:
            named.update(mentions(sentence))
            rest.append(sentence)
    true = {(fact.kind, fact.value): fact for fact in facts if not fact.free}
    uses |= {true[mention] for mention in named if mention in true}
    return uses, named - true.keys(), " ".join(rest)


def _held(fact: Fact, stems: frozenset[str]) -> bool:
    wanted = content_words(fact.value)
    return len(wanted & stems) >= _MEANT * len(wanted)


def _style(reply: str, traits: Sequence[str], revealed: Sequence[str]) -> float:
    """Net match of the revealed traits, per trait of the persona, -1 to 1; a manner that nothing called for costs a little."""
    if not traits:
        return 0.0
    shown = _poles_shown(reply)
    net = 0.0
    for pole, other in DIMENSIONS:
        here = (pole in shown) - (other in shown)
        both = pole in shown and other in shown
        wanted = next((1 if trait == pole else -1 for trait in traits if trait in (pole, other) and trait in revealed), 0)
        if wanted:
            net += -1 if both else here * wanted
        elif POLES[pole].marks and (here or both):
            net -= 0.25
    return max(-1.0, net / len(traits))


def _poles_shown(reply: str) -> set[str]:
    words = count_words(reply)
    shown = {pole for pole in POLES if any(mark in reply for mark in POLES[pole].marks)}
    if words <= CONCISE:
        shown.add("concise")
    elif words >= DETAILED:
        shown.add("detailed")
    return shown


def _grams(text: str, size: int = 4) -> list[tuple[str, ...]]:
    words = words_of(text)
    return [tuple(words[start : start + size]) for start in range(len(words) - size + 1)]


def _repeated(grams: Sequence[tuple[str, ...]]) -> float:
    return (len(grams) - len(set(grams))) / max(1, len(grams))


def _shared(grams: Sequence[tuple[str, ...]], others: set[tuple[str, ...]]) -> float:
    return sum(gram in others for gram in grams) / max(1, len(grams))
