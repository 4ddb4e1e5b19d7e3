"""Rows → Parquet shards with explicit features, streamed: memory stays flat however large the run is.

The same rows give the same bytes, which is what lets a second publish see that there is nothing to do.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features

from aloe_hub.files.jsonl import disk_errors
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


def write_splits(config: Config, folder: Path, shard_bytes: int = SHARD_BYTES) -> list[Split]:
    """The splits of a config as `folder/CONFIG/SPLIT-00000-of-00002.parquet`; a split without rows has one empty shard."""
    place = folder / config.name
    with disk_errors(place):
        return [_write(config, split, rows(), place, shard_bytes) for split, rows in config.splits.items()]


def _write(config: Config, split: str, rows: Iterator[Row], folder: Path, shard_bytes: int) -> Split:
    folder.mkdir(parents=True, exist_ok=True)
    schema = config.features.arrow_schema
    count = num_bytes = 0
    parts: list[Path] = []
    tables = _tables(rows, config.features)
    table = next(tables, schema.empty_table())
    while table is not None:
        parts.append(folder / f"{split}-{len(parts):05d}.parquet")
        written = 0
        with pq.ParquetWriter(parts[-1], schema, compression="zstd") as writer:
            while table is not None and (written == 0 or written + table.nbytes <= shard_bytes):
                if table.num_rows:
                    writer.write_table(table)
                written += table.nbytes
                count += table.num_rows
                table = next(tables, None)
        num_bytes += written
    # How many shards there are is known only now.
    files = tuple(part.replace(folder / f"{split}-{place:05d}-of-{len(parts):05d}.parquet") for place, part in enumerate(parts))
    return Split(config.name, split, files, count, num_bytes)


def _tables(rows: Iterator[Row], features: Features) -> Iterator[pa.Table]:
    while batch := list(islice(rows, ROWS_AT_A_TIME)):
        yield pa.Table.from_pylist(batch, schema=features.arrow_schema)
