"""The scenarios of a benchmark, as lines for the terminal and as tables for the page: said only where there is one."""

from __future__ import annotations

from collections.abc import Iterator

from aloe_hub.results.counts import PolicyReport, RunReport
from aloe_hub.results.formatting import letter, number, percent
from aloe_hub.results.scenarios import Shift, turns_shown
from aloe_hub.types import Row

LONG = 10  # turns, after which recall is shown


def rows(run: RunReport, policy: PolicyReport) -> Row:
    """What the JSON says of a policy in a scenario."""
    shift = run.shift_of(policy)
    changed = {"turn": shift.turn, "before": shift.before, "drop": shift.drop, "recovery": shift.recovery} if shift else None
    return {"shares": dict(policy.shares), "shift": changed}


def lines(run: RunReport) -> Iterator[str]:
    """For the terminal."""
    if table := revealed(run):
        yield f"R(k), the share of the persona that users had revealed: {_series(table)}"
    for place, shift in shifts(run):
        yield f"{letter(place)}: {said_of(shift)}"
    for place, told, recalled in recall(run):
        yield f"{letter(place)}: of the profile recalled {_series(recalled)}; told {_series(told)}"


def said_of(shift: Shift) -> str:
    """
    >>> said_of(Shift(6, 3.9, 1.5, None))
    'AL fell by 2.40 when the user became another at turn 6 and was not back by the end'
    """
    if round(shift.drop, 2) <= 0:
        return f"AL did not fall when the user became another at turn {shift.turn}"
    fell = f"AL fell by {number(shift.drop, 2)} when the user became another at turn {shift.turn}"
    if shift.recovery is None:
        return f"{fell} and was not back by the end"
    return f"{fell} and was back after {shift.recovery} {'turn' if shift.recovery == 1 else 'turns'}"


def shifts(run: RunReport) -> list[tuple[int, Shift]]:
    """(place of the policy, what happened)."""
    found = [(place, run.shift_of(policy)) for place, policy in enumerate(run.policies)]
    return [(place, shift) for place, shift in found if shift is not None]


def revealed(run: RunReport) -> list[tuple[int, float]]:
    """(turn, R) of the first policy for which it was measured: users reveal as much whomever they talk with, or nearly."""
    found = next((policy.shares["revealed"] for policy in run.policies if "revealed" in policy.shares), ())
    return [(turn, found[turn - 1]) for turn in _turns(len(found))]


def recall(run: RunReport) -> list[tuple[int, list[tuple[int, float]], list[tuple[int, float]]]]:
    """(place of the policy, what was told of the profile at some turns, what its replies had recalled), of long conversations."""
    found = []
    for place, policy in enumerate(run.policies):
        told, recalled = (policy.shares.get(name, ()) for name in ("told", "recalled"))
        if len(told) > LONG and len(recalled) == len(told):
            turns = turns_shown(len(told))
            found.append((place, [(turn, told[turn - 1]) for turn in turns], [(turn, recalled[turn - 1]) for turn in turns]))
    return found


def _turns(turns: int) -> list[int]:
    return turns_shown(turns) if turns > LONG else list(range(1, turns + 1))


def _series(values: list[tuple[int, float]]) -> str:
    """
    >>> _series([(1, 0.1), (10, 0.5)])
    '10.0% (1), 50.0% (10)'
    """
    return ", ".join(f"{percent(share)} ({turn})" for turn, share in values)
