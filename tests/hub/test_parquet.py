"""Rows → Parquet: nothing is lost, the same rows are the same bytes, and memory stays flat."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.hub.parquet import Split, SplitWriter, write_splits
from aloe_hub.hub.schema import PAIR, POOL_TEXT, TREE, Config, SourceFile, prefs
from aloe_hub.types import Tree

ODD = [
    "",
    " ",
    "\n\r\n\t",
    "é e\u0301",
    "\U0001f469\u200d\U0001f467 \U0001f1ea\U0001f1fa",
    "\u0000",
    "\u2028\u2029\x85",
    "\u202eright to left",
    '"\\"',
    "\U0010ffff",
    "x" * 100_000,
]
NAMES = st.sampled_from(ODD) | st.text()


def tree(turns: int, text: str = "", choice: int | None = None) -> dict:
    turn = {
        "user": text,
        "inferred_profile": "",
        "inferred_personality": text,
        "replies": [{"source": "tailored", "text": text}, {"source": "plain", "text": ""}],
        "verdicts": [{"order": "01", "choice": choice, "text": text}, {"order": "10", "choice": None, "text": ""}],
        "preferred": choice,
        "spoken": 1,
    }
    return {"tree_id": text, "persona_id": "p", "profile": text, "personality": "", "turns": [turn] * turns}


def pair(number: int, text: str = "some text", messages: int = 1) -> dict:
    prompt = [{"role": "user", "content": f"{number} {text}"}] * messages
    return {"tree_id": "t", "persona_id": "p", "turn": number, "prompt": prompt, "chosen": prompt, "rejected": []}


def written(folder: Path, features, rows, **options) -> Split:
    with SplitWriter("config", "train", features, folder, **options) as writer:
        for row in rows:
            writer.add(row)
        return writer.finished()


def read(split: Split) -> list[dict]:
    return [row for path in split.files for row in pq.read_table(path).to_pylist()]


def test_every_row_of_a_run_survives(made, tmp_path):
    seen: list[Tree] = []
    for config, split in zip(configs := prefs(made, seen.append), write_splits(configs, tmp_path), strict=True):
        assert split.files == (tmp_path / config.name / "train-00000-of-00001.parquet",)
        assert read(split) == list(read_rows(made.file(f"{config.name}.jsonl"), dict))
        assert (split.config, split.name, split.rows) == (config.name, "train", len(read(split)))
        assert split.download_size == split.files[0].stat().st_size
        assert split.num_bytes > 0
    # Once, though three configs are derived from them.
    assert [tree.to_row() for tree in seen] == list(read_rows(made.file("trees.jsonl"), dict))


@pytest.mark.parametrize("choice", [0, 1, None])
def test_trees_with_odd_texts_ties_and_no_turns_survive(tmp_path, choice):
    rows = [tree(turns, text, choice) for turns in (0, 1, 3) for text in ODD]
    assert read(written(tmp_path, TREE, rows)) == rows


def test_a_column_of_nothing_but_none_or_empty_lists_keeps_its_type(tmp_path):
    ties = [tree(2, choice=None)]
    ties[0]["turns"][0]["verdicts"] = []
    split = written(tmp_path, TREE, ties)
    assert read(split) == ties
    assert pq.read_schema(split.files[0]) == TREE.arrow_schema
    seeds = [{"id": "a", "text": "b", "source": "seed", "round": 0, "nearest": None}]
    assert read(written(tmp_path / "pool", POOL_TEXT, seeds)) == seeds


@given(st.lists(st.tuples(NAMES, st.integers(0, 3)), max_size=30), st.integers(1, 3000))
def test_any_rows_survive_in_shards_of_any_size(tmp_path_factory, texts, shard_bytes):
    rows = [pair(number, text, messages) for number, (text, messages) in enumerate(texts)]
    split = written(tmp_path_factory.mktemp("any"), PAIR, rows, shard_bytes=shard_bytes)
    assert (read(split), split.rows) == (rows, len(rows))


def test_several_shards_are_numbered_and_counted_and_keep_the_order(tmp_path, monkeypatch):
    monkeypatch.setattr("aloe_hub.hub.parquet.ROWS_AT_A_TIME", 10)
    rows = [pair(number) for number in range(95)]
    whole = written(tmp_path / "whole", PAIR, rows)
    split = written(tmp_path / "cut", PAIR, rows, shard_bytes=whole.num_bytes // 4)
    count = len(split.files)
    assert count >= 4
    assert [path.name for path in split.files] == [f"train-{place:05d}-of-{count:05d}.parquet" for place in range(count)]
    assert sorted(split.files[0].parent.iterdir()) == list(split.files)
    assert read(split) == rows
    assert all(pq.read_table(path).num_rows for path in split.files)
    assert (split.rows, split.num_bytes) == (95, whole.num_bytes)
    assert split.download_size == sum(path.stat().st_size for path in split.files)


def test_a_batch_larger_than_a_shard_is_a_shard_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("aloe_hub.hub.parquet.ROWS_AT_A_TIME", 10)
    split = written(tmp_path, PAIR, [pair(number) for number in range(30)], shard_bytes=1)
    assert [pq.read_table(path).num_rows for path in split.files] == [10, 10, 10]


def test_the_same_rows_are_the_same_bytes(tmp_path):
    rows = [pair(number) for number in range(1200)]
    one, two = (written(tmp_path / name, PAIR, rows, shard_bytes=50_000) for name in ("one", "two"))
    assert [path.name for path in one.files] == [path.name for path in two.files]
    assert [path.read_bytes() for path in one.files] == [path.read_bytes() for path in two.files]
    rows[700] = pair(700, "another text")
    other = written(tmp_path / "other", PAIR, rows, shard_bytes=50_000)
    assert [path.read_bytes() for path in one.files] != [path.read_bytes() for path in other.files]


def test_a_split_without_rows_is_one_empty_shard_with_the_columns(tmp_path):
    split = written(tmp_path, PAIR, [])
    assert [path.name for path in split.files] == ["train-00000-of-00001.parquet"]
    assert (split.rows, split.num_bytes) == (0, 0)
    table = pq.read_table(split.files[0])
    assert (table.num_rows, table.schema) == (0, PAIR.arrow_schema)
    # `datasets` 5.2 loads no split without rows, unless it is streamed, and trips over a row group of none.
    assert list(load_dataset("parquet", data_files=str(split.files[0]), split="train", streaming=True)) == []


def test_every_split_has_files_of_its_own(tmp_path):
    write_rows(tmp_path / "rows.jsonl", [pair(0), pair(1), pair(2)])
    source = SourceFile(tmp_path / "rows.jsonl", dict)
    splits = {"train": lambda row: [row] * (row["turn"] < 2), "test": lambda row: [row] * (row["turn"] == 2)}
    train, test = write_splits([Config("config", PAIR, source, splits)], tmp_path)
    assert (read(train), read(test)) == ([pair(0), pair(1)], [pair(2)])
    assert test.files == (tmp_path / "config" / "test-00000-of-00001.parquet",)


def test_what_a_killed_publish_left_in_the_folder_is_not_taken_for_a_shard(tmp_path):
    (tmp_path / "config").mkdir()
    for name in ("train-00000.parquet", "train-00001-of-00002.parquet"):
        (tmp_path / "config" / name).write_bytes(b"PAR1 torn")
    assert read(written(tmp_path, PAIR, [pair(0)])) == [pair(0)]


def test_memory_does_not_grow_with_the_number_of_rows(tmp_path):
    def peaks(count: int) -> tuple[int, int]:
        """Peak bytes of Python and of Arrow."""
        rows: Iterator[dict] = (pair(number, "word " * 100) for number in range(count))
        before, pool = pa.default_memory_pool(), pa.proxy_memory_pool(pa.default_memory_pool())
        pa.set_memory_pool(pool)
        tracemalloc.start()
        try:
            split = written(tmp_path / str(count), PAIR, rows, shard_bytes=2**20)
            assert split.rows == count
            return tracemalloc.get_traced_memory()[1], pool.max_memory()
        finally:
            tracemalloc.stop()
            pa.set_memory_pool(before)

    few, many = peaks(1_000), peaks(8_000)
    assert many[0] < 1.3 * few[0], (few, many)
    assert many[1] < 1.3 * few[1], (few, many)
    assert few[1] > 2**19  # Arrow's memory was looked at
