"""What one visitor does in one tab, and values that grow while models are at work, until the visitor presses Stop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gradio as gr

T = TypeVar("T")
REDRAW = 0.1  # seconds between two values: a page draws no faster
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}  # of events that ask no model


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


def kept_by_browser(name: str) -> gr.BrowserState:
    """What a visitor's own browser keeps over a reload, by this name: to be made outside the tabs.

    page.js has it kept for one tab of the browser, until that is closed. Gradio mounts what lies in a tab of the page only after
    `load`, which would be told that nothing was kept.
    """
    return gr.BrowserState(None, storage_key=name, secret=name)  # no secret: it stays where its visitor is


def message_box(elem_id: str | None = None) -> tuple[gr.Textbox, gr.Button, gr.Button]:
    """Where a visitor writes, and the buttons beside it, Send and Stop."""
    label = "Your message"
    with gr.Row(elem_classes="line", equal_height=True):
        box = gr.Textbox(label=label, placeholder=label, lines=1, max_lines=6, elem_id=elem_id, scale=8, min_width=120)
        send = gr.Button("Send", variant="primary", min_width=64, scale=1)
        stop = gr.Button("Stop", min_width=64, scale=1, interactive=False)
    return box, send, stop


def page_under_way() -> gr.Blocks:
    """The page that is being built, for what happens when it has loaded."""
    blocks = gr.context.Context.root_block
    assert blocks is not None
    return blocks


async def growing(
    stop: asyncio.Event, news: asyncio.Event, value: Callable[[], T], *work: Coroutine[Any, Any, None]
) -> AsyncGenerator[T, None]:
    """The value each time there is news of the work on it, and once more when all work is done.

    `stop` ends it at once, even while the work has no news. At any end no work goes on.
    """
    working, stopping = [asyncio.create_task(one) for one in work], asyncio.create_task(stop.wait())
    for task in (*working, stopping):
        task.add_done_callback(lambda _: news.set())
    try:
        done = False
        while not done and not stop.is_set():
            news.clear()
            done = all(task.done() for task in working)
            yield value()
            await asyncio.sleep(REDRAW)
            if not done:
                await news.wait()
    finally:
        for task in (*working, stopping):
            task.cancel()
        await asyncio.gather(*working, stopping, return_exceptions=True)
