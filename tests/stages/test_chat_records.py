"""Records in whatever dress they come, and what is wrong with one of them."""

import codecs
import csv
import gzip
import io
import json

import pytest

from aloe_hub.errors import DataError
from aloe_hub.stages.chats.records import records
from tests.stages.recorded import messages

ROWS = [{"id": str(number), "messages": messages(f"Frage [{number}] „ü“ \\ }}", "ja")} for number in range(3)]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
ARRAY = json.dumps(ROWS, ensure_ascii=False, indent=1)


def table(delimiter=",", written=json.dumps):
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerows([["id", "messages"], *([row["id"], written(row["messages"])] for row in ROWS)])
    return text.getvalue()


@pytest.fixture
def read(tmp_path):
    """(where, record) of each in a file with this name and content."""

    def call(name, content):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return list(records(path))

    return call


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", LINES),
        ("a.ndjson", LINES),
        ("a.json", LINES),
        ("a.jsonl", LINES.replace("\n", "\r\n\r\n")),
        ("a.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)),
        ("a.jsonl", codecs.BOM_UTF8 + LINES.encode()),
        ("a.jsonl", LINES.encode("utf-16")),
        ("a.json", ARRAY),
        ("a.json", json.dumps(ROWS)),
        ("a.json.gz", gzip.compress(ARRAY.encode(), mtime=0)),
        ("a.json", codecs.BOM_UTF8 + ARRAY.encode()),
        ("a.json", ARRAY.encode("utf-16")),
        ("a.json", "\n".join(json.dumps(row, indent=2) for row in ROWS)),
        ("a.csv", table()),
        ("a.tsv", table("\t")),
        ("a.csv.gz", gzip.compress(codecs.BOM_UTF8 + table().encode(), mtime=0)),
        ("a.csv", table().encode("utf-16")),
        ("a.csv", table().encode("utf-16-le")),
        ("a.jsonl.gz", gzip.compress(LINES.encode("utf-16-be"), mtime=0)),
        ("a.json", ARRAY.encode("utf-16-le")),
        ("a.csv", table(written=str)),
        ("a.csv", table(";")),
        ("a.csv", "\r\n" + table().replace("id,messages", "id, messages")),
        ("a.gz", gzip.compress(table().encode(), mtime=0)),
        ("a", table("\t")),
    ],
    ids=range(25),
)
def test_records_come_in_any_dress(read, name, content):
    assert [record for _, record in read(name, content)] == ROWS


def test_records_come_as_parquet(tmp_path):
    pq, pa = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow")
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    assert list(records(tmp_path / "a.parquet")) == [(f"row {number}", row) for number, row in enumerate(ROWS, 1)]
    (tmp_path / "b.parquet").write_bytes(b"PAR1 nonsense")
    with pytest.raises(DataError, match=r"b\.parquet: cannot be read"):
        list(records(tmp_path / "b.parquet"))


def test_a_line_may_be_a_bare_list_of_messages(read):
    content = "".join(json.dumps(row["messages"]) + "\n" for row in ROWS)
    assert [record for _, record in read("a.jsonl", content)] == [row["messages"] for row in ROWS]


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("a.jsonl", LINES.replace('{"id": "1"', '{"id": 1"'), "line 2"),
        ("a.jsonl", LINES.encode().replace(b'{"id": "1"', b'{"id": "\xff"'), "line 2"),
        ("a.jsonl", LINES.replace('{"id": "1"', "[" * 5000 + '{"id": "1"'), "line 2"),
        ("a.json", ARRAY.replace('"id": "1"', '"id": oops'), "line 15"),
        ("a.json", json.dumps(ROWS).replace('"id": "1"', '"id" "1"'), "line 1"),
        ("a.csv", table().replace("\r\n1,", "\r\n1,2,"), "line 3"),
        ("a.csv", "\n\n" + table().replace("\r\n1,", "\r\n1,2,"), "line 5"),
        ("a.csv", table().encode().replace(b"\r\n1,", b"\r\n\xff,"), "line 3"),
        ("a.json", json.dumps(ROWS).encode().replace(b'"id": "1"', b'"id": "\xff"'), "line 1"),
        ("a.jsonl", LINES.replace('{"id": "1"', '{"id": "\0"'), "line 2"),
    ],
)
def test_a_broken_record_in_the_middle_costs_itself_only(read, name, content, where):
    (_, first), (place, broken), (_, last) = read(name, content)
    assert (first, last) == (ROWS[0], ROWS[2])
    assert isinstance(broken, DataError)
    assert place == where


def test_what_stands_between_entries_is_refused_and_they_are_read(read):
    found = [record for _, record in read("a.json", '[{"a": 1}, oops, {"b": "]"}]')]
    assert (found[0], found[2]) == ({"a": 1}, {"b": "]"})
    assert isinstance(found[1], DataError)


@pytest.mark.parametrize("content", ['[{"a": 1}, {"b": [2', '[{"a": 1}, {"b": "2}]'])
def test_an_array_that_was_cut_off_is_read_up_to_there(read, content):
    (_, first), (_, second) = read("a.json", content)
    assert first == {"a": 1}
    assert isinstance(second, DataError)


def test_entries_over_many_chunks_are_read_with_their_lines(read, monkeypatch):
    monkeypatch.setattr("aloe_hub.stages.chats.records.CHUNK", 7)
    found = read("a.json", ARRAY)
    assert [record for _, record in found] == ROWS
    assert [where for where, _ in found] == [f"line {2 + 13 * number}" for number in range(3)]


def test_lines_of_text_are_records_where_the_ending_says_nothing_else(read):
    assert read("a.txt", "She is 30.\n\nHe sews.\n") == [("line 1", "She is 30."), ("line 3", "He sews.")]
    assert read("a.txt", '"She is 30."\n') == [("line 1", "She is 30.")]
    assert read("a.jsonl", "") == []


def test_what_is_python_by_chance_stays_text(read):
    cells = ["[1,", "{'a'}", "['a', 'b']", "[smiles] hi", "{x: 1}", "[" * 300, "{'a': 1}"]
    content = "a\n" + "".join('"' + cell + '"\n' for cell in cells)
    assert [record["a"] for _, record in read("a.csv", content)] == [*cells[:-1], {"a": 1}]


PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.csv", PNG), ("a.txt", PNG), ("a.jsonl", PNG), ("a.json.gz", gzip.compress(PNG, mtime=0)),
     ("a.pdf", b"%PDF-1.4\n%plain\n"), ("a.json", '{"a": 1}'.encode("utf-32")), ("a.json", '{"a": 1}'.encode("utf-32-le")),
     ("a.txt", b"She is 30.\nShe \xe9\n")],
)  # fmt: skip
def test_what_is_no_text_is_refused_with_what_is_read(read, name, content):
    with pytest.raises(DataError, match=r"read are JSON Lines, JSON, \.csv, \.tsv and texts, one a line, in UTF-8 or UTF-16"):
        read(name, content)


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv.gz", "a.json.gz"])
def test_a_file_that_cannot_be_unpacked_is_one_line(read, name):
    with pytest.raises(DataError, match="cannot be read"):
        read(name, gzip.compress(LINES.encode() * 9, mtime=0)[:60])
