"""One loop for everything that is made one by one: what is kept, what failed, and what the budget allows."""

from typing import Any

import pytest

from aloe_hub.chat.ledger import Ledger
from aloe_hub.chat.traffic import Limits, Traffic
from aloe_hub.errors import ChatError, RunStopped
from aloe_hub.stages.journalled import journalled
from aloe_hub.types import Persona

CALLS = 2


def made(items, budget=None, asked_before=0, broken=()):
    """What is kept, what failed, and the progress; each item takes `CALLS` calls of one dollar."""
    traffic = Traffic(Limits(1), Ledger(budget=budget))
    kept, failed = [], []
    progress: list[Any] = []

    def ask(calls):
        for _ in range(calls):
            traffic.ledger.book({"role": "user", "model": "m", "seconds": 0.0, "cost": 1.0}, 0.0)

    async def make(name, persona):
        ask(CALLS)
        if name in broken:
            raise ChatError(f"no {name} today")
        return {"id": name}

    ask(asked_before)
    try:
        journalled(
            {name: Persona(name, "kind") for name in items},
            make,
            keep=lambda row: kept.append(row["id"]),
            fail=lambda name, persona, reason: failed.append((name, persona.profile, reason)),
            traffic=traffic,
            calls=CALLS,
            on_progress=progress.append,
        )
    except RunStopped as stopped:
        progress.append(str(stopped))
    return kept, failed, progress


def test_what_is_made_is_kept_and_what_fails_is_told_with_its_reason():
    kept, failed, progress = made("abcd", broken="b")
    assert kept == ["a", "c", "d"]
    assert failed == [("b", "b", "no b today")]
    assert progress == [1, 2, 3, 4]


@pytest.mark.parametrize(("asked_before", "items"), [(0, 5), (1, 4), (4, 3), (9, 0)])
def test_the_budget_counts_what_the_same_traffic_was_asked_before(asked_before, items):
    kept, _, progress = made("abcdefgh", budget=10, asked_before=asked_before)
    assert len(kept) == items
    assert "--budget 10: " in progress[-1]
