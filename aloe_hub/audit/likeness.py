"""Does a simulated user write like people? A classifier two-sample test (C2ST; Lopez-Paz and Oquab, arXiv 1610.06545).

A logistic regression learns to tell the conversations of two sides apart and is tried on unseen people. AUC ½: it cannot;
1: always. What it sees does not depend on what is said, and little on the language: length in characters and its course,
questions, punctuation, repetition, how much is taken up from the last reply. Length does differ between languages (Chinese says
as much in a third of the characters): `without_length` is the same test without what the level of length tells.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from aloe_hub.audit.libraries import library
from aloe_hub.audit.measured import NAN, Floats, Measured, Places, bootstrapped, places
from aloe_hub.audit.talks import Talk
from aloe_hub.stages.feedback.baseline import shared
from aloe_hub.types import digest

NAMES = ("length", "length over turns", "spread of length", "questions", "punctuation", "repetition", "taken up")
LEVEL = "length"
TURNS = 4  # both sides are compared over as many: half of RecLLMSim's conversations have no more
FEWEST_TURNS = 2
FEWEST, FEWEST_USERS = 10, 2  # conversations and people, on either side
ENOUGH = f"{FEWEST} or more, by {FEWEST_USERS} or more users"
FOLDS = 10


def likeness(simulated: Sequence[Talk], real: Sequence[Talk], *, turns: int = TURNS, seed: int = 0) -> dict[str, Any] | None:
    """Simulated against real; None where there are too few of either, or of people, to be told apart.

    `features`: by name the AUC of that feature alone, above ½ where the simulated side has more of it.
    """
    sides = [long_enough(side) for side in (simulated, real)]
    if any(lacking(side) for side in sides):
        return None
    table = np.array([features(talk, turns) for side in sides for talk in side])
    label = np.repeat([1, 0], [len(side) for side in sides])
    people = places([(place, talk.user) for place, side in enumerate(sides) for talk in side])
    others = [place for place, name in enumerate(NAMES) if name != LEVEL]
    return {
        "conversations": [len(side) for side in sides],
        "people": [len({talk.user for talk in side}) for side in sides],
        "turns": turns,
        "auc": c2st(table, label, people, seed),
        "without_length": c2st(table[:, others], label, people, seed),
        "features": {name: auc(table[:, place], label) for place, name in enumerate(NAMES)},
    }


def among_themselves(real: Sequence[Talk], *, turns: int = TURNS, seed: int = 0) -> dict[str, Any] | None:
    """One half of the people against the other, drawn by the seed: what the test finds where there is nothing to find."""
    return likeness(*halves(real, seed), turns=turns, seed=seed)


def halves(real: Sequence[Talk], seed: int = 0) -> tuple[list[Talk], list[Talk]]:
    users = sorted({talk.user for talk in real}, key=lambda user: digest(seed, user))
    half = set(users[: len(users) // 2])
    return [one for one in real if one.user in half], [one for one in real if one.user not in half]


def long_enough(side: Sequence[Talk]) -> list[Talk]:
    return [talk for talk in side if len(talk.turns) >= FEWEST_TURNS]


def lacking(side: Sequence[Talk]) -> str | None:
    """What a side has where that is too little to be told apart; None where it is enough."""
    kept = long_enough(side)
    users = len({talk.user for talk in kept})
    if len(kept) >= FEWEST and users >= FEWEST_USERS:
        return None
    return f"{len(kept)} conversation(s) of {FEWEST_TURNS} or more messages, by {users} user(s)"


def c2st(table: Floats, label: Places, people: Places, seed: int = 0) -> Measured:
    """The AUC on people who were not learnt from, FOLDS-fold, with a bootstrap over people."""
    found = of_unseen(table, label, people, seed, class_weight="balanced")
    return Measured(NAN) if found is None else bootstrapped(lambda kept: auc(found[kept], label[kept]), people, seed=seed)


def of_unseen(table: Floats, label: Places, people: Places, seed: int = 0, **settings: object) -> Floats | None:
    """For each row how far a logistic regression that has not seen its person takes it for side 1, in logits; None where a fold
    has one side alone. settings: of scikit-learn's."""
    folds = min(FOLDS, *(len(set(people[label == side].tolist())) for side in (0, 1)))
    split = library("sklearn.model_selection").StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    scaled = library("sklearn.preprocessing").StandardScaler()
    linear = library("sklearn.linear_model").LogisticRegression(max_iter=1000, **settings)
    found = np.zeros(len(label))
    for known, unseen in split.split(table, label, people):
        if len(set(label[known].tolist())) < 2:
            return None
        linear.fit(scaled.fit_transform(table[known]), label[known])
        found[unseen] = linear.decision_function(scaled.transform(table[unseen]))
    return found


def auc(scores: Floats, label: Places) -> float:
    """How probably a score of side 1 is above one of side 0; NaN with one side alone.

    >>> auc(np.array([0.1, 0.9, 0.4]), np.array([0, 1, 0]))
    1.0
    """
    return float(library("sklearn.metrics").roc_auc_score(label, scores)) if len(set(label.tolist())) == 2 else NAN


def features(talk: Talk, turns: int = TURNS) -> list[float]:
    """`NAMES` of what the user wrote in the first turns. Lengths are logarithms: three times as long is as far as a third."""
    said = talk.turns[:turns]
    lengths = np.log([1 + len(message) for message, _ in said])
    course = float(np.polyfit(np.arange(len(said)), lengths, 1)[0]) if len(said) > 1 else 0.0
    asked = [any(mark in message for mark in "?？؟") for message, _ in said]
    text = "".join(message for message, _ in said)
    marks = sum(unicodedata.category(character)[0] == "P" for character in text)
    return [
        float(lengths.mean()),
        course,
        float(lengths.std()),
        sum(asked) / len(said),
        marks / max(1, len(text)),
        _mean([shared(message, [before for before, _ in said[:place]]) for place, (message, _) in enumerate(said) if place]),
        _mean([shared(message, [said[place - 1][1]]) for place, (message, _) in enumerate(said) if place]),
    ]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else 0.0
