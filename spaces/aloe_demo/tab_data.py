"""Data: the preference trees that a model is trained on."""

from __future__ import annotations

import gradio as gr
import show
from app_state import AppState
from library import tree_text
from search import choice
from session import PRIVATE

from aloe_hub.types import Tree

TREE = """\
## One tree

In every turn two or more replies are written to the same conversation. A judge who knows the persona says, asked in both
orders, which one this user would prefer; a coin decides which one is spoken, unless the run goes on from the best.
"""


def build(state: AppState) -> None:
    trees = state.library.trees
    gr.HTML(show.page("notes", state.library.problems), elem_classes=["page", "notice"])

    def title(tree: Tree) -> str:
        return f"({len(tree.exchanges)} turns) {tree.exchanges[0].user if tree.exchanges else 'an empty tree'}"

    with gr.Row(equal_height=False):
        with gr.Column(scale=4, min_width=300):
            gr.Markdown("## Preference trees")
            picked = choice(trees, "trees", text=tree_text, title=title, most=8, source=state.library.trees_from, value=0)
        with gr.Column(scale=8, min_width=320):
            gr.Markdown(TREE, elem_classes="prose")
            page = gr.HTML(show.page("tree", trees[0]), elem_id="tree", elem_classes="page")

    picked.input(lambda place: show.page("tree", trees[place]), picked, page, **PRIVATE)
