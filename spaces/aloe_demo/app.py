"""The demo Space: see a model learn who you are. Layout and wiring; what happens is in `aloe_hub.space`.

    aloe space                          on this machine
    python spaces/aloe_demo/app.py      the same, configured by environment variables (README.md)

On the Hub a copy of the package lies beside this file.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import before  # noqa: F401 - the first of all
import gradio as gr
import tab_blind
import tab_chat
import tab_data
import tab_watch
from house import House
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from theme import THEME

from aloe_hub.errors import AloeError
from aloe_hub.space import show
from aloe_hub.space.settings import SpaceSettings

HERE = Path(__file__).resolve().parent
MOST_SESSIONS = 500  # kept at once; each is some text
LEAD = """\
# See a model learn who you are

A model trained to *interact to align* finds out from the conversation itself whom it talks with, and comes to fit them, turn by
turn. Here the same conversation is answered by a base model and by one that was trained so (ALOE).
"""
TEST_BED = """\
The defaults are a **test bed**: a tiny pocket model on a CPU, simulated users and a scripted judge, in a small world of
templates. They show how the method works, and say nothing about language understanding or about people.
"""
ABOUT = """\
## What is this

**Chat** puts one message box before two models. Say things about yourself and ask for advice; the panel shows what an inferrer
has understood of you. **Watch** lets a simulated user do the talking, while a judge who knows its hidden persona scores every
reply: AL(k), the alignment level, is the score of turn k, and IR, the improvement rate, is the slope of its line. **Data**
holds the preference trees that such a model is trained on. **Blind test** hides who wrote which reply.

The method is of Wu et al., [Aligning LLMs with Individual Preferences via Interaction](https://arxiv.org/abs/2410.03642)
(COLING 2025). What you write is sent to the models below and kept in memory until you leave; a vote is stored only with your
consent.
"""


def build(house: House) -> gr.Blocks:
    with gr.Blocks(title="ALOE: see a model learn who you are", analytics_enabled=False) as blocks:
        gr.Markdown(LEAD, elem_classes="lead")
        if house.settings.is_test_bed:
            gr.Markdown(TEST_BED, elem_classes="testbed")
        with gr.Tabs(elem_id="tabs"):
            with gr.Tab("Chat"):
                tab_chat.build(house)
            with gr.Tab("Watch"):
                tab_watch.build(house)
            with gr.Tab("Data"):
                tab_data.build(house)
            with gr.Tab("Blind test"):
                tab_blind.build(house)
            with gr.Tab("About"):
                gr.Markdown(ABOUT, elem_classes="prose")
                gr.HTML(show.taking_part(house.company, house.library, house.settings, house.votes), elem_classes="page")

        def forget(request: gr.Request) -> None:
            """A visitor who leaves takes everything along: Gradio itself would keep it for an hour."""
            blocks.state_holder.session_data.pop(request.session_hash, None)
            blocks.state_holder.time_last_used.pop(request.session_hash, None)

        blocks.unload(forget)
    return blocks.queue(default_concurrency_limit=house.settings.concurrency, max_size=house.settings.queue)


def health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


def variables() -> dict[str, str]:
    """The environment; below it what was published with the Space, one NAME=VALUE a line in `defaults.env`."""
    file = HERE / "defaults.env"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return dict(line.split("=", 1) for line in lines if "=" in line) | dict(os.environ)


def _free() -> int:
    """A port that nobody listens on."""
    with socket.socket() as here:
        here.bind(("127.0.0.1", 0))
        return int(here.getsockname()[1])


def serve(house: House, port: int | None = None) -> gr.Blocks:
    """Start serving, in threads of this process."""
    blocks = build(house)
    blocks.launch(
        server_port=_free() if port == 0 else port,
        theme=THEME,
        css_paths=HERE / "style.css",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        quiet=True,
        prevent_thread_lock=True,
        state_session_capacity=MOST_SESSIONS,
        app_kwargs={"routes": [Route("/health", health)], "docs_url": None, "redoc_url": None},
    )
    return blocks


def main(port: int | None = None) -> int:
    """Serve until Ctrl-C. A variable that cannot be meant is one line, and exit status 2."""
    try:
        house = House.of(SpaceSettings.read(variables()))
    except AloeError as error:
        print(f"aloe space: error: {error}", file=sys.stderr)
        return error.exit_status
    blocks = serve(house, port)
    print(f"the demo Space: {blocks.local_url}  Ctrl-C stops it", flush=True)
    blocks.block_thread()
    house.votes.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
