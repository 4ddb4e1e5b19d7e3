"""`aloe import`: the files that the ALOE authors published → a pool. What is repaired or refused is said, with file and line.

Their format is one JSON string a line; `profile.jsonl` holds two of them on line 6, which is read as two. Imported texts are
never filtered: by all-MiniLM only 30 of the 331 profiles would pass the paper's own threshold.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from aloe_hub.errors import DataError
from aloe_hub.run_folder import RunFolder
from aloe_hub.stages.personas import Pairing, PoolCounts, count_pool, write_pool
from aloe_hub.types import PoolText

PROFILES, PERSONALITIES = "profile.jsonl", "personality.jsonl"


@dataclass(frozen=True, slots=True)
class ReadTexts:
    """The texts of one file, and what had to be said about it."""

    texts: tuple[PoolText, ...]
    notes: tuple[str, ...]


def import_authors(folder: Path, run: RunFolder, pairing: Pairing) -> tuple[PoolCounts, list[str]]:
    """Read the authors' folder into a run; returns what the pool holds and the notes.

    Raises:
        DataError: a file is missing, or holds no text at all.
        SettingsDiffer: the run folder holds another pool.
    """
    paths = folder / PROFILES, folder / PERSONALITIES
    profiles, personalities = (read_texts(path) for path in paths)
    hashes = {f"{path.stem}_sha256": hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    run.claim("personas", {"source": "imported", **hashes, **asdict(pairing)})
    if not run.file("personas.jsonl").exists():
        write_pool(run, profiles.texts, personalities.texts, pairing)
    return count_pool(run), [*profiles.notes, *personalities.notes]


def read_texts(path: Path) -> ReadTexts:
    """All texts of a file, each once, in file order."""
    try:
        content = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(f"{path}: no such file; the folder needs {PROFILES} and {PERSONALITIES}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from None
    first_line: dict[str, int] = {}
    notes: list[str] = []
    for number, line in enumerate(content.split("\n"), 1):
        values = list(_values(line))
        if len(values) > 1 and all(isinstance(value, str) for value in values):
            notes.append(f"{path}, line {number}: repaired: {len(values)} JSON values on one line, read as {len(values)} texts")
        for value in values:
            if isinstance(value, DataError):
                notes.append(f"{path}, line {number}: refused: {value}")
            elif not isinstance(value, str) or not value.strip():
                notes.append(f"{path}, line {number}: refused: expected a text, found {json.dumps(value)[:60]}")
            elif value.strip() in first_line:
                notes.append(f"{path}, line {number}: refused: the same text as line {first_line[value.strip()]}")
            else:
                first_line[value.strip()] = number
    if not first_line:
        raise DataError(f"{path}: no text in it")
    return ReadTexts(tuple(PoolText(text, "imported") for text in first_line), tuple(notes))


def _values(line: str) -> Iterator[object]:
    """The JSON values of a line, one after another; a `DataError` where one cannot be read, and nothing after it."""
    decoder = json.JSONDecoder()
    rest = line.strip()
    while rest:
        try:
            value, end = decoder.raw_decode(rest)
        except ValueError as error:
            yield DataError(f"not JSON ({error}): {rest[:60]!r}")
            return
        yield value
        rest = rest[end:].strip()
