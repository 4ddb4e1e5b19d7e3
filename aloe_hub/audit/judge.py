"""What a judge's answers say of it, and what two judges' answers say of one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aloe_hub.audit.agreement import agreement
from aloe_hub.audit.changes import length_effect, premium, told_apart
from aloe_hub.audit.features import explained
from aloe_hub.audit.interventions import DOSES
from aloe_hub.audit.measured import NAN, Floats, Measured, places, share
from aloe_hub.audit.order import Choices, counted, label_noise, position_bias
from aloe_hub.audit.retest import retest
from aloe_hub.audit.versus import versus
from aloe_hub.rubrics import Scale
from aloe_hub.types import Row

Judged = Sequence[tuple[Choices, str]]  # the verdicts of forks in both orders, and whose they are


def findings(
    rows: Sequence[Row], verdicts: Judged, table: Floats | None, seed: int = 0, scale: Scale | None = None
) -> dict[str, Any]:
    """rows: the judge's answers, each with its `choices`. verdicts: all that are known, at least those of the rows.

    table (N, features): what the two replies of each row differ in; None where that was not measured.
    scale: the lowest and the highest score that the judge can give.
    """
    people = places([row["profile_id"] for row in rows])
    scores = {name: [row["scores"][name] for row in rows] for name in rows[0]["scores"]}
    first = [pair[row["subject"]] for row, pair in zip(rows, scores["replies"], strict=True)]
    written = [pair[row["tailored"]] for row, pair in zip(rows, scores["replies"], strict=True)]
    only = {name: [row[0] for row in ones] for name, ones in scores.items() if ones[0]}
    longer = [(value, float(words)) for row in scores["padded"] for value, words in zip(row, DOSES, strict=True)]
    decided = [place for place, row in enumerate(rows) if decision(row) is not None]
    scored = [place for place in decided if None not in scores["replies"][place]]
    choices = [decision(row) or 0 for row in rows]
    unread = sum(value is None for ones in (scores["replies"], scores["padded"]) for row in ones for value in row)
    return {
        "forks": len(rows),
        "unread": unread,
        "order": _order(verdicts, seed),
        "retest": retest([[base, *again] for base, again in zip(first, scores["again"], strict=True)], people),
        "scores_and_verdicts": versus(
            [scores["replies"][place][0] - scores["replies"][place][1] for place in scored],
            [choices[place] for place in scored],
            people[scored],
        ),
        "length": length_effect(longer, [value for value in first for _ in DOSES], people.repeat(len(DOSES)), scale),
        "persona": told_apart(written, only["stranger"], people),
        "leak": premium(only["leaking"], only["beside_leak"], people, scale),
        "flattery": premium(only["flattering"], only["padded"], people, scale),
        "self_grading": premium(only["self_grading"], only["padded"], people, scale),
        "features": None
        if table is None
        else explained(table[decided], [choices[place] for place in decided], people[decided], seed),
    }


def decision(row: Row) -> int | None:
    """The reply that both orders chose."""
    first, second = row["choices"]
    return int(first) if first is not None and first == second else None


def between(one: Sequence[Row], other: Sequence[Row]) -> dict[str, Any] | None:
    """Two judges on the same forks: their scores by the measures of agreement.py, and how often their verdicts are the same."""
    pairs = [
        (ours, theirs, (row["fork"], place), row["profile_id"])
        for row, opposite in zip(one, other, strict=True)
        for place, (ours, theirs) in enumerate(zip(row["scores"]["replies"], opposite["scores"]["replies"], strict=True))
        if ours is not None and theirs is not None
    ]
    if len(pairs) < 2:
        return None
    ours, theirs, items, profiles = zip(*pairs, strict=True)
    both = [(decision(row), decision(opposite), row["profile_id"]) for row, opposite in zip(one, other, strict=True)]
    decided = [(float(first == second), profile) for first, second, profile in both if None not in (first, second)]
    same = share([value for value, _ in decided], places([profile for _, profile in decided])) if decided else Measured(NAN)
    found = agreement(ours, theirs, items=items, raters=profiles).to_dict()
    # What agreement.py calls people are here the profiles of those who were replied to.
    found["intervals_over"] = {"profiles": len(set(profiles))}
    return found | {"verdicts": {"forks": len(decided), "same": same}}


def _order(verdicts: Judged, seed: int) -> dict[str, Any]:
    choices = [pair for pair, _ in verdicts]
    found = counted(choices)
    return {
        "forks": len(choices),
        "first_shown_won_twice": found.first,
        "second_shown_won_twice": found.second,
        "agree": found.agree,
        "undecided": found.undecided,
        "disagree": found.disagree,
        "position": position_bias(found),
        "label_noise": label_noise(choices, [whose for _, whose in verdicts], seed=seed),
    }
