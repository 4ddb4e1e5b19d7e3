"""Files of one JSON object a line: every error names file and line, and a file under its name is whole."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.errors import AloeError, DataError
from aloe_hub.files.jsonl import atomic_file, dumps, loads, read_rows, write_rows
from aloe_hub.types import Persona

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
ROWS = st.dictionaries(st.text(), JSON, max_size=4)
BIG = {"text": "ü🎉\u2028" * 700_000}  # 6 MB: beyond any buffer


def row(one):
    return one


def rows_of(path):
    return list(read_rows(path, row))


@given(ROWS)
def test_a_row_is_one_line_whatever_is_in_it_and_the_same_bytes_each_time(one):
    line = dumps(one)
    assert "\n" not in line
    assert "\r" not in line
    assert loads(line, "here") == loads(line.encode(), "here") == one
    assert dumps(loads(line, "here")) == line


@given(ROWS)
def test_a_row_is_read_without_the_line_ends_that_only_unicode_knows(one):
    # `for line in file` splits at \n alone; str.splitlines would cut a text at U+2028.
    assert (dumps(one) + "\n").encode().split(b"\n") == [dumps(one).encode(), b""]


def test_what_is_written_is_read_back_in_order(tmp_path):
    path = tmp_path / "new folder" / "rows.jsonl"
    rows: list[dict[str, Any]] = [{"n": 1, "text": "\u2028 \x85 é"}, {}, BIG, {"n": 2}]
    assert write_rows(path, iter(rows)) == 4
    assert rows_of(path) == rows
    assert [child.name for child in path.parent.iterdir()] == ["rows.jsonl"]


def test_rows_are_read_one_at_a_time(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('{"n":1}\nnot JSON\n')
    rows = read_rows(path, row)
    assert next(rows) == {"n": 1}
    with pytest.raises(DataError):
        next(rows)


def test_blank_lines_count_and_are_passed_over(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text('\n{"n":1}\r\n \n{"n":2}')
    assert rows_of(path) == [{"n": 1}, {"n": 2}]
    path.write_text("\n\n[]")
    with pytest.raises(DataError, match=r"rows.jsonl, line 3: expected a JSON object"):
        rows_of(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"absent.jsonl: no such file"):
        rows_of(tmp_path / "absent.jsonl")


@pytest.mark.parametrize("content", ["", "\n", " \r\n\n"])
def test_an_empty_file_is_an_error(tmp_path, content):
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=r"rows.jsonl: the file is empty"):
        rows_of(path)


def test_a_folder_in_place_of_a_file_is_one_line(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        rows_of(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be read"):
        rows_of(tmp_path / "file" / "rows.jsonl")


@pytest.mark.parametrize("line", ["[1]", "3", '"text"', "null", "true"])
def test_json_that_is_no_object_names_the_line_and_shows_it(tmp_path, line):
    path = tmp_path / "rows.jsonl"
    path.write_text(f'{{"n":1}}\n{line}\n')
    with pytest.raises(DataError) as caught:
        rows_of(path)
    assert str(caught.value) == f"{path}, line 2: expected a JSON object, found {line!r}"


@pytest.mark.parametrize("line", [b"{", b'{"a":1}{"a":2}', b"{'a': 1}", b'"\xff"', b'{"a":"\xe2"}', b"\x00", b"9" * 5000])
def test_a_line_that_is_no_json_names_the_line(tmp_path, line):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"n":1}\n' + line + b'\n{"n":2}\n')
    with pytest.raises(DataError, match=r"rows.jsonl, line 2: not JSON") as caught:
        rows_of(path)
    assert "\n" not in str(caught.value)


def test_a_long_bad_line_is_shown_in_short(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("x" * 100_000)
    with pytest.raises(DataError) as caught:
        rows_of(path)
    assert len(str(caught.value)) < 300 + len(str(path))


def test_json_that_is_nested_too_deep_is_an_error_for_people():
    with pytest.raises(DataError, match="line 7"):
        loads('{"a":' + "[" * 100_000, "rows.jsonl, line 7")


def test_a_row_without_what_it_needs_names_line_and_key(tmp_path):
    path = tmp_path / "personas.jsonl"
    path.write_text('{"profile":"a","personality":"b"}\n{"profile":"a"}\n')
    with pytest.raises(DataError) as caught:
        list(read_rows(path, Persona.from_row))
    assert str(caught.value) == f"{path}, line 2: the row has no 'personality'"


@pytest.mark.parametrize("error", [TypeError, ValueError])
def test_a_value_that_cannot_be_built_names_the_line(tmp_path, error):
    def build(one):
        raise error("that will not do")

    path = tmp_path / "rows.jsonl"
    path.write_text("{}\n")
    with pytest.raises(DataError, match=r"rows.jsonl, line 1: that will not do"):
        list(read_rows(path, build))


def test_an_atomic_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with atomic_file(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_two_who_write_a_shared_file_at_once_do_not_mix(tmp_path):
    path = tmp_path / "run.toml"
    with atomic_file(path, shared=True) as first, atomic_file(path, shared=True) as second:
        first.write(b"one")
        second.write(b"two")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, DataError])
def test_an_atomic_file_leaves_nothing_behind_when_its_body_raises(tmp_path, error):
    old = tmp_path / "old.txt"
    old.write_text("old")
    for path in (old, tmp_path / "new.txt"):
        with pytest.raises(error), atomic_file(path) as file:  # noqa: PT012
            file.write(b"half")
            raise error
    assert old.read_text() == "old"
    assert list(tmp_path.iterdir()) == [old]


def test_lines_end_in_the_same_byte_on_every_machine(tmp_path):
    write_rows(tmp_path / "rows.jsonl", [{"é": 1}])
    assert (tmp_path / "rows.jsonl").read_bytes() == '{"é":1}\n'.encode()


def test_rows_that_break_off_leave_the_old_file_as_it_was(tmp_path):
    path = tmp_path / "rows.jsonl"
    write_rows(path, [{"n": 1}])

    def broken():
        yield {"n": 2}
        raise DataError("source.jsonl, line 2: not JSON")

    with pytest.raises(DataError, match="source"):
        write_rows(path, broken())
    assert rows_of(path) == [{"n": 1}]
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_line_that_names_the_file(tmp_path):
    (tmp_path / "rows.jsonl.new.partial").symlink_to("/dev/full")
    with pytest.raises(AloeError) as caught:
        write_rows(tmp_path / "rows.jsonl", [{"n": 1}])
    assert "rows.jsonl: cannot be written (No space left on device)" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "rows.jsonl").exists()


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AloeError, match="cannot be written"):
        write_rows(tmp_path / "file" / "rows.jsonl", [{}])


def test_a_text_that_is_not_valid_unicode_is_an_error_for_people_and_leaves_nothing_behind(tmp_path):
    # JSON from a server can hold half a surrogate pair ("\\ud83d"): Python reads it, and no file can hold it.
    path = tmp_path / "rows.jsonl"
    with pytest.raises(AloeError):
        write_rows(path, [json.loads('{"text":"\\ud83d"}')])
    assert list(tmp_path.iterdir()) == []
