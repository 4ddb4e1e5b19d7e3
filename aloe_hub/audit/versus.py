"""Does a judge say by its scores what it says by its verdicts, on the same two replies?

Bansal et al. (arXiv 2308.15812) found ratings and rankings of the same judges apart in 60% of the cases.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from aloe_hub.audit.measured import NAN, Floats, Measured, Places, bootstrapped, share


def versus(gaps: Sequence[float], choices: Sequence[int], clusters: Places) -> dict[str, Measured | int]:
    """gaps (N,): score of reply 0 less that of reply 1. choices (N,): the reply that both orders chose.

    `agreement`: the share in which the chosen reply has the higher score; equal scores count half, as a coin would be right.
    `ties`: forks with equal scores. `kendall`: τ-b of the gap and the verdict, each fork seen from either side: which reply is
    called the first means nothing.
    """
    if not gaps:
        return {"forks": 0, "ties": 0, "agreement": Measured(NAN), "kendall": Measured(NAN)}
    gap, verdict = np.asarray(gaps, dtype=float), 1.0 - 2 * np.asarray(choices)
    right = (1 + np.sign(gap) * verdict) / 2
    return {
        "forks": len(gap),
        "ties": int((gap == 0).sum()),
        "agreement": share(right, clusters),
        "kendall": bootstrapped(lambda kept: _kendall(gap[kept], verdict[kept]), clusters),
    }


def _kendall(gap: Floats, verdict: Floats) -> float:
    both = (np.concatenate((side, -side)) for side in (gap, verdict))
    return float(stats.kendalltau(*both, method="asymptotic").statistic) if len(gap) > 1 else NAN
