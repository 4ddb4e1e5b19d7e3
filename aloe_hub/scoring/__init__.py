"""A judge's scores in, numbers out: levels.py (one policy, what the metric on the Hub computes), comparison.py (several)."""

from aloe_hub.scoring.comparison import Comparison, Gap, compare, gap_closed, holm
from aloe_hub.scoring.levels import Curve, Score, curve, score

__all__ = ["Comparison", "Curve", "Gap", "Score", "compare", "curve", "gap_closed", "holm", "score"]
