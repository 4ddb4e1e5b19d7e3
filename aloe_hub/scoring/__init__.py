"""A judge's scores in, numbers out.

levels.py: one policy, what the metric on the Hub computes; comparison.py: several; revealed.py: one, over what was revealed.
They stand on matrix.py (scores as an array) and clusters.py (which conversations belong together, and what follows).
"""

from aloe_hub.scoring.comparison import Comparison, Gap, compare, gap_closed, holm
from aloe_hub.scoring.levels import Curve, Score, curve, score
from aloe_hub.scoring.revealed import Adaptation, adaptation

__all__ = ["Adaptation", "Comparison", "Curve", "Gap", "Score", "adaptation", "compare", "curve", "gap_closed", "holm", "score"]
