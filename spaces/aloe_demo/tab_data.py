"""Data: the preference trees that a model is trained on."""

from __future__ import annotations

from typing import Any

import gradio as gr
from house import House

from aloe_hub.space import show
from aloe_hub.space.library import found, tree_text
from aloe_hub.space.safe import tidy

LISTED = 8
TREE = """\
## One tree

In every turn two replies are written to the same conversation. A judge who knows the persona says, asked in both orders, which
one this user would prefer; a coin decides which one is spoken.
"""


def build(house: House) -> None:
    library = house.library
    gr.HTML(show.notes(library.problems), elem_classes=["page", "notice"])

    def label(place: int) -> str:
        tree = library.trees[place]
        first = tree.exchanges[0].user if tree.exchanges else "an empty tree"
        return f"{place + 1}. {tidy(first)[:110]}… ({len(tree.exchanges)} turns)"

    def listed(query: str) -> tuple[Any, str]:
        places, total = found(library.trees, query or "", tree_text, LISTED)
        count = f"{total:,} of {len(library.trees):,} trees" + (f", the first {LISTED} are listed" if total > LISTED else "")
        choices = [(label(place), place) for place in places]
        return gr.update(choices=choices, value=None), show.note(f"{count}; {library.trees_from}.")

    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=300):
            gr.Markdown("## Preference trees")
            query = gr.Textbox(label="Search the trees", info="Every word has to be said in it.", max_lines=1)
            choices, count = listed("")
            picked = gr.Radio(choices["choices"], value=0, label="Trees", elem_id="trees", elem_classes="long")
            counted = gr.HTML(count, elem_classes="page")
        with gr.Column(scale=8, min_width=320):
            gr.Markdown(TREE, elem_classes="prose")
            page = gr.HTML(show.tree(library.trees[0]), elem_id="tree", elem_classes="page")

    private = {"api_visibility": "private", "show_progress": "hidden"}
    query.change(listed, query, [picked, counted], **private)
    picked.input(lambda place: show.tree(library.trees[place]), picked, page, **private)
