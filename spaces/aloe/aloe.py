"""The metric behind `evaluate.load("org/aloe")`: `aloe_hub.scoring.score` under the interface of 🤗 Evaluate.

Evaluate scans the imports of this file line by line: one module a line, and `evaluate.Metric` by its full name, since
the first subclass of EvaluationModule that it finds here is the one it takes.
"""

import datasets
import evaluate

# On the Hub a copy of that file lies beside this one, and this line reads `from .scoring import score`.
from aloe_hub.scoring import score

_DESCRIPTION = """\
ALOE measures whether a chat model comes to fit its user within a conversation. A judge who knows the user's persona
scores each of K replies; the alignment level AL(k) is the mean score of turn k over all conversations. From that curve:
its mean (avg), the slope of its least-squares line (ir, the improvement rate), the slope after scaling the curve to
[0, 1] (n_ir) and the coefficient of determination (r2), with percentile bootstrap intervals over clusters.
"""

_KWARGS_DESCRIPTION = """\
Args:
    predictions (list of list of float): N conversations of K scores each; None where the judge gave none.
    cluster_ids (list, optional): N ids; conversations with the same id are resampled together. As a rule the profile
        of the persona. Without it each conversation is its own cluster.
    scale (pair of float): the lowest and the highest score there is. Defaults to (1, 5); a score outside is an error.
    confidence (float): of the intervals. Defaults to 0.95.
    n_resamples (int): of the bootstrap. Defaults to 1000; 0 leaves the intervals out.
    seed (int): the same seed gives the same intervals. Defaults to 0.

Returns:
    al (list of float), n (list of int): the alignment level of each turn, and of how many scores it is the mean.
    avg, ir, intercept, n_ir, r2 (float): NaN where undefined, as n_ir and r2 are for a constant curve.
    missing (int): how many scores are missing.
    al_ci (list of pairs), avg_ci, ir_ci, n_ir_ci, r2_ci (pairs): (low, high).
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
        predictions: list[list[float | None]],
        cluster_ids: list[str] | None = None,
        scale: tuple[float, float] = (1, 5),
        confidence: float = 0.95,
        n_resamples: int = 1000,
        seed: int = 0,
    ) -> dict[str, object]:
        return score(
            predictions,
            cluster_ids=cluster_ids,
            scale=scale,
            confidence=confidence,
            n_resamples=n_resamples,
            seed=seed,
        ).to_dict()
