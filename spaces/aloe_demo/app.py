"""The demo Space: see a model learn who you are. The layout of the page, and how it is served.

    aloe space                          on this machine
    python spaces/aloe_demo/app.py      the same, configured by environment variables (README.md)

    tab_chat.py  tab_watch.py  tab_data.py  tab_blind.py  search.py     the tabs; only these, app.py and theme.py know Gradio
    tab_benchmark.py  measured.py  measured.html.j2                     a finished benchmark and its audit
    app_state.py  models.py  gpu.py  library.py                         what all visitors share
    session.py                                                          what one visitor does in one tab
    talk.py  understood.py  watch.py  blind.py  votes.py                conversations as values, and the votes on them
    known.py  delicate.py  used.py                                      what may be asked; what a reply uses of what was learned
    safe.py  show.py  pages.html.j2  page.js                            values → HTML; what anybody typed is shown as text

On the Hub a copy of the package lies beside this file.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import before  # noqa: F401 - the first of all
import gradio as gr
import show
import tab_benchmark
import tab_blind
import tab_chat
import tab_data
import tab_watch
from app_state import AppState
from session import kept_by_browser
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from theme import CSS, THEME

from aloe_hub.errors import AloeError
from aloe_hub.hub.demo_settings import DemoSettings
from aloe_hub.loopback import LoopbackOnly

HERE = Path(__file__).resolve().parent
MOST_SESSIONS = 500  # kept at once; each is some text
LEAD = """\
# See a model learn who you are

A model trained to *interact to align* (ALOE) finds out from the conversation itself whom it talks with, and comes to fit them.
"""
TEST_BED = """\
**Test bed**: tiny pocket models, simulated users, a scripted judge, in a world of templates. It says nothing about people.
"""


def about(state: AppState) -> None:
    gr.Markdown((HERE / "about.md").read_text(encoding="utf-8"), elem_classes="prose")
    gr.HTML(lambda: show.page("taking_part", state), elem_classes="page")


def build(state: AppState) -> gr.Blocks:
    blocks = gr.Blocks(title="ALOE: see a model learn who you are", analytics_enabled=False)
    with blocks:
        gr.Markdown(LEAD, elem_classes="lead")
        if told := TEST_BED if state.settings.is_test_bed else state.settings.who_is_scripted:
            gr.Markdown(told, elem_classes="testbed")
        # Each tab by its name; its address is the name in small letters, such as #blind-test.
        tabs: dict[str, Callable[[AppState], None]] = {
            "Watch": tab_watch.build,
            "Chat": partial(tab_chat.build, kept_by_browser("aloe-chat")),
            "Blind test": partial(tab_blind.build, kept_by_browser("aloe-votes")),
            "Data": tab_data.build,
            "Benchmark": tab_benchmark.build,
            "Audit": tab_benchmark.build_audit,
            "About": about,
        }
        with gr.Tabs(elem_id="tabs"):
            for name, build_tab in tabs.items():
                with gr.Tab(name):
                    build_tab(state)

        def forget(request: gr.Request) -> None:
            """A visitor who leaves takes everything along: Gradio itself would keep it for an hour."""
            session = request.session_hash or ""
            blocks.state_holder.session_data.pop(session, None)
            blocks.state_holder.time_last_used.pop(session, None)

        blocks.unload(forget)
    blocks.queue(default_concurrency_limit=state.settings.concurrency, max_size=state.settings.queue)
    return blocks


def health(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


def no_uploads(request: Request) -> JSONResponse:
    """In place of Gradio's own route: nothing on this page takes a file."""
    return JSONResponse({"detail": "this page takes no files"}, 403)


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


def serve(state: AppState, port: int | None = None) -> gr.Blocks:
    """Start serving, in threads of this process; to this machine alone, but on the Hub, or where GRADIO_SERVER_NAME says so."""
    blocks = build(state)
    is_open = {"SPACE_ID", "GRADIO_SERVER_NAME"} & os.environ.keys()
    routes = [Route("/health", health), Route("/gradio_api/upload", no_uploads, methods=["POST"])]
    blocks.launch(
        server_port=_free() if port == 0 else port,
        theme=THEME,
        css=CSS,
        css_paths=HERE / "style.css",
        head=f"<script>{(HERE / 'page.js').read_text(encoding='utf-8')}</script>",
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        quiet=True,
        prevent_thread_lock=True,
        state_session_capacity=MOST_SESSIONS,
        app_kwargs={
            "routes": routes,
            "middleware": [] if is_open else [Middleware(LoopbackOnly)],
            "docs_url": None,
            "redoc_url": None,
        },
    )
    return blocks


def main(port: int | None = None) -> int:
    """Serve until Ctrl-C. An invalid variable is one line, and exit status 2."""
    try:
        state = AppState.of(DemoSettings.read(variables()))
    except AloeError as error:
        print(f"aloe space: error: {error}", file=sys.stderr)
        return error.exit_status
    blocks = serve(state, port)
    print(f"the demo Space: {blocks.local_url}  Ctrl-C stops it", flush=True)
    blocks.block_thread()
    state.votes.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
