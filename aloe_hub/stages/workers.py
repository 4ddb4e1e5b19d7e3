"""Many conversations at once, a bounded number in flight, so that memory stays flat however many there are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from aloe_hub.errors import RunStopped

T = TypeVar("T")


async def for_each(
    items: Sequence[T],
    work: Callable[[T], Awaitable[None]],
    concurrency: int,
    goes_on: Callable[[int], bool] = lambda begun: True,
) -> int:
    """`await work(item)` for every item, about `concurrency` at a time; the first error stops all, and is raised as it is.

    A conversation often waits for one reply before it can ask again. So that the requests in flight stay as many as may be to
    the end, the last conversations, half of `concurrency`, are not kept waiting for others to end: they go on beside them and end
    together (simulated: 1.00 times the least time that 200 trees can take at 32 requests at once, instead of 1.04).

    `goes_on` is asked before each, and told how many have begun: when it says no, no more are started, and the others end.
    Returns how many were started.
    """
    started = 0
    last = len(items) - concurrency // 2

    async def worker() -> None:
        nonlocal started
        while started < len(items) and goes_on(started):
            item = items[started]
            started += 1
            if started == last:
                for _ in range(len(items) - last):
                    group.create_task(worker())
            await work(item)

    async with together() as group:
        for _ in range(concurrency):
            group.create_task(worker())
    return started


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """Tasks of which the first error stops all, and is raised as it is.

    What stops the run tells more than what happened to a conversation at the same time.
    """
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        raise next((error for error in errors.exceptions if isinstance(error, RunStopped)), errors.exceptions[0]) from None
