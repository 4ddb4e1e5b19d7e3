"""The command `serve`: a model as an endpoint."""

from __future__ import annotations

import os
from functools import partial
from typing import Annotated

import typer

from aloe_hub.errors import AloeError


def serve(
    model: Annotated[str, typer.Option(help="A model string, such as scripted.", show_default=False)],
    port: Annotated[int, typer.Option(help="The port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 0,
) -> None:
    """Serve any model to any chat client: an OpenAI-compatible endpoint on this machine. ALOE_API_KEY, if set, is asked for."""
    try:
        from aloe_hub.serve.server import serve as answer
    except ImportError as error:
        raise AloeError(f"aloe serve: {error}; run: pip install 'aloe-hub[serve]'") from error
    answer(model, port, os.environ.get("ALOE_API_KEY"), partial(print, flush=True))
