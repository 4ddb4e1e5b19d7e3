"""Which features of two replies explain a judge's verdicts: length, facts of the person met, their manner met, hedging.

Facts and manner are what the semantic judge finds (`aloe_hub.chat.semantic`), hedging is counted by a list of English phrases. A
logistic regression on the differences of the two replies, each over its standard deviation and without a constant, since a fork
turned round is the same fork. It has scikit-learn's usual penalty (L2, C = 1): where a feature alone decides all verdicts, the
coefficient stays finite. A coefficient tells what goes with the verdicts, not what causes them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from aloe_hub.audit.forks import Fork
from aloe_hub.audit.libraries import library
from aloe_hub.audit.measured import Floats, Measured, Places, resamples
from aloe_hub.chat.semantic.judging import Reader
from aloe_hub.chat.semantic.reading import Similarity, count_words
from aloe_hub.scoring.clusters import percentiles

NAMES = ("length", "facts met", "style met", "hedging")
DRAWS = 200  # each is a fit
_HEDGES = re.compile(
    r"\b(?:perhaps|maybe|might|may be|could be|possibly|probably|it depends|generally|usually|in general|typically|tends? to|"
    r"i think|i guess|i believe|seems?|sort of|kind of|not sure|as far as i)\b",
    re.IGNORECASE,
)


def differences(forks: Sequence[Fork], similarity: Similarity) -> Floats:
    """(N, len(NAMES)): of each fork the features of reply 0 less those of reply 1."""
    reader = Reader(similarity)
    both = np.array([[_features(reader, fork, reply.text) for reply in fork.exchange.replies] for fork in forks])
    out: Floats = both[:, 0] - both[:, 1]
    return out


def _features(reader: Reader, fork: Fork, reply: str) -> list[float]:
    spoken = [message.content for message in fork.spoken]
    earlier = tuple(zip(spoken[::2], spoken[1::2], strict=True))
    found = reader.judge(fork.persona.profile, fork.persona.personality, earlier, fork.exchange.user, reply)
    words = count_words(reply)
    return [float(words), found.content, found.style, len(_HEDGES.findall(reply)) / max(1, words)]


def explained(table: Floats, choices: Sequence[int], clusters: Places, seed: int = 0) -> Mapping[str, Measured] | None:
    """The standardised coefficients by name, above 0 where more of it wins; None where fewer than two of each won.

    table: as `differences` gives it. choices (N,): the reply that won. A feature that never differs is left out.
    """
    won = np.asarray(choices) == 0
    if min(won.sum(), (~won).sum()) < 2:
        return None
    scale = np.sqrt((table**2).mean(axis=0))
    there = scale > 1e-12
    if not there.any():
        return None
    x = table[:, there] / scale[there]
    linear = library("sklearn.linear_model").LogisticRegression(fit_intercept=False)

    def fit(kept: Places) -> Floats:
        if len(set(won[kept].tolist())) < 2:
            return np.full(x.shape[1], np.nan)
        out: Floats = linear.fit(x[kept], won[kept]).coef_[0].copy()
        return out

    values = fit(np.arange(len(won)))
    draws = np.array([fit(kept) for kept in resamples(clusters, DRAWS, seed)])
    names = [name for name, is_there in zip(NAMES, there, strict=True) if is_there]
    return {
        name: Measured(float(value), percentiles(draws[:, place], 0.95))
        for place, (name, value) in enumerate(zip(names, values, strict=True))
    }
