"""Cells run once, after what they need, and go on where a study was stopped."""

import sys

import cells
import pytest
from cells import Cell


def writes(path, text="x", needs=(), extra="pass"):
    code = f"{extra}; open({str(path)!r}, 'a').write({text!r})"
    return Cell(path.name, (sys.executable, "-c", code), path, needs)


def test_a_cell_runs_after_what_it_needs(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    needs_first = f"assert open({str(first)!r}).read() == 'x'"
    cells.run([writes(second, needs=("first",), extra=needs_first), writes(first)], 2, tmp_path / "logs")
    assert second.read_text() == "x"


def test_a_cell_that_was_run_is_not_run_again(tmp_path):
    study = [writes(tmp_path / "a"), writes(tmp_path / "b", needs=("a",))]
    cells.run(study, 1, tmp_path / "logs")
    (tmp_path / "b").unlink()
    cells.run(study, 1, tmp_path / "logs")
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text() == "x"


def test_a_failed_cell_ends_the_study_and_its_log_says_why(tmp_path, capsys):
    study = [writes(tmp_path / "a", extra="raise SystemExit('no disk')"), writes(tmp_path / "b", needs=("a",))]
    with pytest.raises(SystemExit):
        cells.run(study, 2, tmp_path / "logs")
    assert "no disk" in (tmp_path / "logs" / "a.log").read_text()
    assert "a: failed; see" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()


def test_a_cell_that_makes_nothing_has_failed(tmp_path):
    with pytest.raises(SystemExit):
        cells.run([Cell("a", (sys.executable, "-c", ""), tmp_path / "a")], 1, tmp_path / "logs")
