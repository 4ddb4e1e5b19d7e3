"""Values that grow, as a page can show them: no faster than it draws, and until a visitor presses Stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")
REDRAW = 0.05  # seconds between two values


async def until(stop: asyncio.Event, values: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    """The values until `stop` is set, at once even when the next one takes long; then, as at any end, their source is ended."""
    stopping = asyncio.ensure_future(stop.wait())
    following: asyncio.Future[T] | None = None
    try:
        while not stop.is_set():
            following = asyncio.ensure_future(anext(values))
            await asyncio.wait((following, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                break
            try:
                value = following.result()
            except StopAsyncIteration:
                break
            yield value
            await asyncio.sleep(REDRAW)
    finally:
        stopping.cancel()
        if following is not None and not following.done():
            following.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration):
                await following
        if isinstance(values, AsyncGenerator):
            await values.aclose()
