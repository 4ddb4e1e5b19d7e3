"""What MkDocs runs while it builds the site (mkdocs.yml names this file twice).

The page of the command line is written from the commands themselves, so it cannot say anything else than `aloe COMMAND --help`
does; and the examples in docstrings become code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import griffe
import typer.main
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from aloe_hub.cli.app import app

# An example in a docstring: lines that begin with `>>>`, and what follows them up to a blank line.
EXAMPLE = re.compile(r"^>>> .*(?:\n.+)*", re.MULTILINE)
PAGE = "reference/cli.md"
INTRODUCTION = """# Command line

This page is generated from the commands: it says what `aloe COMMAND --help` says.

Every command ends with 0 (done), 1 (failed), 2 (wrong usage) or 130 (interrupted; the same command goes on where it was). An
error is one line on standard error that names the file, line or option and what to do; `aloe --debug COMMAND` shows a traceback.
`aloe --version` prints the version.
"""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated page, in place of a file of that name."""
    if (written := files.get_file_from_path(PAGE)) is not None:
        files.remove(written)
    files.append(File.generated(config, PAGE, content=cli_page()))
    return files


def cli_page() -> str:
    """All commands as Markdown, in the order of `aloe --help`."""
    return "\n".join([INTRODUCTION, *_pages(typer.main.get_command(app), "aloe")])


def _pages(command: Any, name: str) -> Iterator[str]:  # noqa: ANN401 - typer's own classes, which differ between its versions
    if name != "aloe":
        yield from _page(command, name)
    for called, child in getattr(command, "commands", {}).items():
        yield from _pages(child, f"{name} {called}")


def _page(command: Any, name: str) -> Iterator[str]:  # noqa: ANN401
    yield f"## {name}\n\n{_text(command.help)}\n"
    if command.epilog:
        yield f"```bash\n{_text(command.epilog).removeprefix('Example: ')}\n```\n"
    kinds: dict[str, list[Any]] = {"argument": [], "option": []}
    for parameter in command.params:
        if parameter.name != "help":
            kinds["option" if parameter.opts[0].startswith("-") else "argument"].append(parameter)
    if kinds["argument"]:
        yield "| argument | |\n|---|---|"
        yield from (f"| `{one.name.upper()}` | {_help(one)} |" for one in kinds["argument"])
        yield ""
    if kinds["option"]:
        yield "| option | | default |\n|---|---|---|"
        yield from (f"| {_names(one)} | {_help(one)} | {_default(one)} |" for one in kinds["option"])
        yield ""


def _names(option: Any) -> str:  # noqa: ANN401
    return " ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))


def _help(parameter: Any) -> str:  # noqa: ANN401
    annotation = parameter.type_descriptor.annotation
    choices = " ".join(f"`{choice}`" for choice in get_args(annotation)) if get_origin(annotation) is Literal else ""
    return " ".join(filter(None, (_text(parameter.help).replace("|", "\\|"), choices)))


def _default(option: Any) -> str:  # noqa: ANN401
    if isinstance(option.show_default, str):
        return str(option.show_default)
    if option.required:
        return "required"
    return "" if option.default in (None, False, ()) else f"`{option.default}`"


def _text(text: str | None) -> str:
    return " ".join((text or "").split())


class Examples(griffe.Extension):  # type: ignore[misc, unused-ignore]  # where the extra docs is missing
    """Doctests as blocks of code: to Markdown they would be quotes in quotes, and lists would be links."""

    def on_object(self, *, obj: griffe.Object, **others: object) -> None:
        if obj.docstring is not None:
            obj.docstring.value = EXAMPLE.sub(lambda found: f"```pycon\n{found[0]}\n```", obj.docstring.value)
