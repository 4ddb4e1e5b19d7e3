"""`aloe`: runs a command, and turns whatever goes wrong into one line and an exit status.

0 done, 1 failed, 2 wrong usage, 130 interrupted, by Ctrl-C or SIGTERM (the same command goes on where it was).
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from aloe_hub import __version__
from aloe_hub.cli import audit, benchmark, data, demo, feedback, hub, imports, publish, rounds, serve, space, train
from aloe_hub.errors import AloeError

INTERRUPTED = 130

app = typer.Typer(
    name="aloe",
    help="ALOE on the Hub: personas, preference trees, training rows, and scores with intervals.",
    epilog="Start with: aloe demo --run runs/demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(epilog="Example: aloe personas --run runs/mine --recipe demo")(data.personas)
app.command(epilog="Example: aloe trees --run runs/mine --model scripted --limit 100")(data.trees)
app.command(epilog="Example: aloe merge runs/shard1 runs/shard2 --run runs/all")(data.merge)
app.command("import", epilog="Example: aloe import chats.jsonl.gz --run runs/chats; aloe report runs/chats")(imports.import_)
app.command(epilog="Example: aloe feedback --run runs/chats --model hub:org/model --finder baseline")(feedback.feedback)
app.command(epilog="Example: aloe train dpo --base pocket --run runs/mine --adapter runs/mine/adapters/sft")(train.train)
app.command(
    "round", epilog="Example: aloe round --run runs/mine --base pocket --adapter runs/mine/adapters/sft --rounds 3 --limit 100"
)(rounds.rounds)
app.command(
    epilog="Example: aloe evaluate --run runs/mine --policy scripted:tailored --policy scripted:plain. "
    "With users who become somebody else: aloe evaluate --run runs/shift --policy scripted:tailored --turns 12 --shift 6"
)(benchmark.evaluate)
app.command(epilog="Example: aloe report runs/mine")(benchmark.report)
app.command(epilog="Example: aloe audit runs/mine --judge semantic. Two columns of scores alone: aloe audit --scores scores.tsv")(
    audit.audit
)
app.command(epilog="Example: aloe publish prefs --run runs/mine --repo org/aloe-prefs")(publish.publish)
hub_commands = typer.Typer(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
hub_commands.callback(epilog="Example: aloe hub --port 8089")(hub.hub)
hub_commands.command("exec", epilog="Example: aloe hub exec -- aloe publish prefs --run runs/demo --repo org/aloe-prefs")(
    hub.exec_
)
app.add_typer(hub_commands, name="hub")
app.command(epilog="Example: aloe serve --model local:pocket --port 8000")(serve.serve)
app.command(epilog="Example: aloe demo --run runs/demo")(demo.demo)
app.command(epilog="Example: aloe space --run runs/demo")(space.space)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aloe-hub {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version and stop."),
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
) -> None:
    logging.basicConfig(format="%(message)s", level=logging.WARNING)


def main(arguments: list[str] | None = None) -> int:
    """Run `aloe` and return its exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        with _terminated_as_interrupted():
            app(arguments, prog_name="aloe")
    except SystemExit as stop:  # typer ends every command so, and has already explained wrong usage
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BrokenPipeError:
        return 1
    except Exception as error:
        if debug:
            raise
        print(f"aloe: {_one_line(error)}", file=sys.stderr)
        return error.exit_status if isinstance(error, AloeError) else 1
    if status == INTERRUPTED:
        print("aloe: interrupted; run the same command again to go on where it was", file=sys.stderr)
    return status


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM ends a command as Ctrl-C does: what is in flight is given up, and what is done stays."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    own = os.getpid()

    def terminated(number: int, frame: FrameType | None) -> None:
        if os.getpid() != own:  # a fork of this process, which a library ends
            os._exit(128 + number)
        interrupt = signal.getsignal(signal.SIGINT)  # asyncio has its own while it runs
        (interrupt if callable(interrupt) else signal.default_int_handler)(number, frame)

    before = signal.signal(signal.SIGTERM, terminated)
    deaf = signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # in the background of a shell: there is a handler, and no Ctrl-C
    if deaf:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        if deaf:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGTERM, before)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, AloeError):
        return f"error: {text}"
    return f"error: {type(error).__name__}: {text}; this is a bug in aloe-hub: run again with --debug and report it"


if __name__ == "__main__":
    sys.exit(main())
