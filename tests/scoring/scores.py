"""Scores for the tests of this room."""

import numpy as np


def clustered(groups, each, turns=6, spread=0.7, missing=0.1, seed=0):
    """Scores on (1, 5) whose conversations of one cluster lie together, and the cluster ids."""
    rng = np.random.default_rng(seed)
    level = 3 + spread * rng.standard_normal(groups)
    rise = 0.1 * np.arange(turns)
    scores = np.repeat(level, each)[:, None] + rise + 0.3 * rng.standard_normal((groups * each, turns))
    scores = scores.clip(1, 5)
    scores[rng.random(scores.shape) < missing] = np.nan
    return scores, np.repeat(np.arange(groups), each).tolist()


def crossed(rows, columns, of_rows=0.3, of_columns=0.3, turns=6, noise=0.3, missing=0.0, seed=0):
    """Scores about 3 of a table of profiles and personalities, and both ids of each conversation."""
    rng = np.random.default_rng(seed)
    level = of_rows * rng.standard_normal((rows, 1)) + of_columns * rng.standard_normal(columns)
    scores = (3 + level[..., None] + noise * rng.standard_normal((rows, columns, turns))).reshape(-1, turns)
    scores[rng.random(scores.shape) < missing] = np.nan
    of_row, of_column = np.divmod(np.arange(rows * columns), columns)
    return scores, {"cluster_ids": of_row.tolist(), "personality_ids": of_column.tolist()}
