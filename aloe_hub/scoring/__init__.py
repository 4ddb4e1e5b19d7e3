"""A judge's scores in, numbers out: levels.py (one policy, what the metric on the Hub computes), comparison.py (two)."""

from aloe_hub.scoring.comparison import Comparison, compare
from aloe_hub.scoring.levels import Curve, Score, curve, score

__all__ = ["Comparison", "Curve", "Score", "compare", "curve", "score"]
