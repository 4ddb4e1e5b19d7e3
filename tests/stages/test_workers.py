"""Many at once: a bound, an order, and an end."""

import asyncio

import pytest

from aloe_hub.errors import ChatError, RunStopped
from aloe_hub.stages.workers import for_each


def run(items, concurrency, steps=3, **options):
    """(how many were started, the most that were at work at once at each start, in what order they were started)."""
    at_work, most, order = set(), [], []

    async def work(item):
        order.append(item)
        at_work.add(item)
        most.append(len(at_work))
        for _ in range(steps):
            await asyncio.sleep(0)
        at_work.remove(item)

    started = asyncio.run(for_each(items, work, concurrency, **options))
    return started, most, order


@pytest.mark.parametrize("count", [0, 1, 5, 16, 17, 24, 40])
@pytest.mark.parametrize("concurrency", [1, 2, 7, 16])
def test_each_is_done_once_in_order(count, concurrency):
    started, _, order = run(list(range(count)), concurrency)
    assert order == list(range(count))
    assert started == count


def test_only_the_last_ones_are_more_than_the_bound():
    _, most, _ = run(list(range(100)), 8)
    assert max(most[:96]) == 8
    assert max(most) == 12


def test_when_no_more_may_begin_the_others_end():
    started, _, order = run(list(range(20)), 3, goes_on=lambda begun: begun < 7)
    assert (started, len(order)) == (7, 7)


def test_the_first_error_stops_all_and_what_stops_the_run_tells_most():
    async def work(item):
        await asyncio.sleep(0)
        raise RunStopped("the budget is spent") if item == 1 else ChatError("this one")

    with pytest.raises(RunStopped):
        asyncio.run(for_each([0, 1, 2], work, 3))
    with pytest.raises(ChatError):
        asyncio.run(for_each([0, 2], work, 3))
