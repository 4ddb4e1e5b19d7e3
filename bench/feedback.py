"""How well the baseline of `aloe feedback` finds replies that people rated 2 or less: `python bench/feedback.py RUN`.

RUN is a run folder that rated chats were imported to, such as RecLLMSim's. Ten-fold over people: each is judged by weights that
were learnt on others. `--fit` prints the weights learnt on all of them, which stand in `aloe_hub/stages/feedback/baseline.py`,
and above which probability as many replies lie as people rated 2 or less, each by weights that have not seen its person.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed

from aloe_hub.audit.detection import detection
from aloe_hub.audit.libraries import library
from aloe_hub.audit.likeness import auc, of_unseen
from aloe_hub.audit.measured import Floats, Measured, Places, places
from aloe_hub.stages.chats.reading import recorded
from aloe_hub.stages.feedback import baseline

LOW, HIGH = 2, 4  # of ratings from 1 to 5


def rated(run: Path) -> tuple[Floats, Floats, Places]:
    """(features, ratings, people) of all rated replies."""
    rows, ratings, users = [], [], []
    for chat in recorded(run):
        for turn, said in enumerate(chat.turns):
            rating = said.answers[said.spoken].rating
            if rating is not None:
                rows.append(baseline.features(chat, turn))
                ratings.append(rating)
                users.append(chat.user_id)
    return np.array(rows), np.array(ratings), places(users)


def fitted(table: Floats, dissatisfied: Places) -> tuple[Floats, float]:
    """(weights of the features as they are, intercept)"""
    middle, spread = table.mean(axis=0), table.std(axis=0)
    linear = library("sklearn.linear_model").LogisticRegression(max_iter=1000).fit((table - middle) / spread, dissatisfied)
    weights: Floats = linear.coef_[0] / spread
    return weights, float(linear.intercept_[0] - weights @ middle)


def shown(name: str, found: Measured) -> str:
    low, high = found.interval
    return f"{name} {found.value:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--fit", action="store_true")
    given = parser.parse_args()
    table, ratings, people = rated(given.run)
    dissatisfied = (ratings <= LOW).astype(np.intp)
    unseen = of_unseen(table, dissatisfied, people)
    assert unseen is not None
    found = detection(unseen, dissatisfied, people)
    print(f"{found['replies']} replies, {found['people']} people, {found['dissatisfied']:.1%} rated {LOW} or less")
    print(shown("ten-fold over people: AUC", found["auc"]), shown("average precision", found["average_precision"]), sep="; ")
    probabilities = 1 / (1 + np.exp(-unseen))
    above = float(np.quantile(probabilities, 1 - dissatisfied.mean()))
    flagged = probabilities > above
    print(f"of the {flagged.sum()} above {above:.3f}: {dissatisfied[flagged].mean():.1%} rated {LOW} or less")
    thanks, satisfied = table[:, list(baseline.WEIGHTS).index("thanks")] > 0, ratings >= HIGH
    print(f"of the {thanks.sum()} followed by thanks: {satisfied[thanks].mean():.1%} rated {HIGH} or more")
    print(f"of all: {satisfied.mean():.1%} rated {HIGH} or more")
    for name, column in zip(baseline.WEIGHTS, table.T, strict=True):
        print(f"  {name}: AUC alone {auc(column, dissatisfied):.3f}")
    if given.fit:
        weights, intercept = fitted(table, dissatisfied)
        for name, weight in zip((*baseline.WEIGHTS, "intercept"), (*weights, intercept), strict=True):
            print(f"  {name}: weight {weight:.3f}")


if __name__ == "__main__":
    main()
