"""The command publish: a run, or the metric, to the Hub that HF_ENDPOINT names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from aloe_hub.cli import options
from aloe_hub.cli.options import out
from aloe_hub.errors import AloeError, UsageError

What = Literal["personas", "prefs", "metric", "demo", "adapter", "pocket"]
LATER = ("demo", "adapter", "pocket")


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: aloe publish prefs --run runs/mine --repo org/aloe-prefs")(publish)


def publish(
    what: Annotated[What, typer.Argument(help="What to publish.", show_default=False)],
    repo: Annotated[str | None, typer.Option("--repo", help="Where to, as org/name.", show_default=False)] = None,
    run: Annotated[Path | None, typer.Option("--run", help="The run folder of personas or prefs.", show_default=False)] = None,
    private: Annotated[bool, typer.Option("--private", help="Make the repo private, if it is new.")] = False,
    license: Annotated[  # noqa: A002 - the option's name
        str | None, typer.Option("--license", help="The licence; needed for imported texts.", show_default="apache-2.0")
    ] = None,
    tag: Annotated[str | None, typer.Option("--tag", help="The tag of the commit.", show_default="named by the content")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")] = False,
    install: Annotated[bool, typer.Option("--install", help="metric: put it into evaluate's module cache instead.")] = False,
) -> None:
    """Publish to the Hub: data and card in one commit, tagged. Doing it again makes no new commit."""
    if what in LATER:
        raise AloeError(f"publish {what}: this version of aloe-hub cannot yet; it publishes personas, prefs and metric")
    if install:
        if what != "metric":
            raise UsageError(f"--install: only the metric can be installed, not {what}")
        from aloe_hub.hub.spaces import install_metric

        out.print(f"installed in {install_metric()}\nnow anywhere: evaluate.load('aloe')", soft_wrap=True, markup=False)
        return
    if repo is None:
        raise UsageError(f"--repo: say where to, such as org/aloe-{what}")
    if what == "metric":
        _publish_metric(repo, private, tag, dry_run)
    else:
        _publish_dataset(what, repo, run, private, license, tag, dry_run)


def _publish_metric(repo: str, private: bool, tag: str | None, dry_run: bool) -> None:
    from aloe_hub.hub.spaces import metric_card, metric_files, publish_metric

    if dry_run:
        _print_plan({name: len(content) for name, content in metric_files().items()}, metric_card())
        return
    with options.err.status(f"publishing to {repo}"):
        published = publish_metric(repo, private=private, tag=tag)
    _print_published(published.url, published.commit, published.tag, published.new, f'evaluate.load("{repo}")')


def _publish_dataset(
    what: str, repo: str, run: Path | None, private: bool, licence: str | None, tag: str | None, dry_run: bool
) -> None:
    from aloe_hub.hub.publish import prepared, publish_dataset
    from aloe_hub.run_folder import RunFolder

    if run is None:
        raise UsageError(f"--run: say which run's {what}, such as --run runs/mine")
    kind: Literal["personas", "prefs"] = "personas" if what == "personas" else "prefs"
    if dry_run:
        with prepared(RunFolder(run), kind, repo, licence) as plan:
            sizes = {name: path.stat().st_size for name, path in plan.files.items() if isinstance(path, Path)}
            _print_plan(sizes, plan.card)
        return
    with options.err.status(f"publishing to {repo}"):
        published = publish_dataset(RunFolder(run), kind, repo, private=private, licence=licence, tag=tag)
    lines = f'load_dataset("{repo}")', f'load_dataset("{repo}", revision="{published.tag}")'
    _print_published(published.url, published.commit, published.tag, published.new, *lines)


def _print_plan(sizes: dict[str, int], card: str) -> None:
    for name, size in sizes.items():
        out.print(f"{size:>12,} bytes  {name}", highlight=False, markup=False, soft_wrap=True)
    out.print(f"\nREADME.md\n\n{card}", highlight=False, markup=False, soft_wrap=True)


def _print_published(url: str, commit: str, tag: str, new: bool, *lines: str) -> None:
    done = f"published as commit {commit[:8]}" if new else f"nothing new: commit {commit[:8]} already holds it"
    out.print(f"{url}: {done}, tag {tag}", highlight=False, markup=False, soft_wrap=True)
    for line in lines:
        out.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
