"""Scores of two policies: AL(k), IR, N-IR and R² with intervals, their difference, and the same by `evaluate`.

    python examples/score_and_compare.py

Scores are conversations x turns, on a scale of 1 to 5; None where the judge gave none. Conversations of one person are a cluster.
"""

import os

# In a checkout the metric is a folder: nothing is to be asked of a Hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")

import evaluate

from aloe_hub import compare, score
from aloe_hub.shipped import shipped

Scores = list[list[float | None]]
PEOPLE = ["cook", "cook", "nurse", "nurse", "rower", "rower"]
LEARNS: Scores = [[2, 3, 3, 4, 5], [1, 2, 4, 4, 5], [2, 2, None, 4, 4], [2, 3, 3, 5, 5], [1, 3, 3, 4, 4], [2, 2, 3, 3, 5]]
PLAIN: Scores = [[2, 2, 2, 2, 2], [2, 2, 3, 2, 2], [2, 1, 2, 2, 2], [2, 2, 2, 2, 3], [2, 2, 2, 1, 2], [2, 2, 2, 2, 2]]

if __name__ == "__main__":
    print("learns:", score(LEARNS, cluster_ids=PEOPLE))
    print("\nplain:", score(PLAIN, cluster_ids=PEOPLE))
    print("\nlearns - plain:", compare(LEARNS, PLAIN, cluster_ids=PEOPLE))
    metric = evaluate.load(str(shipped("spaces") / "aloe"))
    result = metric.compute(predictions=LEARNS, cluster_ids=PEOPLE)
    low, high = result["avg_ci"]
    print(f"\nby evaluate: AVG {result['avg']:.2f} [{low:.2f}, {high:.2f}], IR {result['ir']:+.2f}, {result['missing']} missing")
