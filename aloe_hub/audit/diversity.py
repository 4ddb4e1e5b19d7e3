"""How varied what a simulated user says is: distinct n-grams, the Vendi score, topics.

The Vendi score (Friedman and Dieng, arXiv 2210.02410) is an effective number of different texts: the exponential of the entropy
of the eigenvalues of K / n, where K holds the cosine similarities of n texts. n times the same text is 1, n unrelated ones are n.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aloe_hub.audit.libraries import library

MOST = 500  # texts: the similarities of all of them fill the memory
APART = 0.6  # cosine distance from which two groups of messages are of two topics
# Of a script that writes words without spaces each character is a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_]+", re.UNICODE)


def distinct(texts: Sequence[str], n: int) -> float:
    """The share of different ones among all runs of n words (Li et al., arXiv 1510.03055); it falls with the amount of text.

    >>> distinct(["a b a b"], 2)
    0.6666666666666666
    """
    grams = [
        tuple(words[start : start + n])
        for text in texts
        if (words := _WORD.findall(text.lower()))
        for start in range(len(words) - n + 1)
    ]
    return len(set(grams)) / len(grams) if grams else float("nan")


def vendi(vectors: NDArray[np.float32]) -> float:
    """Of unit vectors (n, d).

    >>> round(vendi(np.eye(3, dtype=np.float32)), 6), round(vendi(np.ones((3, 1), dtype=np.float32)), 6)
    (3.0, 1.0)
    """
    values = np.linalg.eigvalsh(np.asarray(vectors @ vectors.T, dtype=np.float64) / len(vectors))
    return _effective(np.asarray(values, dtype=np.float64))


def topics(vectors: NDArray[np.float32]) -> dict[str, float]:
    """How many groups of near messages there are, by average linkage, and how many of equal size they are worth."""
    if len(vectors) < 2:
        return {"groups": len(vectors), "effective": float(len(vectors))}
    linkage = library("sklearn.cluster").AgglomerativeClustering(
        n_clusters=None, distance_threshold=APART, metric="cosine", linkage="average"
    )
    sizes = list(Counter(linkage.fit_predict(vectors).tolist()).values())
    return {"groups": len(sizes), "effective": _effective(np.array([size / sum(sizes) for size in sizes]))}


def _effective(shares: NDArray[np.float64]) -> float:
    kept = shares[shares > 1e-12]
    return float(np.exp(-(kept * np.log(kept)).sum()))
