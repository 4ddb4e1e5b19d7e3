"""`aloe space`: the demo on this machine, by the same app that a Space runs."""

import os
import re
import signal
import subprocess
import urllib.request

import pytest

from tests.preloaded import PYTHON

pytest.importorskip("gradio")

COMMAND = [*PYTHON, "-m", "aloe_hub.cli.app", "space"]
SCRIPTED = ["--base", "scripted:plain", "--adapter", "scripted:tailored"]


def environment(tmp_path, **more):
    own = {name: value for name, value in os.environ.items() if not name.startswith(("ALOE_", "HF_", "GRADIO_"))}
    return (
        own | {"HF_HUB_OFFLINE": "1", "ALOE_VOTES": str(tmp_path / "votes"), "GRADIO_TEMP_DIR": str(tmp_path / "gradio")} | more
    )


def test_it_serves_a_run_folder_on_a_free_port_until_it_is_interrupted(run, tmp_path):
    command = [*COMMAND, *SCRIPTED, "--run", str(run.path), "--port", "0"]
    process = subprocess.Popen(command, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        found = next(filter(None, (re.search(r"http://127\.0\.0\.1:\d+/", line) for line in process.stdout)))
        with urllib.request.urlopen(found[0] + "health", timeout=30) as answer:
            assert answer.read() == b'{"status":"ok"}'
        with urllib.request.urlopen(found[0] + "config", timeout=30) as answer:
            page = answer.read().decode()
        assert "24 of 24 personas" in page
        assert "trees.jsonl: no such file" in page
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("arguments", "variables", "message"),
    [
        (["--base", "org/model"], {}, "ALOE_BASE=org/model: give ALOE_ADAPTER too"),
        (SCRIPTED, {"ALOE_WATCH_TURNS": "many"}, "ALOE_WATCH_TURNS=many: must be a whole number"),
    ],
)
def test_what_cannot_be_meant_is_one_line(tmp_path, arguments, variables, message):
    done = subprocess.run(
        [*COMMAND, *arguments], env=environment(tmp_path, **variables), capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
