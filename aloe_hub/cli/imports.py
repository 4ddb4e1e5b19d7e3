"""The command `aloe import`: texts and chats of others."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aloe_hub.cli import options
from aloe_hub.cli.data import print_notes, print_pool, write_rows_of
from aloe_hub.cli.progress import err, out, working
from aloe_hub.errors import UsageError

if TYPE_CHECKING:  # the stages are imported where they run: `aloe --help` must not wait for them
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.stages.chats.importing import Counts
    from aloe_hub.stages.pairing import Pairing


def import_(
    source: Annotated[
        str, typer.Argument(help="A file, a folder, or a dataset on the Hub: org/name[:config[:split]].", show_default=False)
    ],
    run: options.Run,
    form: Annotated[
        str | None, typer.Option(help="The form of the records, such as sharegpt.", show_default="recognised")
    ] = None,
    config: Annotated[str | None, typer.Option(help="Of a dataset on the Hub.", show_default="default")] = None,
    split: Annotated[str | None, typer.Option(help="Of a dataset on the Hub.", show_default="train")] = None,
    scale: Annotated[
        str | None, typer.Option(help="Of ratings: the lowest and the highest, as 1..5.", show_default="by the form")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Of the chats, as en or zh,ar.", show_default="detected")] = None,
    pairings: options.Pairings = None,
    test_profiles: options.TestProfiles = None,
    test_personalities: options.TestPersonalities = None,
    seed: options.Seed = None,
) -> None:
    """Read chats or personas of others, and say what was repaired or refused.

    Chats that fork become trees, rated ones transcripts with scores, others conversations.jsonl. Texts become profiles of a pool.
    The authors' folder holds profile.jsonl and personality.jsonl, or conversations.jsonl, or all three.
    """
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.files.settings import settings
    from aloe_hub.stages.chats.forms import NO_CHATS, form_named
    from aloe_hub.stages.chats.importing import import_chats
    from aloe_hub.stages.chats.recognise import is_authors_folder, what_are
    from aloe_hub.stages.chats.sources import open_source
    from aloe_hub.stages.imports import distinct_texts, import_profiles
    from aloe_hub.stages.pairing import Pairing

    by_hand = {"pairings": pairings, "test_profiles": test_profiles, "test_personalities": test_personalities, "seed": seed}
    pairing, path, into, on = settings(Pairing, {}, by_hand), Path(source), RunFolder(run), _scale(scale)
    if language is not None and not re.fullmatch(r"[a-z]{2,3}(,[a-z]{2,3})*", language):
        raise UsageError(f"--language {language!r}: not codes of ISO 639, such as en or zh,ar")
    if form not in (None, *NO_CHATS):
        form_named(form)  # an unknown one is refused before anything is fetched
    if path.is_dir() and (form == "aloe" or (form is None and is_authors_folder(path))):
        _import_authors(path, into, pairing, fewer=pairings is None)
        return
    with working(f"reading {source}"):
        opened = open_source(source, config, split)
        what = form or what_are(opened.records(opened.parts[0][1]))
        if what == "personas":
            entries = ((f"{where}", [value]) for _, part in opened.parts for where, value in opened.records(part))
            pool = import_profiles(distinct_texts(source, entries), opened.identity, into, pairing, fewer=pairings is None)
        elif what != "aloe":
            counts = import_chats(opened, into, form=form, scale=on, language=language)
    if what == "personas":
        print_notes(pool[1])
        print_pool(run, pool[0])
    elif what == "aloe":
        _import_authors(path, into, pairing, fewer=pairings is None)
    else:
        _print_chats(into, counts)


def _import_authors(path: Path, run: RunFolder, pairing: Pairing, *, fewer: bool) -> None:
    """Their folder, or their conversations.jsonl alone."""
    from aloe_hub.stages.import_files import found
    from aloe_hub.stages.import_trees import CONVERSATIONS
    from aloe_hub.stages.imports import import_authors, import_conversations, import_personas_of

    with working(f"importing {path}"):
        talks = found(path, CONVERSATIONS) if path.is_dir() else path
        counts, notes = import_authors(path, run, pairing, fewer=fewer) if path.is_dir() else import_personas_of(path, run)
        imported = import_conversations(talks, run) if talks.exists() else None
    print_notes(notes)
    print_pool(run.path, counts)
    if imported:
        print_notes(imported.notes)
        write_rows_of(run, imported.trees)


def _print_chats(run: RunFolder, counts: Counts) -> None:
    """What came of the chats, and in the last line how many there are."""
    from aloe_hub.results.formatting import counted

    print_notes(counts.notes)
    if not counts.languages:
        missing = "" if find_spec("py3langid") else "pip install 'aloe-hub[import]', or "
        err.print(f"the language was not detected: {missing}give --language", soft_wrap=True)
    if counts.trees:
        write_rows_of(run, counts.trees)
    for model, talks in sorted(counts.transcripts.items()):
        out.print(f"{counted(talks, 'rated conversation')} with {model}", soft_wrap=True)
    if counts.others:
        out.print(f"{counted(counts.others, 'conversation')} without forks and ratings (conversations.jsonl)")
    refused = f"; {counted(counts.refused, 'record')} refused" if counts.refused else ""
    languages = f"; language: {', '.join(counts.languages)}" if counts.languages else ""
    out.print(f"in {run.path}{languages}{refused}", soft_wrap=True)
    numbers = (counts.conversations, "conversation"), (counts.users, "user"), (counts.ratings, "rating")
    out.print(", ".join(counted(number, one) for number, one in numbers))


def _scale(text: str | None) -> tuple[int, int] | None:
    """Raises: UsageError: not two whole numbers, the lower one first.

    >>> _scale("1..5")
    (1, 5)
    """
    if text is None:
        return None
    ends = re.fullmatch(r"(-?\d{1,6})\s*\.\.\s*(-?\d{1,6})", text.strip())
    if not ends or int(ends[1]) >= int(ends[2]):
        raise UsageError(f"--scale {text!r}: expected the lowest and the highest rating, two whole numbers, as in 1..5")
    return int(ends[1]), int(ends[2])
