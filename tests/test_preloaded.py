"""A fork that is loaded already is to its test what a process of Python is."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.preloaded import PYTHON

SHOWN = "import json, os, sys; print(json.dumps([sys.argv, os.getcwd(), dict(os.environ), __name__, sys.path[:2]]))"
WAITS = "import sys, time; print('up', flush=True); time.sleep(60)"


@pytest.mark.parametrize("how", ["-c", "-m", "file"])
def test_it_sees_what_python_sees(how, tmp_path):
    (tmp_path / "shown.py").write_text(SHOWN)
    words = {"-c": ["-c", SHOWN], "-m": ["-m", "shown"], "file": [str(tmp_path / "shown.py")]}[how]
    run = {"cwd": tmp_path, "env": {"ONLY": "this", "PYTHONPATH": "/own"}, "capture_output": True, "text": True, "check": True}
    fork, python = (json.loads(subprocess.run([*which, *words, "a b"], **run).stdout) for which in (PYTHON, [sys.executable]))
    for found in (fork, python):
        found[2].pop("LC_CTYPE", None)  # Python's own
        found[4] = [place or str(tmp_path) for place in found[4]]
    assert fork == python


def test_nothing_is_loaded_that_reads_our_variables():
    code = (
        "import sys; names = {name.partition('.')[0] for name in sys.modules}; assert 'torch' in names;"
        "print(*names & {'aloe_hub', 'huggingface_hub', 'transformers', 'datasets', 'evaluate', 'trl', 'gradio', 'matplotlib'})"
    )
    assert subprocess.run([*PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"


@pytest.mark.parametrize(
    ("code", "status", "errors"),
    [
        ("pass", 0, ""),
        ("raise SystemExit(7)", 7, ""),
        ("raise SystemExit('said')", 1, "said\n"),
        ("import os; os._exit(9)", 9, ""),
        ("import os; os.abort()", -signal.SIGABRT, None),
        ("import atexit, sys; atexit.register(print, 'last', file=sys.stderr)", 0, "last\n"),
        ("raise ValueError('wrong')", 1, None),
    ],
)
def test_it_ends_as_python_ends(code, status, errors):
    done = subprocess.run([*PYTHON, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == status
    assert errors in (None, done.stderr)
    assert ("ValueError: wrong" in done.stderr) == ("wrong" in code)


def test_it_reads_its_input():
    code = "import sys; print(sys.stdin.read().upper())"
    assert subprocess.run([*PYTHON, "-c", code], input="hi", capture_output=True, text=True, check=True).stdout == "HI\n"


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 5), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_signals_reach_it(number, status):
    code = f"import os\ntry:\n    print(os.getpid(), flush=True)\n    {WAITS}\nexcept KeyboardInterrupt:\n    sys.exit(5)"
    with subprocess.Popen([*PYTHON, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        assert process.stdout.readline() == "up\n"
        process.send_signal(number)
        process.communicate()  # to the end of the fork, which has the pipe
    assert process.returncode == status
    for _ in range(1000):  # dead, and soon buried
        if not Path(f"/proc/{pid}").exists():
            break
        time.sleep(0.01)
    else:
        pytest.fail("it lives")


def test_two_run_at_once():
    both = [subprocess.Popen([*PYTHON, "-c", WAITS], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.stdout and process.stdout.readline() for process in both] == ["up\n", "up\n"]
    for process in both:
        process.kill()
        process.communicate()
