"""Values for a page: all of them, the last one too, until somebody stops them."""

import asyncio

from library import made_personas
from session import until
from watch import Watch, watched

from tests.spaces.aloe_demo.fake_models import fake_models


async def counted(ended, number=5):
    try:
        for value in range(number):
            yield value
        await asyncio.sleep(3600 if number < 5 else 0)
    finally:
        ended.append(number)


def test_all_values_come_and_the_source_ends():
    async def collected():
        ended: list[int] = []
        return [value async for value in until(asyncio.Event(), counted(ended))], ended

    assert asyncio.run(collected()) == ([0, 1, 2, 3, 4], [5])


def test_a_stop_ends_the_source_at_once_even_while_it_waits():
    async def stopped():
        ended: list[int] = []
        stop = asyncio.Event()
        asyncio.get_running_loop().call_later(0.3, stop.set)
        return [value async for value in until(stop, counted(ended, 2))], ended

    assert asyncio.run(stopped()) == ([0, 1], [2])


def test_whoever_leaves_ends_the_source():
    async def left():
        ended: list[int] = []
        values = until(asyncio.Event(), counted(ended))
        await anext(values)
        await values.aclose()
        return ended

    assert asyncio.run(left()) == [5]


def test_a_slow_reader_sees_the_end_of_a_watch():
    """What happened while the page was drawn is on the next one, and there is a next one."""

    async def slow():
        among = fake_models()
        seen = []
        async for watch in watched(Watch(made_personas(1)[0], 3), among, 0.0):
            seen.append(len(watch.steps))
            await asyncio.sleep(0.05)
        return seen

    assert asyncio.run(slow())[-1] == 3
