"""Many conversations, each kept as soon as it ends, within a budget: what trees, benchmark and forecast have in common."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aloe_hub.chat.traffic import Traffic
from aloe_hub.errors import ChatError, ParseError
from aloe_hub.stages.workers import for_each
from aloe_hub.types import Persona, Row


def journalled(
    todo: Mapping[str, Persona],
    make: Callable[[str, Persona], Awaitable[Row]],
    *,
    keep: Callable[[Row], None],
    fail: Callable[[str, Persona, str], None],
    traffic: Traffic,
    calls: int,
    on_progress: Callable[[int], None],
) -> None:
    """Make a row of each item, `make(id, persona)`, as many at a time as `traffic` allows.

    keep: is given a row as soon as it is made.
    fail: is given id, persona and reason of one that cannot be made; the others go on.
    calls: that one item takes if every answer can be read at once. What `traffic` was asked before is counted as it was.
    on_progress: is given how many have ended.

    Raises:
        RunStopped: the budget allows no further item, or every call fails. What was begun has ended, or nothing of it is kept.
    """
    asked_before, ended = traffic.ledger.calls, 0

    async def work(item: tuple[str, Persona]) -> None:
        nonlocal ended
        try:
            row = await make(*item)
        except (ParseError, ChatError) as error:
            fail(*item, str(error))
        else:
            keep(row)
        ended += 1
        on_progress(ended)

    def affordable(begun: int) -> bool:
        return traffic.ledger.affords(asked_before + (begun + 1) * calls)

    if traffic.run(for_each(list(todo.items()), work, traffic.limits.concurrency, affordable)) < len(todo):
        raise traffic.ledger.exhausted()
