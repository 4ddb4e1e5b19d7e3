"""A run → a dataset: its rows as Parquet, and its card.

Publishing what was published already is answered before anything is made: the message of a commit names what it was made from.
`datasets` and Arrow are loaded only where rows are written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.hub import cards
from aloe_hub.hub.names import check_names
from aloe_hub.hub.push import Published, Upload, already_there, push, scratch, sweep
from aloe_hub.shipped import shipped

if TYPE_CHECKING:
    from aloe_hub.hub.parquet import Split

Kind = Literal["personas", "prefs"]
# The files of a run that data and card follow from; of those that may be missing, the second half.
SOURCES: dict[Kind, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "personas": (("profiles.jsonl", "personalities.jsonl", "personas.jsonl"), ("rejected.jsonl", "run.toml", "import.json")),
    "prefs": (("trees.jsonl",), ("failed.jsonl", "profiles.jsonl", "run.toml", "import.json", "audit.json")),
}
PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a publish would send."""

    splits: tuple[Split, ...]
    files: dict[str, Path | bytes]
    card: str


def publish_dataset(
    run: RunFolder,
    kind: Kind,
    repo: str,
    *,
    private: bool = False,
    licence: str | None = None,
    language: str | None = None,
    tag: str | None = None,
) -> Published:
    """Publish the pool (`personas`) or the trees and their rows (`prefs`) of a finished run as a dataset.

    Raises:
        DataError: the run is not finished.
        UsageError: imported texts without `--license`, or a name that the Hub does not take.
        AloeError: the Hub cannot be reached or refuses; nothing is there half-way.
    """
    check_names(repo, licence, language)
    made_from = _made_from(run, kind, repo, licence, language)
    if made_from is not None and (found := already_there(repo, "dataset", made_from, tag)):
        sweep(run.path)
        return found
    with prepared(run, kind, repo, licence, language) as plan:
        names = {split.config for split in plan.splits}
        upload = Upload(
            repo,
            "dataset",
            plan.files,
            lambda before: cards.merged(before, plan.card, keep_licence=licence is None),
            lambda path: path.endswith(".parquet") and path.partition("/")[0] in names,
            f"Publish {kind} with aloe-hub",
            private,
            made_from
            if made_from == _made_from(run, kind, repo, licence, language)
            else None,  # the run may have been changed meanwhile
        )
        return push(upload, tag)


@contextmanager
def prepared(run: RunFolder, kind: Kind, repo: str, licence: str | None, language: str | None = None) -> Iterator[Plan]:
    """The files and the card that a publish would send, for as long as the context lasts."""
    from aloe_hub.hub import dataset_cards, schema
    from aloe_hub.hub.parquet import write_splits
    from aloe_hub.results.trees import TreeTally

    imported = schema.has_imported_texts(run)
    if (licence is None and imported) or (licence is not None and not licence.strip()):
        raise UsageError(
            "--license: name the licence, or `other`; imported texts need one said: their source's (the ALOE authors gave none)"
        )
    check_names(repo, licence, language)
    languages = language.split(",") if language else imported_languages(run) if imported else ["en"]
    trees = None if kind == "personas" else TreeTally()
    configs = schema.prefs(run, trees.add) if trees else schema.personas(run)
    with scratch(run.path, kind) as folder:
        splits = tuple(write_splits(configs, folder))
        files: dict[str, Path | bytes] = {str(path.relative_to(folder)): path for split in splits for path in split.files}
        card = dataset_cards.dataset_card(
            run, repo, configs, splits, trees, licence or "apache-2.0", languages=languages, imported=imported
        )
        yield Plan(splits, files, card)


def imported_languages(run: RunFolder) -> list[str]:
    """Of imported chats, as `import.json` says: given there, or detected; none for other imports."""
    path = run.file("import.json")
    try:
        found = json.loads(path.read_text(encoding="utf-8")).get("languages", []) if path.exists() else []
        return [str(language) for language in found]
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error}); import the chats again, or give --language") from None


def _made_from(run: RunFolder, kind: Kind, repo: str, licence: str | None, language: str | None) -> str | None:
    """A digest of all that decides what is published: files, options, and the code, which may be a checkout that was edited.

    None where a file is missing or cannot be read: whoever needs it says so.
    """
    required, optional = SOURCES[kind]
    digest = hashlib.sha256(repr((kind, repo, licence, language, version("datasets"), version("pyarrow"))).encode())
    paths = [run.file(name) for name in required] + [path for name in optional if (path := run.file(name)).exists()]
    try:
        for path in [*paths, *sorted(PACKAGE.rglob("*.py")), shipped("dataset_cards") / f"aloe-{kind}.md"]:
            with path.open("rb") as file:
                digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    except OSError:
        return None
    return digest.hexdigest()
