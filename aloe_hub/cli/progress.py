"""What a command prints, and how long work is shown: bars in a terminal, else a line a minute.

Nothing printed here is markup: a path, a model string or a server's words may hold `[`.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

LINE_EVERY = 60.0  # seconds, where there is no terminal

Show = Callable[[str, int, int], None]  # what is being done, how many are done, of how many


class PlainConsole(Console):
    """A console on which no text is markup, and whose reader may leave: the work goes on without being heard."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, highlight=False)

    def on_broken_pipe(self) -> None:
        self.quiet = True
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.file.fileno())
        os.close(nowhere)


out = PlainConsole()
err = PlainConsole(stderr=True)


@contextmanager
def bars() -> Iterator[Show]:
    """Where long work stands, on standard error, so that standard output can be piped: one bar, or one kind of line, a name."""
    if not err.is_terminal:
        with _lines() as lines:
            yield lines
        return
    text = TextColumn("{task.description}", markup=False)
    with Progress(text, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn(), console=err) as progress:
        tasks: dict[str, TaskID] = {}

        def show(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=done, total=total)

        yield show


@contextmanager
def working(what: str) -> Iterator[None]:
    """Work that cannot say how far it is: a spinner, or a line a minute."""
    if err.is_terminal:
        with err.status(Text(what)):
            yield
        return
    began = time.monotonic()
    with _each_minute(lambda: _say(f"{what}: {_clock(time.monotonic() - began)} so far")):
        yield


@dataclass(slots=True)
class _Stand:
    """How far one piece of the work is, and was when it was first heard of."""

    began: float
    at_first: int
    done: int
    total: int

    def line(self, name: str) -> str:
        gone, made = time.monotonic() - self.began, self.done - self.at_first
        text = f"{name} {self.done} of {self.total} in {_clock(gone)}"
        return text + (
            f", about {_clock(gone / made * (self.total - self.done))} left" if made > 0 and self.done < self.total else ""
        )


@contextmanager
def _lines() -> Iterator[Show]:
    """A line a minute for each piece of work that is not done yet, and one when it is."""
    stands: dict[str, _Stand] = {}

    def show(name: str, done: int, total: int) -> None:
        stand = stands.setdefault(name, _Stand(time.monotonic(), done, -1, total))
        ends = done >= total and done != stand.done
        stand.done, stand.total = done, total
        if ends:
            _say(stand.line(name))

    def tell() -> None:
        for name, stand in list(stands.items()):
            if stand.done < stand.total:
                _say(stand.line(name))

    with _each_minute(tell):
        yield show


@contextmanager
def _each_minute(tell: Callable[[], None]) -> Iterator[None]:
    """Beside the work, in a thread: a single step may take longer than a minute."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(LINE_EVERY):
            tell()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _say(line: str) -> None:
    err.print(line, soft_wrap=True)


def _clock(seconds: float) -> str:
    """
    >>> _clock(3.2), _clock(754), _clock(7322)
    ('0:03', '12:34', '2:02:02')
    """
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"
