"""The command publish: a run, the metric or a model, to the Hub that HF_ENDPOINT names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from aloe_hub.cli.progress import out, working
from aloe_hub.errors import UsageError

if TYPE_CHECKING:
    from aloe_hub.hub.models import Options
    from aloe_hub.hub.push import Published, Upload

What = Literal["personas", "prefs", "metric", "demo", "adapter", "pocket"]


def publish(
    what: Annotated[What, typer.Argument(help="What to publish.", show_default=False)],
    repo: Annotated[str | None, typer.Option(help="Where to, as org/name.", show_default=False)] = None,
    run: Annotated[
        Path | None, typer.Option(help="The run of personas or prefs; adapter: of its benchmark.", show_default=False)
    ] = None,
    adapter: Annotated[Path | None, typer.Option(help="adapter: the folder that aloe train wrote.", show_default=False)] = None,
    base_repo: Annotated[
        str | None, typer.Option(help="adapter: where its base is published, if it was trained on a folder or on pocket.")
    ] = None,
    merge: Annotated[bool, typer.Option("--merge", help="adapter: publish the base with the adapter merged into it.")] = False,
    private: Annotated[bool, typer.Option("--private", help="Make the repo private, if it is new.")] = False,
    license: Annotated[  # noqa: A002 - the option's name
        str | None, typer.Option(help="The licence; needed for imported texts.", show_default="apache-2.0; adapter: its base's")
    ] = None,
    tag: Annotated[str | None, typer.Option(help="The tag of the commit.", show_default="named by the content")] = None,
    language: Annotated[
        str | None, typer.Option(help="personas, prefs: of the texts, as en or zh,ar.", show_default="en; imported: not said")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be sent, and send nothing.")] = False,
    install: Annotated[bool, typer.Option("--install", help="metric: put it into evaluate's module cache instead.")] = False,
) -> None:
    """Publish to the Hub: data and card in one commit, tagged. Doing it again makes no new commit."""
    from aloe_hub.hub.names import check_names

    if what != "adapter" and (adapter or base_repo or merge):
        raise UsageError(f"--adapter, --base-repo and --merge are for an adapter, not for {what}")
    if install:
        if what != "metric":
            raise UsageError(f"--install: only the metric can be installed, not {what}")
        from aloe_hub.hub.metric_space import install_metric

        out.print(f"installed in {install_metric()}\nnow anywhere: evaluate.load('aloe')", soft_wrap=True)
        return
    if repo is None:
        raise UsageError(f"--repo: say where to, such as org/aloe-{what}")
    if language is not None and what not in ("personas", "prefs"):
        raise UsageError(f"--language: is for personas and prefs, not for {what}")
    check_names(repo, license, language)
    if what == "metric":
        _publish_metric(repo, private=private, tag=tag, dry_run=dry_run)
    elif what == "demo":
        _publish_demo(repo, private=private, tag=tag, dry_run=dry_run)
    elif what == "adapter":
        if adapter is None:
            raise UsageError("--adapter: say which, such as --adapter runs/mine/adapters/dpo")
        how: Options = {"base_repo": base_repo, "run": run, "merge": merge, "private": private, "licence": license}
        _publish_adapter(adapter, repo, how, tag=tag, dry_run=dry_run)
    elif what == "pocket":
        _publish_pocket(repo, private=private, tag=tag, dry_run=dry_run)
    else:
        _publish_dataset(what, repo, run, private=private, licence=license, language=language, tag=tag, dry_run=dry_run)


def _publish_metric(repo: str, *, private: bool, tag: str | None, dry_run: bool) -> None:
    from aloe_hub.hub.metric_space import metric_card, metric_files, publish_metric

    if dry_run:
        _print_plan(metric_files(), metric_card())
        return
    with working(f"publishing to {repo}"):
        published = publish_metric(repo, private=private, tag=tag)
    print_published(published, f'evaluate.load("{repo}")')


def _publish_demo(repo: str, *, private: bool, tag: str | None, dry_run: bool) -> None:
    from aloe_hub.hub.demo_settings import DemoSettings
    from aloe_hub.hub.demo_space import demo_upload, publish_demo

    if dry_run:
        _print_upload(demo_upload(repo, DemoSettings.read(os.environ)))
        return
    with working(f"publishing to {repo}"):
        published, settings = publish_demo(repo, os.environ, private=private, tag=tag)
    named = [f"{name}={value}" for name, value in settings.environment().items()]
    print_published(published, f"configured by {', '.join(named) or 'nothing: pocket, scripted users and judge'}")


def _publish_adapter(folder: Path, repo: str, how: Options, *, tag: str | None, dry_run: bool) -> None:
    from aloe_hub.hub.models import prepared_adapter, publish_adapter

    if dry_run:
        with prepared_adapter(folder, repo, ask_hub=False, **how) as upload:
            _print_upload(upload)
        return
    with working(f"publishing to {repo}"):
        published = publish_adapter(folder, repo, tag=tag, **how)
    print_published(published, f'pipeline("text-generation", model="{repo}")')


def _publish_pocket(repo: str, *, private: bool, tag: str | None, dry_run: bool) -> None:
    from aloe_hub.hub.models import pocket_upload, publish_pocket

    if dry_run:
        _print_upload(pocket_upload(repo))
        return
    with working(f"publishing to {repo}"):
        published = publish_pocket(repo, private=private, tag=tag)
    adapter = f"aloe publish adapter --adapter runs/mine/adapters/dpo --base-repo {repo} --repo org/adapter"
    print_published(published, f'pipeline("text-generation", model="{repo}")', adapter)


def _publish_dataset(
    kind: Literal["personas", "prefs"],
    repo: str,
    run: Path | None,
    *,
    private: bool,
    licence: str | None,
    language: str | None,
    tag: str | None,
    dry_run: bool,
) -> None:
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.hub.datasets import prepared, publish_dataset

    if run is None:
        raise UsageError(f"--run: say which run's {kind}, such as --run runs/mine")
    if dry_run:
        with prepared(RunFolder(run), kind, repo, licence, language) as plan:
            _print_plan(plan.files, plan.card)
        return
    with working(f"publishing to {repo}"):
        published = publish_dataset(RunFolder(run), kind, repo, private=private, licence=licence, language=language, tag=tag)
    lines = f'load_dataset("{repo}")', f'load_dataset("{repo}", revision="{published.tag}")'
    print_published(published, *lines)


def _print_plan(files: Mapping[str, Path | bytes], card: str) -> None:
    for name, content in files.items():
        size = content.stat().st_size if isinstance(content, Path) else len(content)
        out.print(f"{size:>12,} bytes  {name}", soft_wrap=True)
    out.print(f"\nREADME.md\n\n{card}", soft_wrap=True)


def _print_upload(upload: Upload) -> None:
    _print_plan(upload.files, upload.card(None) if upload.card else "")


def print_published(published: Published, *lines: str) -> None:
    commit = published.commit[:8]
    done = f"published as commit {commit}" if published.new else f"nothing new: commit {commit} already holds it"
    out.print(f"{published.url}: {done}, tag {published.tag}", soft_wrap=True)
    for line in lines:
        out.print(f"  {line}", soft_wrap=True)
