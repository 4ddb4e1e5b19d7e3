"""People's scores of a run's replies, beside the judge's: `item,human[,rater]`.

An item names a reply of the run: `TREE_ID/TURN/REPLY` one of the two of a fork, turns and replies counted from 1, or
`CONVERSATION_ID/TURN` one of a benchmark conversation, which its judge has scored already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aloe_hub.audit.agreement import agreement
from aloe_hub.audit.forks import Fork
from aloe_hub.audit.measured import places, plain
from aloe_hub.audit.scores_file import HUMAN, read_scores
from aloe_hub.errors import DataError
from aloe_hub.results.rows import finished, rows_of
from aloe_hub.types import Row, Transcript


@dataclass(frozen=True, slots=True)
class Human:
    """Scores of people, in the order of the file."""

    path: Path
    items: list[str]
    scores: list[float]
    raters: list[str] | None
    lines: list[str]

    @classmethod
    def read(cls, path: Path) -> Human:
        """Raises: DataError: the file cannot be read, or holds no items or no scores."""
        read = read_scores(path, ("human",))
        if read.items is None:
            raise DataError(f"{path}: no column 'item'; {HUMAN}")
        return cls(path, read.items, read.human, read.raters, read.lines)

    @property
    def forks(self) -> list[str]:
        """The forks that items name, if they are of trees."""
        return list(dict.fromkeys(item.rpartition("/")[0] for item in self.items if item.count("/") == 2))

    def against(self, scores: Mapping[str, float | None]) -> dict[str, Any] | None:
        """Agreement with a judge's scores by item, over all of them and within each person; None where fewer than two match."""
        kept = [place for place, item in enumerate(self.items) if scores.get(item) is not None]
        if len(kept) < 2:
            return None
        human = [self.scores[place] for place in kept]
        judge = [float(scores[self.items[place]] or 0.0) for place in kept]
        raters = None if self.raters is None else [self.raters[place] for place in kept]
        found = agreement(human, judge, items=[self.items[place] for place in kept], raters=raters).to_dict()
        return found | {"within_people": _within(human, judge, raters)}

    def unknown(self, run: Path, forks: Collection[str], transcripts: Collection[str]) -> str | None:
        """In a sentence which items are not among those of the run; None where all are.

        Raises: DataError: none is.
        """
        others = [place for place, item in enumerate(self.items) if item not in forks and item not in transcripts]
        if not others:
            return None
        first = others[0]
        if len(others) == len(self.items):
            named = (("TREE_ID/TURN/REPLY", forks), ("CONVERSATION_ID/TURN", transcripts))
            wanted = " or ".join(f"{form}, such as {next(iter(items))}" for form, items in named if items)
            raise DataError(
                f"--human {self.path}, {self.lines[first]}: none of its {len(self.items)} items, such as {self.items[first]!r}, "
                f"is a reply of {run}; wanted: {wanted}"
            )
        return (
            f"--human {self.path}: {len(self.items) - len(others):,} of its {len(self.items):,} scores are of replies that are "
            f"audited in {run}; the first of the others is {self.items[first]!r} ({self.lines[first]})"
        )


def _within(human: Sequence[float], judge: Sequence[float], raters: Sequence[str] | None) -> dict[str, Any] | None:
    """The same, of scores less each person's mean, and less the judge's on what that person scored: some people are strict."""
    if raters is None:
        return None
    of = places(raters)
    often = np.bincount(of)
    if (often > 1).sum() < 2:
        return None
    kept = often[of] > 1
    sides = [(np.array(scores) - (np.bincount(of, scores) / often)[of])[kept] for scores in (human, judge)]
    found = agreement(*(side.tolist() for side in sides), raters=of[kept].tolist())
    return {name: plain(found.measures[name]) for name in ("rmse", "pearson", "spearman", "kendall")} | {"n": found.n}


def of_forks(rows: Iterable[Row]) -> dict[str, float | None]:
    """A judge's scores by item, of its answers."""
    return {f"{row['fork']}/{place}": score for row in rows for place, score in enumerate(row["scores"]["replies"], 1)}


def items_of(forks: Iterable[Fork]) -> list[str]:
    """What the replies of forks are called."""
    return [f"{fork.fork_id}/{reply}" for fork in forks for reply in (1, 2)]


def of_transcripts(run: Path) -> dict[str, float | None]:
    """The scores of a run's benchmark by item."""
    transcripts = (transcript for path in finished(run / "transcripts") for transcript in rows_of(path, Transcript.from_row))
    return {f"{one.conversation_id}/{turn}": score for one in transcripts for turn, score in enumerate(one.scores, 1)}
