"""How well a reply fits a persona, 1 to 5: the world's judge. It knows the truth, and it is a test bed, not a model of taste.

    1 + on topic (about 1) + facts (1.5 x fitting facts used, at most 2, / 2) + style (1.5 x net match / traits of the persona)

Off topic, facts and style count half. Under 5 words scores 1. Faults cost:

    version 2   a contradiction or a wrong name 1, an unrevealed or an irrelevant fact 0.75, a broken sentence 0.5
    version 1   a contradiction 0.75, an unrevealed or an irrelevant fact 0.5
    both        repetition 1, echoing the user 1, a second further topic 0.5, an earlier reply again 0.5, each word over 75 0.05

Only what the user has *revealed* pays, in facts and in style: guessing the persona right is not aligning with it. Bipolar
style and topics to which only some facts matter are what defeat constant replies and recitals.

Version 2 holds a reply to the world's own sentences. A fact pays only in one of them, word by word; a sentence that is none is
broken; a fact that does not belong costs what one that does would earn. People differ in which tips help them, by half a point up
or down, and nothing that they say tells: what no policy can know gives every score a spread. A reply that says nothing in
the world's sentences, as of a language model that never read them, is read by its words, as version 1 does it with every reply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from aloe_hub.types import digest
from aloe_hub.world import JUDGE_VERSION
from aloe_hub.world.freetext import words_of
from aloe_hub.world.lexicon import DIMENSIONS, POLES, TOPICS
from aloe_hub.world.replies import by_sentence, by_words, revealed_facts
from aloe_hub.world.speaking import CONCISE, DETAILED, count_words
from aloe_hub.world.understanding import read_message, read_messages, read_personality, read_profile, topic_of

MOST_WORDS, FEWEST_WORDS = 75, 5
TIE_BELOW = 0.2  # two scores nearer than this are a tie
VERSIONS = (1, JUDGE_VERSION)


class Costs(NamedTuple):
    contradiction: float
    unrevealed: float
    irrelevant: float
    broken: float


COSTS: Mapping[int, Costs] = {1: Costs(0.75, 0.5, 0.5, 0.0), 2: Costs(1.0, 0.75, 0.75, 0.5)}


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge saw in a reply; `score` follows from it. `useful`: what its tips are worth to this person, 0.5 to 1.5."""

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
    broken: int = 0
    useful: float = 1.0
    version: int = JUDGE_VERSION
    bias: float = 0.0  # that a judge which is biased on purpose adds

    @property
    def score(self) -> float:
        return round(min(5.0, max(1.0, self.score_before + self.bias)), 2) if self.bias else self.score_before

    @property
    def score_before(self) -> float:
        """The score without `bias`."""
        if self.words < FEWEST_WORDS:
            return 1.0
        costs = COSTS[self.version]
        weight = 1.0 if self.on_topic else 0.5
        score = 1.0 + max(-0.5, self.on_topic * self.useful - 0.5 * max(0, self.further_topics - 1))
        score += weight * (1.5 * min(2, self.fitting) / 2 + 1.5 * self.style)
        score -= costs.contradiction * self.contradictions + costs.unrevealed * self.unrevealed
        score -= costs.irrelevant * self.irrelevant + costs.broken * self.broken
        score -= 1.0 * self.repeats + 1.0 * self.echoes + 0.5 * self.said_before + 0.05 * max(0, self.words - MOST_WORDS)
        return round(min(5.0, max(1.0, score)), 2)

    @property
    def criteria(self) -> dict[str, float]:
        """What the rubrics ask for beside the score: points of 1 to 5, or whether it holds.

        A manner for anybody is style 3: it neither suits nor offends. What a user has not said is not theirs to be told.
        """
        quality = 5 - 2 * self.repeats - 2 * self.echoes - self.said_before - 0.05 * max(0, self.words - MOST_WORDS)
        return {
            "style": 3 + 2 * self.style,
            "content": 1 + self.on_topic + 1.5 * min(2, self.fitting) - 0.75 * self.contradictions - 0.5 * self.irrelevant,
            "quality": quality if self.words >= FEWEST_WORDS else 1,
            "overreach": self.unrevealed + self.contradictions > 0,
            "naturalness": FEWEST_WORDS <= self.words <= MOST_WORDS and not self.repeats,
            "relevance": self.fitting > 0 and self.irrelevant == 0,
            "logic": self.on_topic and self.contradictions == 0,
            "engagement": self.style >= 0,
            "informativeness": not self.echoes and not self.said_before,
        }

    def reasons(self) -> str:
        faults = [
            f"{count} {name}"
            for count, name in (
                (self.contradictions, "contradiction(s)"),
                (self.unrevealed, "unrevealed fact(s)"),
                (self.irrelevant, "irrelevant fact(s)"),
                (self.broken, "broken sentence(s)"),
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
def judge(
    profile: str,
    personality: str,
    earlier: tuple[tuple[str, str], ...] | None,
    message: str,
    reply: str,
    version: int = JUDGE_VERSION,
) -> Judgement:
    """Judge `reply` to `message`, after the `earlier` (user, assistant) exchanges.

    None: the judge is not shown them. It cannot tell what was revealed, and takes all that is true for known.
    """
    asked = [*(user for user, _ in earlier or ()), message]
    topic = topic_of(message)
    facts = read_profile(profile)
    traits = read_personality(personality)
    revealed = set(facts) if earlier is None else revealed_facts(facts, asked)
    found = by_sentence(reply, profile, facts, asked) if version > 1 else by_words(reply, profile, facts)
    topics = {name for name in TOPICS if any(word in TOPICS[name].keywords for word in words_of(found.rest))}
    # A bare greeting asks for nothing: a tip on whatever it may be is an answer.
    wanted = {topic} if topic or version == 1 else set(sorted(topics)[:1])
    kinds = TOPICS[topic].kinds if topic else ()
    tips = [part.text for part in found.tips if part.about in wanted]
    grams, rest, own = _grams(reply), _grams(found.rest), set(_grams(message))
    return Judgement(
        on_topic=bool(tips) if found.tips else bool(wanted & topics),
        further_topics=len(topics - wanted),
        fitting=sum(fact in revealed and fact.kind in kinds for fact in found.uses),
        contradictions=found.contradictions,
        unrevealed=sum(fact not in revealed for fact in found.uses | found.named),
        irrelevant=sum(fact in revealed and fact.kind not in kinds for fact in found.uses | found.named),
        style=_style(reply, traits, set(traits) if earlier is None else revealed_traits(asked, version)),
        repeats=_share(len(grams) - len(set(grams)), grams) > 0.1,
        echoes=_share(sum(gram in own for gram in rest), rest) > 0.3,
        said_before=any(reply == said for _, said in earlier or ()),
        words=count_words(reply),
        broken=found.broken,
        useful=sum(_help(profile, tip) for tip in tips) / len(tips) if tips else 1.0,
        version=version,
    )


def revealed_traits(messages: Sequence[str], version: int = JUDGE_VERSION) -> set[str]:
    """The poles that the messages let show; in version 1 of a pair only the first."""
    if version == 1:
        return set(read_messages(messages).traits)
    return {trait for message in messages for trait in read_message(message).traits}


@lru_cache(maxsize=4096)
def _help(profile: str, tip: str) -> float:
    """What a tip is worth to a person, 0.5 to 1.5, one on average: drawn once and for all."""
    return 0.5 + int(digest("help", profile, tip), 16) / 16**16


def _style(reply: str, traits: Sequence[str], revealed: set[str]) -> float:
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


def _share(number: int, grams: Sequence[tuple[str, ...]]) -> float:
    return number / max(1, len(grams))
