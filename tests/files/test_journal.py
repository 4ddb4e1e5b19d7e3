"""Long work that is stopped anywhere goes on where it was, and ends in the same bytes."""

import os
import signal
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aloe_hub.errors import AloeError, DataError
from aloe_hub.files.journal import Journal, is_finished


@pytest.fixture
def final(tmp_path):
    return tmp_path / "trees.jsonl"


@pytest.fixture
def partial(tmp_path):
    return tmp_path / "trees.jsonl.partial"


def keys(journal):
    return [row["id"] for row in journal.rows()]


def test_rows_are_kept_in_the_order_in_which_they_were_done_and_finished_in_the_order_asked(final, partial):
    with Journal(final, key="id") as journal:
        for name in "cab":
            journal.append({"id": name, "text": name.upper()})
        assert keys(journal) == ["c", "a", "b"]
        assert len(journal) == 3
        assert "a" in journal
        assert "d" not in journal
        assert not final.exists()
        journal.finish(["a", "b", "c"])
    assert final.read_text() == '{"id":"a","text":"A"}\n{"id":"b","text":"B"}\n{"id":"c","text":"C"}\n'
    assert not partial.exists()
    assert list(final.parent.iterdir()) == [final]


def test_work_goes_on_where_it_was(final):
    with Journal(final, key="id") as journal:
        journal.append({"id": 2})
    with Journal(final, key="id") as journal:
        assert 2 in journal
        journal.append({"id": 1})
    with Journal(final, key="id") as journal:
        assert keys(journal) == [2, 1]
        journal.finish([1, 2])
    assert final.read_text() == '{"id":1}\n{"id":2}\n'


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(st.text(max_size=20), unique=True), st.randoms(use_true_random=False), st.lists(st.integers(0, 9)))
def test_the_bytes_are_the_same_whatever_the_order_of_work_and_the_stops(tmp_path_factory, names, random, stops):
    final = tmp_path_factory.mktemp("journal") / "trees.jsonl"
    shuffled = random.sample(names, len(names))
    for stop in sorted(stops):
        with Journal(final, key="id") as journal:
            for name in shuffled[len(journal) : stop]:
                journal.append({"id": name})
    with Journal(final, key="id") as journal:
        for name in shuffled[len(journal) :]:
            journal.append({"id": name})
        journal.finish(names)
    with Journal(final.with_name("at once.jsonl"), key="id") as journal:
        for name in names:
            journal.append({"id": name})
        journal.finish(names)
    assert final.read_bytes() == final.with_name("at once.jsonl").read_bytes()


@pytest.mark.parametrize("torn", ['{"id":"b', '{"id":"b"}', "{", '{"id":"ü"}'.encode()[:-3]])
def test_a_torn_last_line_is_dropped_and_reported(final, partial, caplog, torn):
    torn = torn if isinstance(torn, bytes) else torn.encode()
    partial.write_bytes(b'{"id":"a"}\n' + torn)
    with Journal(final, key="id") as journal:
        assert keys(journal) == ["a"]
        assert partial.read_bytes() == b'{"id":"a"}\n'
        journal.append({"id": "b"})
        assert keys(journal) == ["a", "b"]
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "dropped a torn last line" in record.getMessage()
    assert str(partial) in record.getMessage()


def test_a_journal_that_is_nothing_but_a_torn_line_is_empty(final, partial, caplog):
    partial.write_text('{"id')
    with Journal(final, key="id") as journal:
        assert len(journal) == 0
    assert "dropped a torn last line" in caplog.text


def test_a_whole_journal_says_nothing(final, partial, caplog):
    partial.write_text('{"id":"a"}\n')
    with Journal(final, key="id"):
        pass
    assert caplog.records == []


def test_bad_json_in_the_middle_names_the_line_and_changes_nothing(final, partial):
    content = '{"id":"a"}\nnot JSON\n{"id":"c"}\n'
    partial.write_text(content)
    with pytest.raises(DataError, match=r"trees.jsonl.partial, line 2: not JSON"), Journal(final, key="id"):
        pass
    assert partial.read_text() == content


@pytest.mark.parametrize("line", ["{}", '{"tree_id":"a"}', '{"id":["a"]}'])
def test_a_row_that_cannot_be_known_by_its_key_names_the_line(final, partial, line):
    partial.write_text(f'{{"id":"a"}}\n{line}\n')
    with pytest.raises(DataError, match=r"trees.jsonl.partial, line 2"), Journal(final, key="id"):
        pass


def test_a_journal_that_could_not_be_read_is_let_go(final, partial):
    partial.write_text("not JSON\n")
    broken = Journal(final, key="id")
    with pytest.raises(DataError), broken:
        pass
    partial.write_text("")
    with Journal(final, key="id") as journal:
        assert len(journal) == 0


def test_a_second_handle_is_refused_while_the_first_is_open(final, partial):
    with Journal(final, key="id") as journal:
        journal.append({"id": "a"})
        with pytest.raises(AloeError, match="another process is writing this run") as caught, Journal(final, key="id"):
            pass
        assert str(partial) in str(caught.value)
        assert keys(journal) == ["a"]
    with Journal(final, key="id") as journal:
        assert keys(journal) == ["a"]


WRITER = """
import sys
from pathlib import Path
from aloe_hub.files.journal import Journal, is_finished
with Journal(Path(sys.argv[1]), key="id") as journal:
    journal.append({"id": "a", "text": "x" * 1_000_000})
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_refused_and_a_killed_one_leaves_its_rows_and_no_lock(final):
    command = [sys.executable, "-c", WRITER, str(final)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        with pytest.raises(AloeError, match="another process is writing this run"), Journal(final, key="id"):
            pass
        writer.send_signal(signal.SIGKILL)
    with Journal(final, key="id") as journal:
        assert keys(journal) == ["a"]


def test_a_full_disk_is_one_line_that_names_the_file(final, partial):
    partial.symlink_to("/dev/full")
    with pytest.raises(AloeError) as caught, Journal(final, key="id") as journal:
        journal.append({"id": "a"})
    assert f"{partial}: cannot be written (No space left on device)" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_row_that_did_not_reach_the_disk_does_not_count(final, partial):
    partial.symlink_to("/dev/full")
    with pytest.raises(AloeError), Journal(final, key="id") as journal:  # noqa: PT012
        with pytest.raises(AloeError):
            journal.append({"id": "a"})
        assert "a" not in journal
        raise AloeError("the work stops")


def test_a_folder_that_may_not_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AloeError, match="cannot be written"), Journal(tmp_path / "file" / "trees.jsonl", key="id"):
        pass


def test_big_rows_come_back_whole(final):
    texts = {name: name * 3_000_000 for name in ("a", "🎉", "\u2028")}
    with Journal(final, key="id") as journal:
        for name, text in texts.items():
            journal.append({"id": name, "text": text})
    with Journal(final, key="id") as journal:
        assert [row["text"] for row in journal.rows()] == list(texts.values())
        journal.finish(list(texts)[::-1])
    assert final.stat().st_size > 18_000_000


def test_a_row_that_is_done_twice_counts_once_and_the_first_time(final):
    with Journal(final, key="id") as journal:
        journal.append({"id": "a", "n": 1})
    with final.with_name("trees.jsonl.partial").open("a") as file:
        file.write('{"id":"a","n":2}\n')
    with Journal(final, key="id") as journal:
        assert [row["n"] for row in journal.rows()] == [1]


def test_only_the_rows_that_are_asked_for_are_finished(final):
    with Journal(final, key="id") as journal:
        for name in "abc":
            journal.append({"id": name})
        journal.finish(["c", "a"])
    assert final.read_text() == '{"id":"c"}\n{"id":"a"}\n'


def test_a_discarded_journal_is_gone(final):
    with Journal(final, key="id") as journal:
        journal.append({"id": "a"})
        journal.discard()
    assert list(final.parent.iterdir()) == []


def test_a_row_is_on_its_way_to_the_disk_when_append_returns(final, partial):
    with Journal(final, key="id") as journal:
        journal.append({"id": "a"})
        assert os.stat(partial).st_size == len('{"id":"a"}\n')  # noqa: PTH116


def test_a_text_that_is_not_valid_unicode_is_an_error_for_people_and_leaves_the_journal_whole(final, partial):
    with Journal(final, key="id") as journal:
        journal.append({"id": "a"})
        with pytest.raises(AloeError):
            journal.append({"id": "b", "text": "\ud83d"})
    assert partial.read_text() == '{"id":"a"}\n'


def test_a_journal_left_beside_a_finished_file_is_dropped(tmp_path):
    final = tmp_path / "trees.jsonl"
    (tmp_path / "trees.jsonl.partial").write_text('{"id":"a"}\n')
    assert not is_finished(final)
    assert (tmp_path / "trees.jsonl.partial").exists()
    final.write_text('{"id":"a"}\n')
    assert is_finished(final)
    assert list(tmp_path.iterdir()) == [final]


def test_a_cleared_journal_goes_on_from_nothing(tmp_path):
    final = tmp_path / "failed.jsonl"
    with Journal(final, key="id") as journal:
        journal.append({"id": "a"})
        journal.clear()
        assert "a" not in journal
        journal.append({"id": "b"})
        assert list(journal.rows()) == [{"id": "b"}]
    assert final.with_name("failed.jsonl.partial").read_text() == '{"id":"b"}\n'


@pytest.mark.parametrize("line", ['{"id":"b"}', '{"id":"b","text":null}', '{"text":"x"}', "[]", "not JSON", "\0\0\0"])
def test_a_row_without_its_content_is_refused_when_it_is_read_with_the_remedy(final, partial, line):
    def check(row):
        if not isinstance(row["text"], str):
            raise ValueError("text is no text")

    content = f'{{"id":"a","text":"A"}}\n{line}\n{{"id":"c","text":"C"}}\n'
    partial.write_text(content)
    remedy = r"trees.jsonl.partial, line 2: .*; remove that line: its row is made again$"
    with pytest.raises(DataError, match=remedy), Journal(final, "id", check):
        pass
    assert partial.read_text() == content
    partial.write_text("".join(content.splitlines(keepends=True)[::2]))
    with Journal(final, "id", check) as journal:
        assert keys(journal) == ["a", "c"]


@pytest.mark.parametrize("blank", ["\n", "  \n", "\r\n", "\t\n\n"])
def test_blank_lines_are_skipped(final, partial, caplog, blank):
    partial.write_text(f'{blank}{{"id":"a"}}\n{blank}{{"id":"b"}}\n{blank}')
    with Journal(final, key="id") as journal:
        journal.append({"id": "c"})
        assert keys(journal) == ["a", "b", "c"]
        journal.finish(["c", "b", "a"])
    assert final.read_text() == '{"id":"c"}\n{"id":"b"}\n{"id":"a"}\n'
    assert caplog.records == []
