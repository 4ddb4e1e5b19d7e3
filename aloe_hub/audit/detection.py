"""How well dissatisfied replies are found, beside what people said of them: AUC and average precision, intervals by person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from aloe_hub.audit.libraries import library
from aloe_hub.audit.likeness import auc
from aloe_hub.audit.measured import NAN, RESAMPLES, Floats, Places, bootstrapped, places
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.results.rows import finished, rows_of
from aloe_hub.stages.feedback.finding import FOLDER, RATINGS, Found, by_ratings


def detection(
    found: Sequence[float] | Floats, dissatisfied: Places, people: Places, seed: int = 0, n_resamples: int = RESAMPLES
) -> dict[str, Any]:
    """found (N,): how dissatisfied somebody is thought to be with each reply. dissatisfied (N,): 1 where they said so.

    Average precision is what a random order gives as the share of the dissatisfied, AUC what it gives as ½.
    """
    scores = np.asarray(found, dtype=float)

    def precision(kept: Places) -> float:
        there = dissatisfied[kept]
        return float(library("sklearn.metrics").average_precision_score(there, scores[kept])) if there.any() else NAN

    return {
        "replies": len(scores),
        "people": len(set(people.tolist())),
        "dissatisfied": float(dissatisfied.mean()),
        "auc": bootstrapped(lambda kept: auc(scores[kept], dissatisfied[kept]), people, seed=seed, n_resamples=n_resamples),
        "average_precision": bootstrapped(precision, people, seed=seed, n_resamples=n_resamples),
    }


def of_run(run: RunFolder, seed: int = 0, n_resamples: int = RESAMPLES) -> dict[str, Any]:
    """By finder how well it found, in a run's chats, what people rated as low as `finding.by_ratings` says."""
    files = finished(run.file(FOLDER))
    said = {one.conversation_id: one for one in by_ratings(run)} if files else {}
    measured = {}
    for path in files:
        rows = list(rows_of(path, dict))
        both = [
            (value, sign == "dissatisfied", one.user)
            for one in map(Found.of_row, rows)
            if one.conversation_id in said
            for value, sign, rated in zip(
                one.dissatisfaction, said[one.conversation_id].signs, said[one.conversation_id].dissatisfaction, strict=True
            )
            if value is not None and rated is not None
        ]
        if rows[0]["finder"] != RATINGS and 0 < sum(there for _, there, _ in both) < len(both):
            values, there, users = zip(*both, strict=True)
            measured[rows[0]["finder"]] = detection(values, np.array(there, dtype=np.intp), places(users), seed, n_resamples)
    return measured
