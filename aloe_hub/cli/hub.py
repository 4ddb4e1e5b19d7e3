"""Commands of the local Hub: hub, hub exec."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

from aloe_hub.errors import AloeError

Directory = Annotated[
    Path | None, typer.Option("--dir", help="Where the Hub is kept.", show_default="~/.cache/aloe-hub/local-hub", metavar="DIR")
]


def hub(
    context: typer.Context,
    directory: Directory = None,
    port: Annotated[int, typer.Option(help="The port on 127.0.0.1; 0 takes a free one.", min=0, max=65535)] = 0,
) -> None:
    """Serve a Hugging Face Hub on this machine, for everything that reads HF_ENDPOINT. No account, no network."""
    if context.invoked_subcommand is not None:
        return
    process = _process()
    process.serve(directory or process.DEFAULT_DIRECTORY, port, partial(print, flush=True))


def exec_(
    context: typer.Context,
    command: Annotated[
        list[str], typer.Argument(help="The command and its arguments, after --.", metavar="-- CMD…", show_default=False)
    ],
    directory: Directory = None,
) -> None:
    """Run a command against the local Hub, with its token in place of yours, and exit as the command does."""
    process = _process()
    given = context.parent.params.get("directory") if context.parent else None
    raise typer.Exit(process.execute(directory or given or process.DEFAULT_DIRECTORY, command))


def _process() -> ModuleType:
    try:
        from aloe_hub.local_hub import process
    except ImportError as error:
        raise AloeError(f"aloe hub: {error}; run: pip install 'aloe-hub[hub]'") from error
    return process
