"""Values for a page: all of them, the last one too, until somebody stops them."""

import asyncio

from library import made_personas
from session import growing
from watch import Watch, watched

from tests.spaces.aloe_demo.fake_models import fake_models


async def working(ended, seconds):
    try:
        await asyncio.sleep(seconds)
    finally:
        ended.append(seconds)


def values(stop, ended, *seconds):
    return growing(stop, asyncio.Event(), lambda: len(ended), *(working(ended, one) for one in seconds))


def test_all_values_come_up_to_the_end_of_all_work():
    async def collected():
        return [value async for value in values(asyncio.Event(), [], 0, 0.3)]

    assert asyncio.run(collected()) == [0, 1, 2]


def test_a_stop_ends_the_work_at_once_even_while_it_waits():
    async def stopped():
        ended: list[int] = []
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, stop.set)
        return [value async for value in values(stop, ended, 3600)], ended

    assert asyncio.run(stopped()) == ([0], [3600])


def test_whoever_leaves_ends_the_work():
    async def left():
        ended: list[int] = []
        seen = values(asyncio.Event(), ended, 3600)
        await anext(seen)
        await asyncio.sleep(0)
        await seen.aclose()
        return ended

    assert asyncio.run(left()) == [3600]


def test_a_slow_reader_sees_the_end_of_a_watch():
    """What happened while the page was drawn is on the next one, and there is a next one."""

    async def slow():
        among = fake_models()
        seen = []
        async for watch in watched(Watch(made_personas(1)[0], 3), among, 0.0, asyncio.Event()):
            seen.append(len(watch.steps))
            await asyncio.sleep(0.05)
        return seen

    assert asyncio.run(slow())[-1] == 3
