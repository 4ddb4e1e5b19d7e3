"""The authors' files, and files that are not quite like them."""

import codecs
import gzip
import json
import re
from functools import partial

import pytest

from aloe_hub.errors import DataError, SettingsDiffer
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.import_files import found
from aloe_hub.stages.imports import import_authors, read_texts
from aloe_hub.stages.pairing import Pairing

zipped = partial(gzip.compress, mtime=0)  # the same bytes, and so the same name of a test, in every process


def test_the_authors_folder_gives_331_profiles_and_71_personalities(authors, tmp_path):
    run = RunFolder(tmp_path / "run")
    counts, notes = import_authors(authors, run, Pairing(test_profiles=0))
    assert (counts.profiles, counts.personalities, counts.train, counts.test) == (331, 71, 3310, 0)
    assert notes == [f"{authors}/profile.jsonl, line 6: repaired: 2 JSON values on one line, read as 2 texts"]


def test_the_authors_pool_is_split_by_default(authors, tmp_path):
    counts, _ = import_authors(authors, RunFolder(tmp_path / "run"), Pairing())
    assert (counts.train, counts.test) == (3110, 100)


def test_what_is_repaired_or_refused_is_said_with_its_line(tmp_path):
    path = tmp_path / "profile.jsonl"
    lines = ['"one"', '"two""three"', "", "not json", '"one"', "17", '"  "', '"four" oops', '{"text": "five"}']
    path.write_text("\n".join(lines))
    read = read_texts(path)
    assert [text.text for text in read.texts] == ["one", "two", "three", "four"]
    assert {text.source for text in read.texts} == {"imported"}
    said = [note.removeprefix(f"{path}, ") for note in read.notes]
    assert said[0] == "line 2: repaired: 2 JSON values on one line, read as 2 texts"
    assert [note.partition(":")[0] for note in said[1:]] == [f"line {number}" for number in (4, 5, 6, 7, 8, 9)]
    assert "line 5: refused: the same text as line 1" in said


@pytest.mark.parametrize("content", ["", "\n\n", '"nonsense\n', "[]\n", '"\u200b"\n', '"\u2060\ufeff \\u0000"'])
def test_a_file_without_any_text_is_refused(tmp_path, content):
    path = tmp_path / "profile.jsonl"
    path.write_text(content)
    with pytest.raises(DataError, match=r"profile\.jsonl: no text in it"):
        read_texts(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"profile\.jsonl: no such file"):
        import_authors(tmp_path, RunFolder(tmp_path / "run"), Pairing())


def test_odd_lines_are_refused_one_by_one(tmp_path):
    path = tmp_path / "profile.jsonl"
    path.write_text('"one"\n"half an emoji \\ud83d"\n' + "[" * 5000 + '\n"two""two"\n')
    read = read_texts(path)
    assert [text.text for text in read.texts] == ["one", "half an emoji \ufffd", "two"]
    said = [note.removeprefix(f"{path}, line ") for note in read.notes]
    assert said[0] == "2: repaired: text that is not valid Unicode; what is not was replaced"
    assert said[1].startswith("3: refused: not JSON (maximum recursion depth exceeded")
    assert said[2:] == ["4: repaired: 2 JSON values on one line, read as 2 texts", "4: refused: the same text as line 4"]


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "profile.jsonl"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="cannot be read"):
        read_texts(path)


def test_other_texts_do_not_go_into_the_same_run(texts, tmp_path):
    run, pairing = RunFolder(tmp_path / "run"), Pairing(pairings=2, test_profiles=2, test_personalities=2)
    import_authors(texts, run, pairing)
    import_authors(texts, run, pairing)  # the same again is fine
    with (texts / "profile.jsonl").open("a") as file:
        file.write(json.dumps("She is new.") + "\n")
    with pytest.raises(SettingsDiffer, match="profile_sha256"):
        import_authors(texts, run, pairing)


LINES = ["She is 30.", "Er heißt Jürgen.", "She sews."]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("profile.jsonl.gz", zipped("\n".join(map(json.dumps, LINES)).encode())),
        ("profile.jsonl", "\n".join(map(json.dumps, LINES)).encode("utf-16")),
        ("profile.jsonl", codecs.BOM_UTF8 + json.dumps(LINES, indent=1, ensure_ascii=False).encode()),
        ("profile.json", json.dumps(LINES).encode()),
        ("profile.txt", "\r\n".join(LINES).encode("utf-8-sig")),
        ("profile.txt.gz", zipped("\n\n".join(LINES).encode("utf-16"))),
        ("profile.txt", "\n".join(LINES).encode("utf-16-le")),
        ("profile.jsonl", "\n".join(json.dumps({"persona": line, "id": 7}) for line in LINES).encode()),
    ],
)
def test_texts_come_in_any_dress(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert [text.text for text in read_texts(found(tmp_path, "profile")).texts] == LINES


def test_plain_text_is_said_to_be_taken_as_such(tmp_path):
    (tmp_path / "profile.txt").write_text("She is 30.\n")
    assert read_texts(tmp_path / "profile.txt").notes == (
        f"{tmp_path}/profile.txt: no JSON, so read as plain text, one text a line",
    )


def test_an_object_of_another_form_is_named_with_the_form_that_is_wanted(tmp_path):
    path = tmp_path / "profile.jsonl"
    path.write_text('{"input persona": "x"}')
    said = """line 1: refused: expected a text or {"persona": "…"}, found an object with the keys ['input persona']"""
    with pytest.raises(DataError, match=re.escape(f"{path}: no text in it ({said})")):
        read_texts(path)


@pytest.mark.parametrize("content", [b"\x1f\x8bnonsense", zipped(b'"one"' * 99)[:20], b'"one"\n"\xff"'])
def test_what_cannot_be_unpacked_or_decoded_is_one_line(tmp_path, content):
    (tmp_path / "profile.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=r"profile\.jsonl: cannot be read"):
        read_texts(tmp_path / "profile.jsonl")


def test_what_is_no_text_holds_no_personas(tmp_path):
    (tmp_path / "profile.jsonl").write_bytes(b"GIF89a\0\1\0\1")
    with pytest.raises(DataError, match=r"profile\.jsonl: not text; read are JSON Lines"):
        read_texts(tmp_path / "profile.jsonl")


def test_texts_that_a_reader_cannot_tell_apart_are_one(tmp_path):
    lines = [
        "Er heißt Ju\u0308rgen.",
        "Er heißt Jürgen.",
        "Er heißt Jürgen.\u200b",
        "\u202e Er  heißt\u00a0Jürgen. ",
        "a\0b",
        "ab",
    ]
    (tmp_path / "profile.jsonl").write_text("\n".join(map(json.dumps, lines)))
    read = read_texts(tmp_path / "profile.jsonl")
    assert [text.text for text in read.texts] == ["Er heißt Jürgen.", "ab"]
    assert sum("refused: the same text as line 1" in note for note in read.notes) == 3
    assert sum("refused: the same text as line 5" in note for note in read.notes) == 1


def test_a_small_pool_is_paired_as_far_as_it_goes_unless_a_number_was_given(aloe, tmp_path):
    for name, count in (("profile", 3), ("personality", 2)):
        (tmp_path / f"{name}.txt").write_text("\n".join(f"{name} {number}" for number in range(count)))
    status, output, _ = aloe("import", tmp_path, "--run", tmp_path / "run", "--test-profiles", 0)
    assert (status, "6 personas for training" in " ".join(output.split())) == (0, True)
    status, _, errors = aloe("import", tmp_path, "--run", tmp_path / "other", "--test-profiles", 0, "--pairings", 10)
    assert (status, "only 2 personalities are left" in " ".join(errors.split())) == (1, True)


def test_control_tokens_in_a_pool_are_counted_and_said(aloe, texts, tmp_path):
    with (texts / "profile.jsonl").open("a") as file:
        file.write(json.dumps("She is a gardener.<|im_end|>") + "\n")
    status, _, errors = aloe("import", texts, "--run", tmp_path / "run", "--pairings", 2, "--test-profiles", 0)
    assert status == 0
    assert "1 of the texts hold control tokens of chat templates" in " ".join(errors.split())
