"""The metric behind `evaluate.load("org/aloe")`: `aloe_hub.scoring.score` under the interface of 🤗 Evaluate.

Evaluate scans the imports of this file line by line: one module a line, and `evaluate.Metric` by its full name, since
the first subclass of EvaluationModule that it finds here is the one it takes. It fetches the files that this one
imports, and none that only those import.
"""

from typing import Any

import datasets
import evaluate

# On the Hub copies of these files lie beside this one, and the lines read `from .scoring import score` and so on.
from aloe_hub.scoring import score
from aloe_hub.scoring.clusters import Ids
from aloe_hub.scoring.matrix import Conversations

_DESCRIPTION = """\
ALOE measures whether a chat model comes to fit its user within a conversation. A judge who knows the user's persona
scores each of K replies; the alignment level AL(k) is the mean score of turn k over all conversations. From that curve:
its mean (avg), the slope of its least-squares line (ir, the improvement rate), the slope after scaling the curve to
[0, 1] (n_ir) and the coefficient of determination (r2), with intervals over profiles, or over profiles that are crossed
with personalities.
"""

_KWARGS_DESCRIPTION = """\
Args:
    predictions (list of list of float): N conversations of K scores each; None where the judge gave none.
    cluster_ids (list, optional): N ids; conversations with the same id are no independent ones. As a rule the profile
        of the persona. Without it each conversation is its own cluster.
    personality_ids (list, optional): N ids of a second kind that crosses the first. As a rule the personality.
    scale (pair of float): the lowest and the highest score there is. Defaults to (1, 5); a score outside is an error.
    confidence (float): of the intervals. Defaults to 0.95.
    n_resamples (int): of the bootstrap. Defaults to 1000; 0 leaves all intervals out.
    seed (int): the same seed gives the same intervals. Defaults to 0.
    early_leavers (str, optional): conversations of different lengths, as of recorded chats, are an error without it. "stayed":
        al is the mean over those who were still there. "carried": the last score of those who had left counts on.
    fewest (int): turns with fewer scores have an al, and are in none of the other numbers. Defaults to 1.

Returns:
    al (list of float), n (list of int): the alignment level of each turn, and of how many scores it is the mean.
    avg, ir, intercept, n_ir, r2 (float): NaN where undefined, as n_ir and r2 are for a constant curve.
    missing (int): how many scores are missing.
    ceiling (float): share of the scores that are the highest there is.
    al_ci (list of pairs), avg_ci, ir_ci, n_ir_ci, r2_ci (pairs): (low, high).
    method (str): of the intervals of al, avg and ir. "bootstrap": clusters of one kind resampled, percentiles. With both
        ids "two-way": t intervals from the two-way analysis of variance (n_ir and r2 are resampled by both ids), or
        "pigeonhole": where more than half of the cells are empty, everything is resampled by both.
    over (dict): how many clusters of which kind.
    components (dict, only "two-way"): the variances in single conversations, by kind of cluster, of avg and of ir.
    dropped (dict): by name, how many resamples had no such value and are not in its interval.

Examples:
    >>> import evaluate
    >>> aloe = evaluate.load("spaces/aloe")
    >>> scores = [[2, 3, 3, 4], [3, 3, None, 5], [1, 3, 4, 4]]
    >>> results = aloe.compute(predictions=scores, cluster_ids=["cook", "cook", "nurse"])
    >>> results["al"]
    [2.0, 3.0, 3.5, 4.333333333333333]
    >>> results["n"], results["missing"]
    ([3, 3, 2, 3], 1)
    >>> round(results["avg"], 3), round(results["ir"], 3), round(results["n_ir"], 3), round(results["r2"], 3)
    (3.208, 0.75, 0.321, 0.985)
    >>> results["avg_ci"]
    (3.0, 3.25)
    >>> crossed = [[2, 3, 4], [1, 3, 5], [3, 3, 4], [2, 4, 4]]
    >>> ids = {"cluster_ids": ["cook", "cook", "nurse", "nurse"], "personality_ids": ["shy", "bold", "shy", "bold"]}
    >>> results = aloe.compute(predictions=crossed, **ids)
    >>> results["method"], results["over"]
    ('two-way', {'cluster': 2, 'personality': 2})
"""

_CITATION = """\
@inproceedings{wu-etal-2025-aligning,
    title = "Aligning {LLM}s with Individual Preferences via Interaction",
    author = "Wu, Shujin and Fung, Yi R. and Qian, Cheng and Kim, Jeonghwan and Hakkani-Tur, Dilek and Ji, Heng",
    booktitle = "Proceedings of the 31st International Conference on Computational Linguistics",
    year = "2025",
    address = "Abu Dhabi, UAE",
    publisher = "Association for Computational Linguistics",
    url = "https://aclanthology.org/2025.coling-main.511/",
    pages = "7648--7662",
    eprint = "2410.03642",
    archivePrefix = "arXiv",
}
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class Aloe(evaluate.Metric):  # type: ignore[misc]  # evaluate has no types
    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=datasets.Features({"predictions": datasets.Sequence(datasets.Value("float64"))}),
            reference_urls=["https://aclanthology.org/2025.coling-main.511/", "https://arxiv.org/abs/2410.03642"],
        )

    def _compute(
        self,
        predictions: Conversations,
        cluster_ids: Ids | None = None,
        **more: Any,  # noqa: ANN401 - of all kinds, as `score` has them
    ) -> dict[str, object]:
        return score(predictions, cluster_ids=cluster_ids, **more).to_dict()
