"""What one visitor does in one tab, and values that grow while models are at work, until the visitor presses Stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gradio as gr

T = TypeVar("T")
REDRAW = 0.1  # seconds between two values: a page draws no faster


@dataclass
class Session:
    """Whether models are at work for this visitor, and how to stop them."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    busy: bool = False

    @contextmanager
    def at_work(self) -> Iterator[asyncio.Event]:
        """Whatever happens within the block, the visitor is free to go on after it. Gives what Stop sets."""
        self.busy, self.stop = True, asyncio.Event()
        try:
            yield self.stop
        finally:
            self.busy = False


def of_visitor(kind: type[Session]) -> gr.State:
    """A session of each visitor's own, made when it is first asked for.

    What gr.State is given it makes once more at the page's `load`: whoever is quick would lose it.
    """
    state = gr.State()
    state.value = lambda: kind()
    return state


def refused(outputs: Sequence[Any], notice: gr.HTML, why: str) -> tuple[Any, ...]:
    """What a visitor is told who has to wait. Nothing else changes: the end of the work may have been shown before this is."""
    return tuple(gr.update(value=why) if one is notice else gr.skip() for one in outputs)


def page_under_way() -> gr.Blocks:
    """The page that is being built, for what happens when it has loaded."""
    blocks = gr.context.Context.root_block
    assert blocks is not None
    return blocks


async def growing(news: asyncio.Event, value: Callable[[], T], *work: Coroutine[Any, Any, None]) -> AsyncIterator[T]:
    """The value each time there is news of the work on it, and once more when all work is done; none goes on after the end."""
    tasks = [asyncio.create_task(one) for one in work]
    for task in tasks:
        task.add_done_callback(lambda _: news.set())
    try:
        done = False
        while not done:
            news.clear()
            done = all(task.done() for task in tasks)
            yield value()
            if not done:
                await news.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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
