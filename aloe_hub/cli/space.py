"""The command space: the demo Space on this machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from aloe_hub.errors import AloeError
from aloe_hub.shipped import shipped


def space(
    run: Annotated[
        Path | None, typer.Option(help="Show the personas and trees of this run folder.", show_default="made on the spot")
    ] = None,
    base: Annotated[str | None, typer.Option(help="The base model.", show_default="local:pocket")] = None,
    adapter: Annotated[
        str | None, typer.Option(help="The adapter of the aligned model, or its model string.", show_default="pocket-sft")
    ] = None,
    user: Annotated[str | None, typer.Option(help="Model of the simulated user.", show_default="scripted")] = None,
    inferrer: Annotated[str | None, typer.Option(help="Model that infers who the user is.", show_default="scripted")] = None,
    judge: Annotated[str | None, typer.Option(help="Model of the judge.", show_default="scripted")] = None,
    personas: Annotated[str | None, typer.Option(help="A dataset of personas on the Hub.", show_default=False)] = None,
    prefs: Annotated[str | None, typer.Option(help="A dataset of preference trees on the Hub.", show_default=False)] = None,
    votes: Annotated[Path | None, typer.Option(help="The folder for votes.", show_default="~/.cache/aloe-hub/votes")] = None,
    port: Annotated[int, typer.Option(help="The port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 7860,
) -> None:
    """See a model learn who you are: the demo Space, in a browser, offline. Environment variables (ALOE_…) configure the rest."""
    folder = shipped("spaces") / "aloe_demo"
    given = {
        "RUN": run, "BASE": base, "ADAPTER": adapter, "USER": user, "INFERRER": inferrer, "JUDGE": judge,
        "PERSONAS": personas, "PREFS": prefs, "VOTES": votes,
    }  # fmt: skip
    os.environ |= {f"ALOE_{name}": str(value) for name, value in given.items() if value is not None}
    sys.path.insert(0, str(folder))
    typer.echo("the demo Space: loading Gradio; the page opens in some seconds, and the models are loaded beside it")
    sys.stdout.flush()
    try:
        import app
    except ModuleNotFoundError as error:
        raise AloeError(f"aloe space needs {error.name}; run: pip install 'aloe-hub[space]'") from None
    raise typer.Exit(app.main(port))
