"""What the semantic judge finds in a reply, and what that is worth to a person.

    1 + topic x (1 + 1.5 content + 1.5 style) - faults

    topic     0 to 1    similarity of its nearest sentence to what was asked: the message's questions, else its last
                        sentence, with what these point back to
    content   0 to 1    revealed facts that sentences of the reply are similar to, at most two
    style    -1 to 1    measured manners of the reply, along those that the personality asks for
    faults              facts taken for known that the user has not told, more than three facts recited, sentences about nothing
                        that was said, the user's own words, the reply's own again, an earlier reply's again, no words, length

A fact is a sentence of the profile. It is revealed as far as a sentence of the user is similar to it. One sentence can tell,
or use, only the fact it is nearest to (and those as near), since facts of one person resemble one another.

Manner pays whether or not the user has let show that they like it, as the prompt has it: it claims nothing. Every number stands
in weights.toml, and nothing here draws: equal texts get equal answers.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from aloe_hub.chat.semantic.manner import asked, fit, manners, shown
from aloe_hub.chat.semantic.reading import Numbers, Similarity, count_words, looped, ramp, sentences, unreadable, words

FEW = 4  # words: a shorter sentence, such as "Good question.", is about nothing and need not be


@cache
def weights() -> Mapping[str, Any]:
    return tomllib.loads((files(__package__) / "weights.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was found; `worth` follows from it. Shares are of the reply's words, or of its sentences."""

    topic: float
    content: float
    style: float
    used: float  # facts, each as far as it is used
    claimed: float  # … that the user has not told
    stray: float
    echo: float
    repeated: float
    said_before: float
    unreadable: float
    words: int

    @property
    def recited(self) -> float:
        return max(0.0, self.used + self.claimed - float(weights()["limits"]["recital"]))

    @property
    def too_long(self) -> int:
        return max(0, self.words - int(weights()["limits"]["words"]))

    @property
    def too_short(self) -> bool:
        return self.words < int(weights()["limits"]["fewest_words"])

    @property
    def faults(self) -> dict[str, float]:
        """By name, in points."""
        return {name: float(cost) * float(getattr(self, name)) for name, cost in weights()["cost"].items()}

    @property
    def worth(self) -> float:
        """In points, not held between 1 and 5: two bad replies can still be told apart."""
        worth = weights()["worth"]
        if self.too_short:
            return float(1 - worth["topic"])
        gain = self.topic * (worth["topic"] + worth["content"] * self.content + worth["style"] * self.style)
        return float(1 + gain - sum(self.faults.values()))

    @property
    def score(self) -> float:
        return round(min(5.0, max(1.0, self.worth)), 2)

    @property
    def criteria(self) -> dict[str, float]:
        """What the rubrics ask for beside the score: points of 1 to 5, or whether it holds.

        A manner for anybody is style 3. What a user has not said is overreach, and no part of the content.
        """
        least = weights()["limits"]["holds"]
        quality = 5.0 - sum(cost for name, cost in self.faults.items() if name != "claimed")
        return {
            "style": 3 + 2 * self.style,
            "content": 1 + self.topic + 3 * self.content,
            "quality": 1.0 if self.too_short else quality,
            "overreach": self.claimed >= least,
            "naturalness": not (self.too_short or self.too_long) and max(self.repeated, self.unreadable) < least,
            "relevance": self.content >= least > self.stray,
            "logic": self.topic >= least > self.claimed,
            "engagement": self.style >= 0,
            "informativeness": max(self.echo, self.said_before) < least,
        }

    def reasons(self) -> str:
        faults = [f"{name.replace('_', ' ')} {cost:.2f}" for name, cost in self.faults.items() if cost >= 0.005]
        faults += ["fewer words than a reply needs"] if self.too_short else []
        return (
            f"Topic {self.topic:.2f}, {self.used:.2f} revealed fact(s) used, style {self.style:+.2f}. "
            f"Faults: {', '.join(faults) or 'none'}."
        )


class Reader:
    """Judges replies by a similarity. What it has read of a personality, and of a conversation so far, it keeps for a while."""

    def __init__(self, similarity: Similarity) -> None:
        self._similarity = similarity
        self._near = weights()["near"]
        self._manners = manners(weights()["manner"])
        self._asked = lru_cache(1024)(lambda text: asked(text, self._manners, similarity, self._near))
        self._told = lru_cache(1024)(self._read)
        self.judge = lru_cache(1024)(self._judge)  # the pairwise judge sees each reply in two orders

    def _judge(
        self, profile: str, personality: str, earlier: tuple[tuple[str, str], ...] | None, message: str, reply: str
    ) -> Judgement:
        """Judge `reply` to `message`, after the `earlier` exchanges; None: they are not shown, and every fact counts as told."""
        near, limits = self._near, weights()["limits"]
        parts, facts, own = sentences(reply), sentences(profile), sentences(message)
        lengths = np.asarray([count_words(part) for part in parts], dtype=np.float64)
        share = lengths / max(1.0, float(lengths.sum()))
        said = [sentence for user, _ in earlier or () for sentence in sentences(user)] + own
        told = np.ones(len(facts)) if earlier is None else self._told(profile, tuple(said))
        # What the user said is no answer, and uses nothing: it is true of them.
        echoes = _highest(self._similarity(parts, own)) >= near["same"]
        fresh = [part for part, is_echo in zip(parts, echoes, strict=True) if not is_echo]
        to_facts = self._similarity(fresh, facts)
        to_said = self._similarity(fresh, said)
        uses = told * self._meant(to_facts, near["used"])
        # Who takes up what was said claims nothing, whatever else it resembles.
        claims = (1 - told) * self._meant(np.where(to_facts > _highest(to_said)[:, None], to_facts, 0), near["claimed"])
        replies = [sentence for _, assistant in earlier or () for sentence in sentences(assistant)]
        repeats = _highest(np.tril(self._similarity(parts, parts), -1)) >= near["same"]
        return Judgement(
            topic=self._topic(fresh, _asked_for(own, earlier[-1][1] if earlier else "") or [message]),
            content=min(1.0, float(uses.sum()) / limits["facts"]),
            style=round(fit(self._asked(personality), shown(reply, self._manners)), 6),
            used=float(uses.sum()),
            claimed=float(claims.sum()),
            stray=self._stray(lengths[~echoes], np.concatenate([to_facts, to_said], axis=1)),
            echo=float(share @ echoes),
            repeated=max(float(share @ repeats), ramp(looped(reply), limits["loop"])),
            said_before=float(share @ (_highest(self._similarity(parts, replies)) >= near["same"])),
            unreadable=unreadable(reply),
            words=count_words(reply),
        )

    def _read(self, profile: str, said: tuple[str, ...]) -> Numbers:
        """How far each fact was told."""
        return self._meant(self._similarity(said, sentences(profile)), self._near["told"])

    def _meant(self, to_facts: Numbers, ends: Sequence[float]) -> Numbers:
        """How far each fact is meant by the sentence that means it most: 0 to 1, of sentences' similarities to facts."""
        nearest = to_facts > _highest(to_facts)[:, None] - self._near["rival"]
        return np.asarray([ramp(value, ends) for value in _highest(np.where(nearest, to_facts, 0).T)])

    def _topic(self, parts: Sequence[str], wants: Sequence[str]) -> float:
        return ramp(_highest(self._similarity(wants, parts)).max(), self._near["topic"])

    def _stray(self, lengths: Numbers, to_anything: Numbers) -> float:
        """The share of whole sentences that are about nothing that was said or is known."""
        whole = lengths >= FEW
        away = [1 - ramp(value, self._near["related"]) for value in _highest(to_anything[whole])]
        return sum(away) / max(1, len(away))


def _asked_for(own: Sequence[str], before: str) -> list[str]:
    """What a message asks: its questions, else its last sentence, each with what it points back to. before: the earlier reply."""
    table = weights()["question"]
    places = [place for place, sentence in enumerate(own) if sentence.endswith("?")] or range(len(own))[-1:]
    asked_for = []
    for place in places:
        said = words(own[place])
        alone = not set(said) & set(table["points_back"]) and not set(said) <= set(table["empty"])
        asked_for.append(own[place] if alone else f"{own[place - 1] if place else before} {own[place]}".strip())
    return asked_for


def _highest(similarities: Numbers) -> Numbers:
    """Of each row; 0 where there is nothing to compare with."""
    return np.asarray(similarities.max(axis=1, initial=0.0), dtype=np.float64)
