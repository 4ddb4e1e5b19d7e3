"""The authors' files, and files that are not quite like them."""

import json

import pytest

from aloe_hub.errors import DataError, SettingsDiffer
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.imports import import_authors, read_texts
from aloe_hub.stages.pairing import Pairing


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


@pytest.mark.parametrize("content", ["", "\n\n", "nonsense\n", "[]\n"])
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
    assert [text.text for text in read.texts] == ["one", "two"]
    said = [note.removeprefix(f"{path}, line ") for note in read.notes]
    assert said[0] == "2: refused: text that is not valid Unicode"
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
