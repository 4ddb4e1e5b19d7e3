"""Scores for the tests of this room."""

from typing import Any

import numpy as np


def clustered(
    groups: int, each: int, turns: int = 6, spread: float = 0.7, missing: float = 0.1, seed: int = 0
) -> tuple[Any, list[int]]:
    """Scores on (1, 5) whose conversations of one cluster lie together, and the cluster ids."""
    rng = np.random.default_rng(seed)
    level = 3 + spread * rng.standard_normal(groups)
    rise = 0.1 * np.arange(turns)
    scores = np.repeat(level, each)[:, None] + rise + 0.3 * rng.standard_normal((groups * each, turns))
    scores = scores.clip(1, 5)
    scores[rng.random(scores.shape) < missing] = np.nan
    return scores, np.repeat(np.arange(groups), each).tolist()


def crossed(
    rows: int,
    columns: int,
    of_rows: float = 0.3,
    of_columns: float = 0.3,
    turns: int = 6,
    noise: float = 0.3,
    missing: float = 0.0,
    seed: int = 0,
) -> tuple[Any, dict[str, Any]]:
    """Scores about 3 of a table of profiles and personalities, and both ids of each conversation."""
    rng = np.random.default_rng(seed)
    level = of_rows * rng.standard_normal((rows, 1)) + of_columns * rng.standard_normal(columns)
    scores = (3 + level[..., None] + noise * rng.standard_normal((rows, columns, turns))).reshape(-1, turns)
    scores[rng.random(scores.shape) < missing] = np.nan
    of_row, of_column = np.divmod(np.arange(rows * columns), columns)
    return scores, {"cluster_ids": of_row.tolist(), "personality_ids": of_column.tolist()}
