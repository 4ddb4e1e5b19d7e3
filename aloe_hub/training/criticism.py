"""What a judge said of replies, as something to learn from: the rows of `aloe train rank --set loss_type=cut`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from aloe_hub.errors import DataError
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.rows import criticised
from aloe_hub.training.asked import trees_of
from aloe_hub.training.objectives import SCORED, own_rows
from aloe_hub.training.profiles import with_profiles
from aloe_hub.training.row_form import training_row
from aloe_hub.training.tree.criticised import told
from aloe_hub.types import Row


def criticised_rows(run: RunFolder, data: str | None, limit: int | None) -> tuple[list[Row], Row]:
    """As `load_rows` of `rank`: the forks in whose column `criticisms` something is said; where no row has that column, those of
    trees whose judge scored the replies, with what it said of the ones that are not the best.

    Raises:
        DataError, AloeError: as `trees_of`; or the judge said nothing of any reply.
    """
    if own := own_rows(run, data, "rank", limit, "criticisms"):
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
