"""Recorded chats: those who stayed, and those who left early, as lines for the terminal and as rows of the page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from aloe_hub.results.counts import PolicyReport, RunReport
from aloe_hub.results.formatting import counted, number, with_interval
from aloe_hub.types import Row

CARRIED = "with the last score of those who left carried forward"


def row(policy: PolicyReport) -> Row:
    """What the JSON says beside the numbers of those who stayed; nothing where no chats were recorded."""
    if policy.carried is None:
        return {}
    return {
        "users": policy.profiles,
        "unnamed": policy.unnamed,
        "fewest": policy.fewest,
        "last": policy.last,
        "carried": policy.carried.to_dict(),
    }


def lines(policy: PolicyReport) -> Iterator[str]:
    """For the terminal."""
    if policy.carried is None:
        return
    yield f"{_users(policy)}; {_fitted(policy)}"
    if _left_early(policy):
        yield f"{CARRIED}: {_numbers(policy, carried=True)}"


def lines_together(policy: PolicyReport) -> Iterator[str]:
    """The same of all assistants, which have no line in the table."""
    over = f"{counted(policy.conversations, 'conversation')} of {_users(policy)}"
    al = ", ".join(number(value, 3) for value in policy.scores.al[: policy.last])
    yield f"{policy.policy}: {over}; AL(1) to AL({policy.last}) {al}; {_numbers(policy)}"
    if policy.carried and _left_early(policy):
        yield f"{CARRIED}: {_numbers(policy, carried=True)}"


def table(run: RunReport) -> list[dict[str, Any]]:
    """For the page: each assistant, and all of them; empty where no chats were recorded."""
    policies = [*run.policies, *([run.together] if run.together else [])] if run.is_recorded else []
    return [{"place": place, "of": policy, "left_early": _left_early(policy)} for place, policy in enumerate(policies)]


def _users(policy: PolicyReport) -> str:
    named = counted(policy.profiles, "user")
    return f"{named} and {counted(policy.unnamed, 'conversation')} without a named user" if policy.unnamed else named


def _left_early(policy: PolicyReport) -> bool:
    return policy.scores.n[: policy.last] != [policy.scores.n[0]] * policy.last


def _fitted(policy: PolicyReport) -> str:
    if policy.scores.n[0] < policy.fewest:
        return f"{policy.scores.n[0]} conversations; AVG and IR take {policy.fewest} or more at a turn"
    n = ", ".join(map(str, policy.scores.n[: policy.last]))
    later = f"; turns after {policy.last} have fewer than {policy.fewest} and are left out of AVG and IR"
    return f"conversations at turns 1 to {policy.last}: {n}" + (later if len(policy.scores.n) > policy.last else "")


def _numbers(policy: PolicyReport, *, carried: bool = False) -> str:
    scores = (carried and policy.carried) or policy.scores
    return f"AVG {with_interval(scores.avg, scores.avg_ci, 2)}, IR {with_interval(scores.ir, scores.ir_ci, 3, sign=True)}"
