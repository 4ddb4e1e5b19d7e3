"""Cells run once, after what they need, and go on where a study was stopped."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def test_how_long_a_cell_took_is_printed_and_kept(tmp_path, capsys):
    cells.run([writes(tmp_path / "a")], 1, tmp_path / "logs")
    assert re.search(r"^a: done in \d+ s, 0 to go$", capsys.readouterr().out, re.MULTILINE)
    (row,) = map(json.loads, (tmp_path / "logs" / "seconds.jsonl").read_text().splitlines())
    assert row["cell"] == "a"
    assert row["seconds"] >= 0


def test_of_cells_that_are_ready_the_first_in_the_list_comes_first(tmp_path, capsys):
    names = ("c", "a", "b")
    cells.run([writes(tmp_path / name) for name in names], 1, tmp_path / "logs")
    assert re.findall(r"^(\w) …$", capsys.readouterr().out, re.MULTILINE) == list(names)


def test_a_cell_computes_with_the_threads_that_it_was_given(tmp_path):
    made = tmp_path / "a"
    code = f"import os; open({str(made)!r}, 'w').write(os.environ['OMP_NUM_THREADS'])"
    cells.run([Cell("a", (sys.executable, "-c", code), made)], 1, tmp_path / "logs", threads=3)
    assert made.read_text() == "3"


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


def test_what_a_killed_study_had_begun_is_waited_for_and_not_begun_again(tmp_path):
    """The child of a study that was killed by -9 goes on by itself."""
    began, made = tmp_path / "began", tmp_path / "a"
    code = f"import time; open({str(began)!r}, 'a').write('x'); time.sleep(2); open({str(made)!r}, 'w').close()"
    command = f"[cells.Cell('a', (sys.executable, '-c', {code!r}), Path({str(made)!r}))], 1, Path({str(tmp_path / 'logs')!r})"
    study = (sys.executable, "-c", f"import sys; from pathlib import Path; import cells; cells.run({command})")
    with subprocess.Popen(study, cwd=Path(cells.__file__).parent) as first:
        while not began.exists():
            time.sleep(0.01)
        first.send_signal(signal.SIGKILL)
    subprocess.run(study, cwd=Path(cells.__file__).parent, check=True)
    assert began.read_text() == "x"
    assert made.exists()
