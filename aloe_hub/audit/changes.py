"""What a change of the reply, or of the person, does to its score: paired, each reply against itself.

What is added to a reply makes it longer, too. So it is compared with the same reply with neutral words, as many of them: a judge
that merely likes length gives no premium. A score that is missing leaves its pair out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aloe_hub.audit.measured import Measured, Places, mean, share, slope
from aloe_hub.rubrics import Scale

Scores = Sequence[float | None]


def premium(changed: Scores, control: Scores, clusters: Places, scale: Scale | None = None) -> Measured:
    """Mean of `changed` less `control`, in points. scale: the lowest and the highest score, where there are such."""
    kept, (after, before) = _both(changed, control)
    return mean(after - before, clusters[kept], within=_gaps(scale))


def length_effect(
    longer: Sequence[tuple[float | None, float]], before: Scores, clusters: Places, scale: Scale | None = None
) -> Measured:
    """By how many points 10 more neutral words move a score.

    longer (N,): the score of a reply with that many words more. before, clusters (N,): of the same reply without them.
    scale: as `premium`.
    """
    kept, (after, start) = _both([score for score, _ in longer], before)
    tens = np.array([words / 10 for _, words in longer])[kept]
    return slope(tens, after - start, clusters[kept], within=_gaps(scale))


def told_apart(own: Scores, others: Scores, clusters: Places) -> Measured:
    """How often a reply scores higher for the person that it was written to than for another one; equal scores count half.

    It is ½ where the judge does not look at who the person is.
    """
    kept, (mine, theirs) = _both(own, others)
    return share((1 + np.sign(mine - theirs)) / 2, clusters[kept])


def _gaps(scale: Scale | None) -> tuple[float, float] | None:
    """From where to where two scores can differ."""
    return None if scale is None else (scale[0] - scale[1], scale[1] - scale[0])


def _both(one: Scores, other: Scores) -> tuple[Places, tuple[np.ndarray, np.ndarray]]:
    kept = [place for place, pair in enumerate(zip(one, other, strict=True)) if None not in pair]
    pairs = np.array([(one[place], other[place]) for place in kept], dtype=float).reshape(-1, 2)
    return np.array(kept, dtype=np.intp), (pairs[:, 0], pairs[:, 1])
