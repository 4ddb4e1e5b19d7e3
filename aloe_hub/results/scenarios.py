"""What the scenarios of a benchmark ask: how far scores fall when the user becomes another, and how soon they are back; how much
of a person replies recall after 1, 10, 20, … turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aloe_hub.fields import number
from aloe_hub.types import SHARES, Row

RECOVERED = 0.9  # of the drop is made up again
Shares = Mapping[str, Sequence[float]]  # by name the mean over conversations, turn by turn


@dataclass(frozen=True, slots=True)
class Shift:
    """What a change of the user at `turn` did to AL. `recovery`: turns until it was back; None: not before the end."""

    turn: int
    before: float
    at: float
    recovery: int | None

    @property
    def drop(self) -> float:
        return self.before - self.at


def shift_of(al: Sequence[float], turn: int) -> Shift:
    """The change at `turn`, counted from 1: AL in the turn before it and at it, and the first turn by which nine tenths of the
    drop are made up again. Where AL does not fall, nothing has to recover.

    >>> shift_of([2, 3, 4, 2, 3, 4, 4], 4)
    Shift(turn=4, before=4, at=2, recovery=2)
    >>> shift_of([2, 3, 4, 2, 3], 4).recovery is None
    True
    """
    before, at = al[turn - 2], al[turn - 1]
    wanted = before - (1 - RECOVERED) * (before - at)
    back = (later for later, level in enumerate(al[turn - 1 :]) if level >= wanted)
    return Shift(turn, before, at, next(back, None))


def shares_of(row: Row) -> dict[str, list[float]]:
    """The shares in a row of a scores file, by name; those that were measured.

    Raises:
        ValueError: not one for each score.
    """
    shares = {name: [number({name: one}, name) for one in row[name]] for name in SHARES if row.get(name) is not None}
    for name, values in shares.items():
        if len(values) != len(row["scores"]):
            raise ValueError(f"{name} has {len(values)} turns, the scores have {len(row['scores'])}")
    return shares


def mean_shares(conversations: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, tuple[float, ...]]:
    """By name the mean of each turn, of what was measured in every conversation."""
    names = [name for name in SHARES if conversations and all(name in one for one in conversations)]
    return {name: tuple(np.mean([one[name] for one in conversations], axis=0).tolist()) for name in names}


def turns_shown(turns: int) -> list[int]:
    """1, 10, 20, … and the last.

    >>> turns_shown(25)
    [1, 10, 20, 25]
    """
    return sorted({1, *range(10, turns + 1, 10), turns})


def scenario(settings: Mapping[str, Any]) -> dict[str, str]:
    """What a run asks beside the ordinary benchmark: by a short name, in words. Its scores do not compare with ordinary ones.

    >>> scenario({"shift": 6, "shift_share": 0.5, "cold": True})["shift6_50"]
    "50% of what makes up each user becomes another person's at turn 6"
    """
    found = {}
    if turn := shifted_at(settings):
        share = round(100 * float(settings.get("shift_share", 1)))
        if share < 100:
            found[f"shift{turn}_{share}"] = f"{share}% of what makes up each user becomes another person's at turn {turn}"
        else:
            found[f"shift{turn}"] = f"each user becomes another person at turn {turn}"
    if settings.get("cold") is True:
        found["cold"] = "users open with a bare greeting and show little of themselves in a turn"
    if settings.get("later") is True:
        found[f"turns{settings.get('turns')}"] = "users go on telling of themselves after the first ten turns"
    return found


def shifted_at(settings: Mapping[str, Any]) -> int | None:
    """The turn at which the users of a run became others, as its settings say."""
    turn = settings.get("shift")
    return turn if isinstance(turn, int) and turn >= 2 else None
