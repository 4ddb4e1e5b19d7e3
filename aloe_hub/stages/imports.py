"""`aloe import`: the files of the ALOE authors → a pool, and trees. What is repaired or refused is said, with file and line.

Their format is one JSON string a line; `profile.jsonl` holds two of them on line 6, which is read as two. Imported texts become
valid Unicode and are never filtered: by all-MiniLM only 30 of the 331 profiles would pass the paper's own threshold.

`conversations.jsonl` gives trees; where it lies alone, the personas in it are the pool.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from reprlib import repr as shortened

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.import_files import found, is_plain, text_lines, text_values, usable_text
from aloe_hub.stages.import_trees import CONVERSATIONS, Notes, conversations
from aloe_hub.stages.pairing import Pairing
from aloe_hub.stages.pool import FILES, Kind, PoolCounts, count_pool, seeds, write_pool
from aloe_hub.text import identity, is_valid
from aloe_hub.types import PoolText, Row, persona_and_split

PROFILES: Kind = "profile"
PERSONALITIES: Kind = "personality"


@dataclass(frozen=True, slots=True)
class ImportedTrees:
    """How many trees were read, and what had to be said about the file."""

    trees: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ReadTexts:
    """The texts of one file, and what had to be said about it."""

    texts: tuple[PoolText, ...]
    notes: tuple[str, ...]


def import_authors(folder: Path, run: RunFolder, pairing: Pairing, *, fewer: bool = False) -> tuple[PoolCounts, list[str]]:
    """Read the personas of the authors' folder into a run; returns what the pool holds and the notes.

    fewer: pair a profile with all the personalities for training where there are not as many as `pairing` asks for.
    With `conversations.jsonl` alone there is nothing to pair or to hold out: each persona in it is one for training.

    Raises:
        DataError: a file is missing, or holds no text at all.
        SettingsDiffer: the run folder holds another pool.
    """
    paths = {name: found(folder, name) for name in (PROFILES, PERSONALITIES)}
    talks = found(folder, CONVERSATIONS)
    if talks.exists() and not any(path.exists() for path in paths.values()):
        return import_personas_of(talks, run)
    profiles, personalities = map(read_texts, paths.values())
    if fewer:
        pairing = _that_fits(pairing, len(personalities.texts))
    hashes = {f"{name}_sha256": _sha256_of(path) for name, path in paths.items()}
    run.claim("personas", {"source": "imported", **hashes, **asdict(pairing)})
    if not run.file("personas.jsonl").exists():
        write_pool(run, profiles.texts, personalities.texts, pairing)
    return count_pool(run), [*profiles.notes, *personalities.notes]


def _that_fits(pairing: Pairing, personalities: int) -> Pairing:
    """With as many pairings as there are personalities for training, at most."""
    left = personalities - (pairing.test_personalities if pairing.test_profiles else 0)
    return replace(pairing, pairings=left) if 0 < left < pairing.pairings else pairing


def import_profiles(
    texts: ReadTexts, identity: Row, run: RunFolder, pairing: Pairing, *, fewer: bool = False
) -> tuple[PoolCounts, list[str]]:
    """A pool of one file or dataset of texts: they are the profiles, and the personalities are those that every pool begins with.

    fewer: as for `import_authors`.

    Raises:
        SettingsDiffer: the run folder holds another pool.
    """
    personalities = seeds(PERSONALITIES)
    pairing = _that_fits(pairing, len(personalities)) if fewer else pairing
    run.claim("personas", {"source": "imported", **identity, **asdict(pairing)})
    if not run.file("personas.jsonl").exists():
        write_pool(run, texts.texts, personalities, pairing)
    note = f"the {len(texts.texts)} texts are profiles; the {len(personalities)} personalities are the seeds of aloe-hub"
    return count_pool(run), [*texts.notes, note]


def import_conversations(path: Path, run: RunFolder) -> ImportedTrees:
    """Read `path` into the `trees.jsonl` of a run that has its pool. The same file again changes nothing.

    A conversation whose profile or personality is held out for the benchmark is left out: nothing may be in both splits.

    Raises:
        DataError: the file cannot be read, or no conversation in it can be used.
        SettingsDiffer: the run folder holds other trees.
    """
    splits = dict(read_rows(run.file("personas.jsonl"), persona_and_split))
    texts = {persona: (persona.profile, persona.personality) for persona in splits}
    held_out = {text for persona, split in splits.items() if split == "test" for text in texts[persona]}
    notes = Notes(path)
    trees = conversations(path, notes, held_out, chain.from_iterable(texts.values()))
    first = next(trees)  # a file without anything to use claims nothing
    run.claim("trees", {"source": "imported", "conversations_sha256": _sha256_of(path)})

    def rows() -> Iterator[Row]:
        for tree in chain([first], trees):
            notes.counted["trees have a persona that is not in personas.jsonl"] += tree.persona not in splits
            yield tree.to_row()

    final = run.file("trees.jsonl")
    count = sum(1 for _ in rows()) if final.exists() else write_rows(final, rows())
    taken = f"{path}: does not say which reply of a fork was the tailored one; the source of both is `imported`"
    return ImportedTrees(count, (*notes.lines(), taken))


def read_texts(path: Path) -> ReadTexts:
    """All texts of a file, each once, in file order: two that a reader cannot tell apart are one.

    The file holds JSON strings, a line each or as one array, `{"persona": …}` objects, or plain lines of text.
    """
    if not path.exists():
        raise DataError(
            f"{path}: no such file; the folder needs {PROFILES}.jsonl and {PERSONALITIES}.jsonl, or {CONVERSATIONS}.jsonl "
            "(.gz, .json and .txt are read too)"
        )
    content = "".join(text_lines(path))
    read = distinct_texts(str(path), text_values(content))
    plain = [f"{path}: no JSON, so read as plain text, one text a line"] if is_plain(content) else []
    return replace(read, notes=(*read.notes, *plain))


def distinct_texts(name: str, entries: Iterable[tuple[str, Sequence[object]]]) -> ReadTexts:
    """The texts among the values of each entry (where it stands, what is there). Raises: DataError: there is none."""
    first: dict[str, tuple[str, str]] = {}  # the text and where it stands, by what a reader sees of it
    notes: list[str] = []
    for where, values in entries:
        if len(values) > 1 and all(isinstance(value, str) for value in values):
            notes.append(f"{name}, {where}: repaired: {len(values)} JSON values on one line, read as {len(values)} texts")
        for value in values:
            try:
                text = _only_text(value)
                seen = identity(text)
                if seen in first:
                    raise DataError(f"the same text as {first[seen][1]}")
                first[seen] = text, where
            except DataError as error:
                notes.append(f"{name}, {where}: refused: {error}")
            else:
                if isinstance(value, str) and not is_valid(value):
                    notes.append(f"{name}, {where}: repaired: text that is not valid Unicode; what is not was replaced")
    if not first:
        raise DataError(f"{name}: no text in it" + (f" ({notes[0].removeprefix(f'{name}, ')})" if notes else ""))
    return ReadTexts(tuple(PoolText(text, "imported") for text, _ in first.values()), tuple(notes))


def _only_text(value: object) -> str:
    if isinstance(value, DataError):
        raise value
    text = usable_text(value.get("persona") if isinstance(value, dict) else value)
    if text:
        return text
    if isinstance(value, dict):
        raise DataError(f'expected a text or {{"persona": "…"}}, found an object with the keys {shortened(list(value))}')
    raise DataError(f"expected a text, found {shortened(value)}")


def import_personas_of(path: Path, run: RunFolder) -> tuple[PoolCounts, list[str]]:
    """The personas of `conversations.jsonl`, each once, as the pool. What is wrong with a row is said where trees are read."""
    personas = list(dict.fromkeys(tree.persona for tree in conversations(path, Notes(path))))
    run.claim("personas", {"source": "imported", "conversations_sha256": _sha256_of(path)})
    if not run.file("personas.jsonl").exists():
        for kind, file in FILES.items():
            texts = dict.fromkeys(getattr(persona, kind) for persona in personas)
            write_rows(run.file(file), (PoolText(text, "imported").to_row() for text in texts))
        write_rows(run.file("personas.jsonl"), (persona.to_row() | {"split": "train"} for persona in personas))
    note = f"{path}: without profile.jsonl and personality.jsonl, its {len(personas)} personas are the pool, all for training"
    return count_pool(run), [note]


def _sha256_of(path: Path) -> str:
    """Of a file of any length."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
