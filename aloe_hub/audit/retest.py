"""Asked again, does the judge say the same? The intraclass correlation of its scores, and the share that is identical.

ICC(2,1), two-way random, absolute agreement, of a single score (Shrout and Fleiss 1979; McGraw and Wong 1996): which share of the
variance of scores lies between replies. 1: asked again, it gives each reply its score; 0: as well it could draw them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aloe_hub.audit.measured import NAN, Floats, Measured, Places, bootstrapped, share

Scores = Sequence[Sequence[float | None]]


def retest(scores: Scores, clusters: Places) -> dict[str, Measured | int]:
    """scores (N, K): of each reply, those of each time. Replies without all of them are left out."""
    complete = [place for place, row in enumerate(scores) if len(row) > 1 and None not in row]
    if not complete:
        return {"replies": 0, "icc": Measured(NAN), "identical": Measured(NAN)}
    table = np.array([scores[place] for place in complete], dtype=float)
    of = np.unique(clusters[complete], return_inverse=True)[1]
    identical = (np.ptp(table, axis=1) < 1e-9).astype(float)
    return {
        "replies": len(complete),
        "icc": bootstrapped(lambda kept: icc(table[kept]), of),
        "identical": share(identical, of),
    }


def icc(table: Floats) -> float:
    """ICC(2,1) of scores (N, K); NaN where nothing varies.

    >>> round(icc(np.array([[9., 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])), 2)
    0.29
    """
    n, k = table.shape
    if n < 2 or k < 2:
        return NAN
    rows, columns, centre = table.mean(axis=1), table.mean(axis=0), table.mean()
    of_rows = k * ((rows - centre) ** 2).sum() / (n - 1)
    of_columns = n * ((columns - centre) ** 2).sum() / (k - 1)
    rest = ((table - rows[:, None] - columns + centre) ** 2).sum() / ((n - 1) * (k - 1))
    below = of_rows + (k - 1) * rest + k * (of_columns - rest) / n
    return float((of_rows - rest) / below) if below > 1e-12 else NAN
