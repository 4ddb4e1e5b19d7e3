"""The command feedback: what people said of replies in recorded chats, as preferences."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from aloe_hub.cli import calls, options
from aloe_hub.cli.data import write_rows_of
from aloe_hub.cli.progress import bars, err, out

if TYPE_CHECKING:
    from aloe_hub.stages.feedback.revising import Revised


@calls.asks_models
def feedback(
    run: options.Run,
    finder: Annotated[
        str | None,
        typer.Option(
            help="Who says which replies dissatisfied: ratings, baseline, or a judge's model string.",
            show_default="ratings, where the chats have some, else baseline",
        ),
    ] = None,
    model: options.Model = None,
    tailored: Annotated[str | None, typer.Option(help="Model that writes the chosen replies, instead of --model.")] = None,
    judge: Annotated[str | None, typer.Option(help="Model that checks them, instead of --model.")] = None,
    find_only: Annotated[bool, typer.Option("--find-only", help="Find the replies that dissatisfied, and write none.")] = False,
    limit: Annotated[int | None, typer.Option(help="Only the first N chats.", show_default="all")] = None,
    seed: options.Seed = None,
    accept_failures: Annotated[bool, typer.Option("--accept-failures", help="Finish without the chats that failed.")] = False,
    concurrency: options.Concurrency = 32,
    *,
    asking: calls.Asking,
) -> None:
    """Make preferences of what people said in imported chats. Stopped, it goes on where it was.

    A reply that dissatisfied is the rejected one; the chosen one is written anew, with the user's next message as a hint, and
    checked by the judge in both orders. Its source in trees.jsonl is `revised`.
    """
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.files.settings import settings
    from aloe_hub.stages.feedback.finding import find, finder_of
    from aloe_hub.stages.feedback.revising import ROLES, FeedbackSettings, check_trees, revise

    folder = RunFolder(run)
    finder = finder or finder_of(folder)
    models = {"tailored": options.first(tailored, model, "scripted"), "judge": options.first(judge, model, "scripted")}
    by_hand = asking.settings({}, ROLES) | {"models": models, "finder": finder, "limit": limit, "seed": seed}
    chosen = settings(FeedbackSettings, {}, by_hand)
    if not find_only:
        check_trees(folder, chosen)
    with calls.traffic(folder.file("calls.jsonl"), asking, concurrency=concurrency) as traffic, bars() as bar:
        progress = partial(bar, "chats")
        found = find(folder, finder, traffic=traffic, limit=limit, sampling=chosen.sampling, on_progress=progress)
        signs = Counter(sign for one in found for sign in one.signs)
        out.print(
            f"{len(found):,} chats, {sum(len(one.signs) for one in found):,} replies: {signs['dissatisfied']:,} dissatisfied, "
            f"{signs['satisfied']:,} satisfied, by {finder}",
            soft_wrap=True,
        )
        if find_only:
            return
        revised = revise(
            folder, found, chosen, traffic=traffic, accept_failures=accept_failures, on_progress=partial(bar, "chats revised")
        )
    if revised.failed:
        calls.tell_failures(f"{revised.failed} of the chats", revised.reason)
    if revised.failed and not accept_failures:
        err.print(f"all reasons stand in {folder.file('failed.jsonl')}; run again to try these, or with --accept-failures")
        raise typer.Exit(1)
    _print(revised)
    if revised.trees:
        write_rows_of(folder, revised.trees)


def _print(revised: Revised) -> None:
    if not revised.asked:
        out.print("no user said anything after a reply that dissatisfied, so nothing was written")
        return
    out.print(f"{revised.asked:,} of those that dissatisfied were followed by words of the user, and written anew")
    out.print(f"{revised.confirmed:,} of the new ones are preferred by the judge in both orders")
