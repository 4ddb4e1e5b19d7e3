"""A list to choose from, and a box to search it by words: the personas, the preference trees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import gradio as gr
import show
from library import found
from safe import tidy
from session import PRIVATE

T = TypeVar("T")


def labelled(place: int, title: str) -> tuple[str, int]:
    """A place in the list, as it is shown and as it is."""
    return f"{place + 1}. {tidy(title)[:110]}…", place


def choice(
    items: Sequence[T],
    noun: str,
    *,
    text: Callable[[T], str],
    title: Callable[[T], str],
    most: int,
    source: str,
    value: int | None = None,
) -> gr.Radio:
    """The choice, whose value is a place in `items`; `text` is searched, `title` shown, and at most `most` are listed."""

    def listed(query: str) -> tuple[Any, str]:
        places, total = found(items, query or "", text, most)
        count = f"{total:,} of {len(items):,} {noun}" + (f", the first {most} are listed" if total > most else "")
        choices = [labelled(place, title(items[place])) for place in places]
        return gr.update(choices=choices, value=None), show.note(f"{count}; {source}.")

    query = gr.Textbox(label=f"Search the {noun}", info="Every word has to be in it.", max_lines=1)
    first, count = listed("")
    picked = gr.Radio(first["choices"], value=value, label=noun.capitalize(), elem_id=noun, elem_classes="long")
    counted = gr.HTML(count, elem_classes="page")
    query.change(listed, query, [picked, counted], **PRIVATE)
    return picked
