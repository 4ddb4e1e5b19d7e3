"""Rows → Parquet shards with explicit features, streamed: memory stays flat however large the run is.

Each file of a run is read once, and gives the rows of all configs that are derived from it. The same rows give the same bytes,
which is what lets a second publish see that there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features

from aloe_hub.files.jsonl import disk_errors, read_rows
from aloe_hub.hub.schema import Config
from aloe_hub.types import Row

ROWS_AT_A_TIME = 500  # a batch is one row group; the last turns of a long conversation make rows of many kB
SHARD_BYTES = 256 * 2**20  # of Arrow data, several times the size of the file


@dataclass(frozen=True, slots=True)
class Split:
    """The shards of one split, under `folder/CONFIG/`, and what a card says of it."""

    config: str
    name: str
    files: tuple[Path, ...]
    rows: int
    num_bytes: int

    @property
    def download_size(self) -> int:
        return sum(path.stat().st_size for path in self.files)


def write_splits(configs: Sequence[Config], folder: Path) -> list[Split]:
    """The splits of all configs as `folder/CONFIG/SPLIT-00000-of-00002.parquet`."""
    writers: list[SplitWriter] = []
    with disk_errors(folder), ExitStack() as open_files:
        for source, derived in groupby(configs, key=lambda config: config.source):
            own = [
                (open_files.enter_context(SplitWriter(config.name, split, config.features, folder)), rows)
                for config in derived
                for split, rows in config.splits.items()
            ]
            for value in read_rows(source.path, source.build):
                for writer, rows in own:
                    for row in rows(value):
                        writer.add(row)
            writers += [writer for writer, _ in own]
        return [writer.finished() for writer in writers]


class SplitWriter:
    """The shards of one split while they are written; a split without rows has one empty shard."""

    def __init__(self, config: str, split: str, features: Features, folder: Path, shard_bytes: int = SHARD_BYTES) -> None:
        self._config, self._split, self._shard_bytes = config, split, shard_bytes
        self._schema = features.arrow_schema
        self._folder = folder / config
        self._folder.mkdir(parents=True, exist_ok=True)
        self._rows: list[Row] = []
        self._parts: list[Path] = []
        self._shard: pq.ParquetWriter | None = None
        self._in_shard = self._count = self._num_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._shard:
            self._shard.close()

    def add(self, row: Row) -> None:
        self._rows.append(row)
        if len(self._rows) == ROWS_AT_A_TIME:
            self._write()

    def finished(self) -> Split:
        """The split, once all rows are in it."""
        if self._rows or not self._parts:
            self._write()
        assert self._shard is not None
        self._shard.close()
        # How many shards there are is known only now.
        files = tuple(
            part.replace(self._folder / f"{self._split}-{place:05d}-of-{len(self._parts):05d}.parquet")
            for place, part in enumerate(self._parts)
        )
        return Split(self._config, self._split, files, self._count, self._num_bytes)

    def _write(self) -> None:
        table = pa.Table.from_pylist(self._rows, schema=self._schema)
        self._rows.clear()
        if self._shard is None or (self._in_shard and self._in_shard + table.nbytes > self._shard_bytes):
            if self._shard:
                self._shard.close()
            self._parts.append(self._folder / f"{self._split}-{len(self._parts):05d}.parquet")
            self._shard, self._in_shard = pq.ParquetWriter(self._parts[-1], self._schema, compression="zstd"), 0
        if table.num_rows:
            self._shard.write_table(table)
        self._in_shard += table.nbytes
        self._num_bytes += table.nbytes
        self._count += table.num_rows
