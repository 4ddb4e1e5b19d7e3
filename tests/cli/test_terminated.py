"""SIGTERM ends a command as Ctrl-C does: one line, and the same command goes on."""

import os
import shutil
import signal
import subprocess
import sys
import time

from aloe_hub.cli import app

ALOE = [sys.executable, "-m", "aloe_hub.cli.app"]


def stopped_by(number, command, begun):
    """Status and errors of a command that gets a signal once `begun` says so."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not begun():
        time.sleep(0.01)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def test_a_run_that_is_stopped_goes_on_where_it_was(aloe, run, tmp_path):
    whole = shutil.copytree(run.path, tmp_path / "whole")
    partial = run.file("trees.jsonl.partial")
    grow = ["trees", "--turns", "30", "--concurrency", "2", "--run"]
    status, errors = stopped_by(
        signal.SIGTERM, [*ALOE, *grow, str(run.path)], lambda: partial.exists() and partial.stat().st_size > 0
    )
    assert status == 130
    assert errors.splitlines()[-1:] == ["aloe: interrupted; run the same command again to go on where it was"]
    assert "Traceback" not in errors
    assert partial.exists()
    assert aloe(*grow, run.path)[0] == aloe(*grow, whole)[0] == 0
    assert run.file("trees.jsonl").read_bytes() == (whole / "trees.jsonl").read_bytes()


def test_a_process_that_ignores_ctrl_c_still_hears_sigterm(run):
    code = "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN);from aloe_hub.cli.app import main; sys.exit(main())"
    partial = run.file("trees.jsonl.partial")
    command = [sys.executable, "-c", code, "trees", "--turns", "30", "--concurrency", "2", "--run", str(run.path)]
    status, errors = stopped_by(signal.SIGTERM, command, lambda: partial.exists() and partial.stat().st_size > 0)
    assert (status, "Traceback" in errors) == (130, False)


def test_what_heard_sigterm_before_hears_it_again(aloe):
    before = signal.getsignal(signal.SIGTERM)
    assert aloe("--version")[0] == 0
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_fork_is_ended_and_interrupts_nobody():
    with app._terminated_as_interrupted():
        ready, says = os.pipe()
        child = os.fork()
        if not child:
            os.write(says, b"!")
            time.sleep(60)
            os._exit(0)
        os.read(ready, 1)
        os.kill(child, signal.SIGTERM)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 143


def test_hub_exec_hands_sigterm_on_and_exits_as_its_command_does(tmp_path):
    there = tmp_path / "up"
    code = (
        "import pathlib, signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(9));"
        f"pathlib.Path({str(there)!r}).touch(); time.sleep(60)"
    )
    command = [*ALOE, "hub", "exec", "--dir", str(tmp_path / "hub"), "--", sys.executable, "-c", code]
    status, errors = stopped_by(signal.SIGTERM, command, there.exists)
    assert (status, errors) == (9, "")
