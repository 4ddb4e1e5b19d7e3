"""Benchmark: the table of policies, and every conversation with its scores and the judge's reasons; what an audit found."""

from __future__ import annotations

from typing import Any

import gradio as gr
import measured
from app_state import AppState
from measured import EVERY, ORDERS
from session import PRIVATE

# A conversation has an address, ?sample=ID#benchmark; a click on it needs no new page.
OPEN = """\
element.addEventListener('click', (event) => {
  const link = event.target.closest('a[data-sample]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  history.replaceState(null, '', link.getAttribute('href'));
  trigger('click', {sample: link.dataset.sample});
});
"""
STYLE = """<style>
.page .benchmark tbody th { min-width: 9rem; } .page .benchmark thead th { min-width: 6rem; }
.page .benchmark caption span { display: block; max-width: min(48rem, 100vw - 4rem); }
.page .benchmark td { white-space: nowrap; }
.page .benchmark td:last-child { min-width: 9rem; white-space: normal; }
.page .benchmark small { display: block; color: var(--muted); font-weight: 400; font-size: .8rem; }
.page .list { max-height: 26rem; overflow-y: auto; border: 1px solid var(--line); border-radius: .4rem; padding: 0 .6rem; }
#audit table { width: 100%; }
</style>
"""
SHOW = "() => document.querySelector('#sample h3')?.focus()"


def build(state: AppState) -> None:
    run = state.settings.run

    def listed(query: str, policy: str, order: str) -> str:
        return measured.listing(measured.measured(run), query or "", policy, order)

    def asked_for(request: gr.Request) -> Any:  # noqa: ANN401 - Gradio's own, where nothing is to change
        name = request.query_params.get("sample")
        # A page without one leaves alone what may have been clicked since it came.
        return measured.conversation(measured.measured(run), str(name)) if name else gr.skip()

    def opened(event: gr.EventData) -> str:
        return measured.conversation(measured.measured(run), str(event.sample))

    gr.Markdown("## Policies", elem_classes="prose")
    table = gr.HTML(elem_id="policies", elem_classes="page")
    gr.Markdown("## Conversations", elem_classes="prose")
    with gr.Row():
        query = gr.Textbox(label="Filter the conversations", info="Every word has to be in it.", max_lines=1, min_width=200)
        policy = gr.Dropdown([EVERY], value=EVERY, label="Policy", min_width=200)
        order = gr.Dropdown(list(ORDERS), value=ORDERS[0], label="Order", min_width=160)
    listing = gr.HTML(elem_id="samples", elem_classes="page", js_on_load=OPEN)
    sample = gr.HTML(elem_id="sample", elem_classes="page", js_on_load=OPEN)

    # By the page, once it is there: what is not measured yet takes seconds.
    gr.on(None, lambda: STYLE + measured.policies(measured.measured(run)), None, table, **PRIVATE)
    gr.on(None, lambda: gr.update(choices=[EVERY, *measured.measured(run).policies]), None, policy, **PRIVATE)
    gr.on(None, listed, [query, policy, order], listing, trigger_mode="always_last", **PRIVATE)
    gr.on(None, asked_for, None, sample, **PRIVATE)
    for component in (listing, sample):
        component.click(opened, None, sample, **PRIVATE).then(None, None, None, js=SHOW, api_visibility="private")


def build_audit(state: AppState) -> None:
    shown = gr.HTML(elem_id="audit", elem_classes="page")
    gr.on(None, lambda: measured.audit(measured.measured(state.settings.run)), None, shown, api_visibility="private")
