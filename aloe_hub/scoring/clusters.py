"""Which conversations belong together, and how uncertain a mean over them is: by one id, or by two that cross.

By one id, whole clusters are resampled (bootstrap). By two, the profile and the personality of a persona, a conversation stands
in a cell of a table, and shares something with its row and with its column. The variance of a mean is then that of the two-way
analysis of variance with random effects: from the mean squares of rows, columns and what is left,

    V = (MS_P + MS_Q - MS_PQ) / (P Q),   and no less than the largest of the three mean squares / (P Q),

with the degrees of freedom of Satterthwaite, or, where V is that largest mean square, with its own. What is not linear in the
scores is resampled by rows and by columns at once (pigeonhole bootstrap: Owen 2007, arXiv 0712.1111); and so is everything where
the cells are filled too unequally for mean squares.

This file imports nothing of aloe_hub, since the metric on the Hub carries a copy of it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]
Labels = NDArray[np.intp]
Ids = Sequence[Hashable]
Interval = tuple[float, float]
Method = Literal["bootstrap", "two-way", "pigeonhole"]

BALANCED = 0.5  # below it mean squares are left alone; bench/intervals.py --empty 0.3 shows that they hold above
NOTHING = 1e-9  # relative above 1: what a sum of many scores may be off by
WEIGHTS_AT_A_TIME = 1 << 22  # 32 MB


@dataclass(frozen=True, slots=True, eq=False)
class Clusters:
    """`over` says of what there are how many. A group is a cluster, or with two ids a cell that is not empty."""

    over: Mapping[str, int]
    groups: Labels | None  # of each conversation 0..G-1; None: each is its own
    rows: Labels | None = None  # of each cell, with two ids
    columns: Labels | None = None

    def sums(self, table: Floats) -> Floats:
        """Of the lines of `table` (N, columns), those of each group added up: (G, columns)."""
        if self.groups is None:
            return table
        return np.stack([np.bincount(self.groups, weights=column) for column in table.T], axis=1)

    def method(self, *counts: Floats) -> Method:
        """How intervals of means are made. counts: how many scores each group has, once for each policy."""
        if self.rows is None:
            return "bootstrap"
        cells = np.prod(list(self.over.values()))
        # 1 where all cells hold as much, the share of filled cells where the filled ones do: Kish's effective sample size.
        even = min(float(count.sum() ** 2 / (cells * (count @ count) or np.inf)) for count in counts)
        return "two-way" if even >= BALANCED else "pigeonhole"

    def resampled(self, sums: Floats, n_resamples: int, rng: np.random.Generator) -> Floats:
        """Totals of `sums` (G, columns) over clusters drawn with replacement, `n_resamples` times: (R, columns)."""
        if self.rows is not None and self.columns is not None:
            return self._pigeonhole(sums, self.rows, self.columns, n_resamples, rng)
        size = len(sums)
        return weighted(sums, n_resamples, lambda draws: _drawn(size, draws, rng))

    def _pigeonhole(self, sums: Floats, rows: Labels, columns: Labels, n_resamples: int, rng: np.random.Generator) -> Floats:
        """A cell counts as often as its row was drawn, times as often as its column was."""
        many, few = self.over.values()
        if few > many:
            rows, columns, many, few = columns, rows, few, many
        order = np.argsort(columns, kind="stable")
        by_column = np.split(order, np.cumsum(np.bincount(columns))[:-1])
        of_rows, of_columns = rng.spawn(2)
        blocks = []
        for draws in _blocks(n_resamples, many):
            row_counts, column_counts = _drawn(many, draws, of_rows), _drawn(few, draws, of_columns)
            total = np.zeros((draws, sums.shape[1]))
            for column, cells in enumerate(by_column):
                weights = row_counts if len(cells) == many else row_counts[:, rows[cells]]
                total += column_counts[:, column, None] * (weights @ sums[cells])
            blocks.append(total)
        return np.concatenate(blocks)

    def two_way(self, estimates: Floats, influences: Floats) -> TwoWay:
        """The variances of `estimates` (m,). influences (N, m): what each conversation adds to each, with a mean of 0."""
        rows, columns = self.over.values()
        table = np.zeros((rows, columns, len(estimates)))
        table[self.rows, self.columns] = self.sums(influences)
        table *= rows * columns / len(influences)  # now an estimate is its cells' mean, however many conversations fill each
        table[abs(table) <= NOTHING * np.maximum(1, abs(estimates))] = 0
        of_rows, of_columns = table.mean(axis=1), table.mean(axis=0)
        rest = (table - of_rows[:, None] - of_columns).reshape(-1, len(estimates))
        degrees = np.array([rows - 1, columns - 1, (rows - 1) * (columns - 1)], dtype=float)
        products = np.stack([columns * of_rows.T @ of_rows, rows * of_columns.T @ of_columns, rest.T @ rest])
        return TwoWay(estimates, products / degrees[:, None, None], degrees, (rows, columns))


@dataclass(frozen=True, slots=True, eq=False)
class TwoWay:
    """Estimates (m,) with their mean squares and products (3, m, m): those of rows, of columns, and of what is left."""

    estimates: Floats
    products: Floats
    degrees: Floats  # (3,)
    shape: tuple[int, int]

    def intervals(self, confidence: float) -> list[Interval]:
        errors, df = self._errors()
        reach = stdtrit(df, (1 + confidence) / 2) * errors
        return list(zip((self.estimates - reach).tolist(), (self.estimates + reach).tolist(), strict=True))

    def p(self) -> Floats:
        """Of the two-sided t tests of whether the estimates are 0."""
        sizes = np.where(abs(self.estimates) <= NOTHING, 0, abs(self.estimates))
        errors, df = self._errors()
        t = np.divide(sizes, errors, out=np.where(sizes > 0, np.inf, sizes), where=errors > 0)
        out: Floats = 2 * stdtr(df, -t)
        return out

    def _errors(self) -> tuple[Floats, Floats]:
        """The standard errors of the estimates, and their degrees of freedom."""
        squares = np.diagonal(self.products, axis1=1, axis2=2)
        rows, columns, rest = squares
        added, largest = rows + columns - rest, squares.max(axis=0)
        below = (squares**2 / self.degrees[:, None]).sum(axis=0)
        # Where nothing varies any number will do.
        satterthwaite = np.divide(added**2, below, out=np.ones_like(below), where=below > 0)
        df = np.where(added >= largest, satterthwaite, self.degrees[squares.argmax(axis=0)])
        return np.sqrt(np.maximum(added, largest) / np.prod(self.shape)), df

    def combined(self, weights: Floats) -> TwoWay:
        """Sums of the estimates, weighted by the columns of `weights` (m, j)."""
        return TwoWay(self.estimates @ weights, weights.T @ self.products @ weights, self.degrees, self.shape)

    def components(self, which: int) -> list[float]:
        """The variance of one estimate in single cells: what rows, columns and the rest add to it. Less than 0 is cut to 0."""
        rows, columns, rest = self.products[:, which, which]
        found = (rows - rest) / self.shape[1], (columns - rest) / self.shape[0], rest
        return [max(0.0, float(component)) for component in found]


def clusters(cluster_ids: Ids | None, personality_ids: Ids | None, conversations: int) -> Clusters:
    """By which ids `conversations` conversations belong together. An id that says nothing beside the other is left out.

    Raises:
        ValueError: too few ids or too many, or one that is None or NaN, or cannot be an id.
    """
    profiles = labels(cluster_ids, conversations, "cluster")
    personalities = labels(personality_ids, conversations, "personality")
    if profiles is None or personalities is None:
        kind, only = ("cluster", profiles) if personalities is None else ("personality", personalities)
        return Clusters({"conversation": conversations} if only is None else {kind: int(only.max()) + 1}, only)
    rows, columns = int(profiles.max()) + 1, int(personalities.max()) + 1
    cells, groups = np.unique(profiles * columns + personalities, return_inverse=True)
    # One profile alone says nothing of others; and where each has one personality only, those are the clusters that are apart.
    if rows == 1 or (columns > 1 and len(cells) == rows):
        return Clusters({"personality": columns}, personalities)
    if columns == 1 or len(cells) == columns:
        return Clusters({"cluster": rows}, profiles)
    return Clusters({"cluster": rows, "personality": columns}, groups, cells // columns, cells % columns)


def labels(ids: Ids | None, conversations: int, kind: str) -> Labels | None:
    """The id of each conversation as 0..C-1, in order of appearance."""
    if ids is None:
        return None
    if isinstance(ids, str):
        raise ValueError(f"the {kind} ids are the text {ids!r}, not one id for each conversation")
    if len(ids) != conversations:
        raise ValueError(f"there are {len(ids)} {kind} ids for {conversations} conversations")
    index: dict[Hashable, int] = {}
    try:
        found = np.array([index.setdefault(one, len(index)) for one in ids])
        missing = next((at for one, at in index.items() if one is None or one != one), None)  # pandas writes NaN for it
    except TypeError as error:
        raise ValueError(f"the {kind} ids hold one that cannot be told from others: {error}") from None
    if missing is not None:
        raise ValueError(f"the {kind} id of conversation {np.argmax(found == missing) + 1} is missing")
    return found


def weighted(table: Floats, draws: int, draw: Callable[[int], NDArray[Any]]) -> Floats:
    """Weights (R, G) times table (G, columns), block by block: the weights of many groups fill the memory."""
    return np.concatenate([draw(size).astype(float) @ table for size in _blocks(draws, len(table))])


def percentiles(values: Floats, confidence: float) -> Interval:
    kept = values[~np.isnan(values)]
    low, high = np.quantile(kept, [(1 - confidence) / 2, (1 + confidence) / 2]) if len(kept) else (np.nan, np.nan)
    return float(low), float(high)


def _drawn(size: int, draws: int, rng: np.random.Generator) -> Floats:
    """How often each of `size` clusters is drawn when as many are: (draws, size)."""
    return rng.multinomial(size, np.full(size, 1 / size), draws).astype(float)


def _blocks(draws: int, width: int) -> list[int]:
    size = max(1, WEIGHTS_AT_A_TIME // width)
    return [min(size, draws - start) for start in range(0, draws, size)]
