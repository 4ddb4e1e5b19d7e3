"""Where long work stands: lines where there is no terminal; and what is printed is never markup."""

import re
import subprocess
import sys
import time

import pytest

from aloe_hub.cli import progress

ALOE = [sys.executable, "-m", "aloe_hub.cli.app"]


@pytest.fixture
def soon(monkeypatch):
    """A line every twentieth of a second, instead of every minute."""
    monkeypatch.setattr(progress, "LINE_EVERY", 0.05)


def test_without_a_terminal_lines_say_how_far_the_work_is(soon, capsys):
    with progress.bars() as show:
        show("trees", 2, 10)
        show("trees", 4, 10)
        time.sleep(0.3)  # a single step takes long
        show("trees", 10, 10)
    *while_it_ran, last = capsys.readouterr().err.splitlines()
    assert while_it_ran
    assert all(re.fullmatch(r"trees 4 of 10 in 0:00, about 0:\d\d left", line) for line in while_it_ran)
    assert last == "trees 10 of 10 in 0:00"


def test_work_that_is_done_is_said_once_and_nothing_more(soon, capsys):
    with progress.bars() as show:
        show("profiles", 0, 1)
        show("profiles", 1, 1)
        show("profiles", 1, 1)
        time.sleep(0.2)
    assert capsys.readouterr().err.splitlines() == ["profiles 1 of 1 in 0:00"]


def test_work_that_cannot_say_how_far_it_is_says_that_it_goes_on(soon, capsys):
    with progress.working("publishing to org/[name]"):
        time.sleep(0.2)
    lines = capsys.readouterr().err.splitlines()
    assert lines
    assert set(lines) == {"publishing to org/[name]: 0:00 so far"}


def test_short_work_says_nothing(capsys):
    with progress.working("publishing to org/name"), progress.bars():
        pass
    assert capsys.readouterr().err == ""


def test_work_that_fails_says_no_further_line(soon, capsys):
    with pytest.raises(ValueError, match="broken"), progress.bars() as show:  # noqa: PT012
        show("trees", 1, 10)
        raise ValueError("broken")
    said = capsys.readouterr().err
    time.sleep(0.2)
    assert capsys.readouterr().err == ""
    assert "10 of 10" not in said


@pytest.mark.parametrize("name", ["a[/x]", "[bold]b", "c[link=x]", "[red]d[/red]"])
def test_a_bracket_in_a_path_is_no_markup(aloe, run, name):
    folder = run.path.parent / name
    folder.parent.mkdir(exist_ok=True)
    run.path.rename(folder)
    status, output, errors = aloe("trees", "--run", folder, "--turns", "2", "--limit", "3")
    assert (status, "Traceback" in errors) == (0, False)
    assert f"3 trees in {folder}" in output.replace("\n", "")
    assert (folder / "pairs.jsonl").exists()
    status, output, _ = aloe("report", folder)
    assert status == 0
    assert str(folder / "report.html") in output.replace("\n", "")


def test_a_reader_who_has_left_loses_nothing(run):
    command = [*ALOE, "trees", "--run", str(run.path), "--turns", "2", "--limit", "3"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait(timeout=60) == 0
    assert "Traceback" not in errors
    assert run.file("pairs.jsonl").exists()
    assert run.file("sft.jsonl").exists()


def test_rows_are_there_before_anything_is_printed(aloe, run, monkeypatch):
    def gone(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(progress.out, "print", gone)
    assert aloe("trees", "--run", run.path, "--turns", "2", "--limit", "3")[0] == 130
    assert run.file("pairs.jsonl").exists()
    assert run.file("sft.jsonl").exists()
