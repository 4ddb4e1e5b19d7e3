"""What a judge said beside which reply is better, as rows: of several objectives (style, content, quality), and in words.

Each objective has a weight at training time, after MAHALO (https://arxiv.org/abs/2510.01167), with one head for all. A judge that
scores replies states the criteria of its rubric beside each score, so trees of `aloe trees --rank-by scores` hold these verdicts
already: a fork is a pair for each criterion by which one of its replies is the best. Rows of your own say what they were judged
by in a column `objective`. What was said in words is learned from by `aloe train rank --set loss_type=cut`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from aloe_hub import parsing
from aloe_hub.errors import DataError, ParseError, UsageError
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.row_kinds import row_kinds
from aloe_hub.rows import criticised
from aloe_hub.rubrics import DEFAULT, FIVE, RUBRICS
from aloe_hub.training.asked import trees_of
from aloe_hub.training.data import load_rows
from aloe_hub.training.hub_rows import CONFIG
from aloe_hub.training.profiles import with_profiles
from aloe_hub.training.record import Method
from aloe_hub.training.row_form import training_row
from aloe_hub.training.tree.criticised import told
from aloe_hub.types import Reply, Row, Tree

CRITERIA = tuple(one.name for one in RUBRICS[DEFAULT].criteria if one.scale == FIVE)
SCORED = "one that scores replies does: aloe trees --rank-by scores, or, judged again, aloe trees --rejudge RUN --rank-by scores"


def check_objectives(objectives: Mapping[str, Any], method: Method, *, of_words: bool) -> None:
    """of_words: the loss reads what a judge said in words.

    Raises: UsageError: a weight that is none, nothing but 0, or a training that has no place for them.
    """
    for name, weight in objectives.items():
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight < math.inf:
            raise UsageError(f"objectives: {name} = {weight!r}: expected a weight from 0")
    if objectives and method not in ("dpo", "rank"):
        raise UsageError(f"objectives: are for dpo and rank, and {method} has no preferences to weigh; leave them out")
    if objectives and of_words:
        raise UsageError(
            "objectives: loss_type cut reads what the judge said in words, and weighs nothing; leave one of them out"
        )
    if objectives and not any(objectives.values()):
        raise UsageError(f"objectives {', '.join(objectives)}: every weight is 0, so nothing would be learned")


def objective_rows(
    run: RunFolder, data: str | None, method: Method, limit: int | None, objectives: Mapping[str, float]
) -> tuple[list[Row], Row]:
    """As `load_rows`, of `dpo` or `rank`: the rows, where one has a column `objective`; else what the judge of the trees said of
    each criterion in `objectives`, but for those that count nothing.

    Raises:
        DataError, AloeError: as `load_rows` and `trees_of`; or the trees say nothing of these objectives.
    """
    if own := _own_rows(run, data, method, limit, "objective"):
        return own
    if unknown := [name for name in objectives if name not in CRITERIA]:
        raise DataError(
            f"objectives {unknown[0]!r}: no row has a column `objective`, and a judge of trees states {', '.join(CRITERIA)} alone"
        )
    trees, origin = trees_of(run, data, f"the judge's lines about {', '.join(objectives)} stand in the trees")
    kind = row_kinds({"rank_by": "scores"} | (run.settings().get("trees", {}) if data is None else {}))[CONFIG[method]]
    rows = [
        training_row(row, method) | {"objective": name}
        for tree in islice(trees, limit)
        for name, weight in objectives.items()
        if weight
        for row in kind(by_criterion(tree, name))
    ]
    if not rows:
        where = data or run.file("trees.jsonl")
        raise DataError(f"{where}: in no fork does the judge say which reply is better in {', '.join(objectives)}; {SCORED}")
    return with_profiles(rows, run, origin), origin


def criticised_rows(run: RunFolder, data: str | None, limit: int | None) -> tuple[list[Row], Row]:
    """As `load_rows` of `rank`: the forks in whose column `criticisms` something is said; where no row has that column, those of
    trees whose judge scored the replies, with what it said of the ones that are not the best.

    Raises:
        DataError, AloeError: as `trees_of`; or the judge said nothing of any reply.
    """
    if own := _own_rows(run, data, "rank", limit, "criticisms"):
        found, origin = own
        rows = [row for row in found if any(row.get("criticisms", ()))]
    else:
        trees, origin = trees_of(run, data, "what the judge said of a reply stands in the trees")
        found = [row for tree in islice(trees, limit) for row in criticised(tree)]
        rows = with_profiles([training_row(row, "rank") for row in found if any(row["criticisms"])], run, origin)
    if not rows:
        raise DataError(f"{data or run.file('trees.jsonl')}: the judge says nothing of any reply that is not the best; {SCORED}")
    return rows, origin


def told_rows(rows: Sequence[Row]) -> Iterator[Row]:
    """The rows that CUT reads beside these: each criticised reply once more, after a prompt that says what it will be told."""
    for row in rows:
        for reply, criticism in zip(row["completions"], row["criticisms"], strict=True):
            if criticism is not None:
                yield row | {"prompt": told(row["prompt"], criticism), "completions": [reply]}


def _own_rows(run: RunFolder, data: str | None, method: Method, limit: int | None, column: str) -> tuple[list[Row], Row] | None:
    """As `load_rows`, where a row has that column; None where none has, or where a run has no such rows, but perhaps trees."""
    path = run.file(f"{CONFIG[method]}.jsonl")
    if data is None and not (path.exists() and path.stat().st_size):
        return None
    rows, origin = load_rows(run, data, method, limit)
    return (rows, origin) if any(column in row for row in rows) else None


def by_criterion(tree: Tree, name: str) -> Tree:
    """The tree as if its judge had scored that criterion alone. Of a reply of which it is not stated the score is None."""

    def score(reply: Reply) -> float | None:
        try:
            return parsing.judged(reply.judgement or "", RUBRICS[DEFAULT]).criteria[name]
        except ParseError:
            return None

    def scored(reply: Reply) -> Reply:
        return replace(reply, score=score(reply), judgement=reply.judgement or "")

    return replace(
        tree, exchanges=tuple(replace(one, replies=tuple(map(scored, one.replies)), verdicts=()) for one in tree.exchanges)
    )


def with_weights(rows: Sequence[Row], objectives: Mapping[str, float]) -> list[Row]:
    """The rows, each with a `weight`: its own, 1 if it has none, times that of its objective. Untouched where nothing has one.

    Raises: DataError: objectives have weights, and a row is of none of them.
    """
    if not objectives and not any("weight" in row for row in rows):
        return list(rows)
    for row in rows:
        if objectives and row.get("objective") not in objectives:
            raise DataError(
                f"objectives {', '.join(objectives)}: a row of tree {row.get('tree_id', 'without a name')} has the objective "
                f"{row.get('objective')!r}; give each row one of them in the column `objective`, or leave objectives out"
            )
    return [row | {"weight": row.get("weight", 1.0) * objectives.get(row.get("objective", ""), 1.0)} for row in rows]
