"""`aloe personas --dry-run`: what the filter would make of the seeds and of texts that somebody has, without asking a model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aloe_hub.embedding import open_embedder
from aloe_hub.errors import DataError
from aloe_hub.fields import text
from aloe_hub.files.jsonl import read_rows
from aloe_hub.stages.imports import read_texts
from aloe_hub.stages.outlook import Similarities, similarities
from aloe_hub.stages.pool import FILES, Kind, PoolSettings, seeds, with_thresholds


def preview(settings: PoolSettings, texts: Path | None = None) -> Iterator[tuple[Kind, str, float, Similarities]]:
    """(kind, whose texts, the threshold that a run would have, how alike they are), of the seeds and then of `texts`.

    texts: a folder with profiles and personalities, as a run has them or as the authors have; or one file of either, which
    holds personalities if its name begins so.

    Raises:
        DataError: a file that is not there, or cannot be read.
    """
    embedder = open_embedder(settings.embedder)
    settings = with_thresholds(settings, None, embedder)
    given = dict(_files(texts)) if texts else {}
    for kind in FILES:
        threshold = settings.threshold(kind)
        assert threshold is not None
        found = {"the seeds": [one.text for one in seeds(kind)]}
        if kind in given:
            found[str(given[kind])] = _texts(given[kind])
        for whose, some in found.items():
            yield kind, whose, threshold, similarities(some, embedder, settings.target(kind), threshold)


def _files(texts: Path) -> Iterator[tuple[Kind, Path]]:
    if not texts.is_dir():
        yield ("personality" if texts.stem.startswith("personalit") else "profile"), texts
        return
    there = {kind: [path for path in (texts / name, texts / f"{kind}.jsonl") if path.exists()] for kind, name in FILES.items()}
    if not any(there.values()):
        raise DataError(f"{texts}: holds neither {' nor '.join(FILES.values())}; name a folder with texts, or a file")
    yield from ((kind, paths[0]) for kind, paths in there.items() if paths)


def _texts(path: Path) -> list[str]:
    """Of a run's file, an object a line with its `text`, or of the authors', a text a line."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            is_pool = file.read(1) == "{"
    except (OSError, UnicodeDecodeError):
        is_pool = False  # whoever reads it says what is wrong
    if is_pool:
        return list(read_rows(path, lambda row: text(row, "text")))
    return [one.text for one in read_texts(path).texts]
