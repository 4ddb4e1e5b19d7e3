"""`aloe hub` and `aloe hub exec`: the lines to paste, the environment of a command, its exit status, its end."""

import json
import os
import shlex
import signal
import stat
import subprocess
import sys
import time
import urllib.request

import pytest

from aloe_hub.local_hub.process import client_environment, ended, running
from tests.local_hub.hub_tools import USERS, ask

ALOE = [sys.executable, "-m", "aloe_hub.cli.app"]
REAL = {
    "HF_TOKEN": "hf_realsecret",
    "HUGGING_FACE_HUB_TOKEN": "hf_realsecret",
    "HF_TOKEN_PATH": "/secret/hf_realsecret",
    "HF_ENDPOINT": "https://huggingface.co",
    "HF_HUB_CACHE": "/users/cache",
    "HF_HUB_OFFLINE": "1",
    "HTTP_PROXY": "http://proxy:3128",
}
VARIABLES = ["HF_ENDPOINT", "HF_TOKEN", "HF_HOME", "HF_HUB_DISABLE_XET", "HF_UPDATE_DOWNLOAD_COUNTS"]


def aloe(*arguments, environment=None):
    done = subprocess.run(
        [*ALOE, *map(str, arguments)], capture_output=True, text=True, timeout=60, env=os.environ | (environment or {})
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def pasted(process):
    """The variables that a user would have after pasting what `aloe hub` printed."""
    lines = list(iter(process.stdout.readline, "\n"))
    return dict(shlex.split(line.removeprefix("export "))[0].split("=", 1) for line in lines)


def test_the_lines_it_prints_work_when_pasted_and_still_after_a_restart(tmp_path):
    seen = []
    for ending in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([*ALOE, "hub", "--dir", str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
            variables = pasted(process)
            assert list(variables) == VARIABLES
            assert variables["HF_HOME"] == str(tmp_path / "home")
            request = urllib.request.Request(variables["HF_ENDPOINT"] + "/api/whoami-v2")
            request.add_header("Authorization", f"Bearer {variables['HF_TOKEN']}")
            with urllib.request.urlopen(request) as answer:
                assert json.load(answer)["name"] == "local"
            process.send_signal(ending)
            assert process.wait(timeout=10) == 0
            seen.append(variables["HF_TOKEN"])
    assert seen[0] == seen[1]
    assert stat.S_IMODE((tmp_path / "users.json").stat().st_mode) == 0o600


def test_a_command_gets_the_local_hubs_variables_in_place_of_the_users_own(tmp_path):
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    done = aloe("hub", "exec", "--dir", tmp_path, "--", sys.executable, "-c", code, environment=REAL)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert "hf_realsecret" not in done.stdout + done.stderr
    assert not {"HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_CACHE", "HF_HUB_OFFLINE"} & seen.keys()
    assert seen["HF_ENDPOINT"].startswith("http://127.0.0.1:")
    assert seen["HF_TOKEN"] in json.loads((tmp_path / "users.json").read_text())
    assert (seen["HF_HOME"], seen["HF_HUB_DISABLE_XET"]) == (str(tmp_path / "home"), "1")
    assert "127.0.0.1" in seen["NO_PROXY"].split(",")
    assert seen["PATH"] == os.environ["PATH"]


def test_a_real_client_in_exec_uses_what_an_earlier_one_left(tmp_path):
    make = "from huggingface_hub import HfApi; HfApi().create_repo('org/kept')"
    read = "from huggingface_hub import HfApi; print(HfApi().model_info('org/kept').id)"
    assert aloe("hub", "exec", "--dir", tmp_path, "--", sys.executable, "-c", make, environment=REAL).returncode == 0
    assert aloe("hub", "--dir", tmp_path, "exec", "--", sys.executable, "-c", read, environment=REAL).stdout == "org/kept\n"


@pytest.mark.parametrize(("code", "status"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137), ("", 0)])
def test_exec_exits_as_its_command_does(tmp_path, code, status):
    assert aloe("hub", "exec", "--dir", tmp_path, "--", sys.executable, "-c", code).returncode == status


def test_wrong_usage_and_a_command_that_is_not_there_are_one_line(tmp_path):
    assert aloe("hub", "exec", "--dir", tmp_path).returncode == 2
    assert aloe("hub", "--port", "65536", "--dir", tmp_path).returncode == 2
    done = aloe("hub", "exec", "--dir", tmp_path, "--", "no-such-command")
    assert (done.returncode, done.stderr) == (1, "aloe: error: no-such-command: cannot be run (No such file or directory)\n")
    with running(tmp_path):
        done = aloe("hub", "exec", "--dir", tmp_path, "--", "true")
    assert done.returncode == 1
    assert done.stderr.startswith("aloe: error: ")
    assert "another local Hub serves this folder" in done.stderr


def test_ctrl_c_goes_to_the_command_and_ends_both(tmp_path):
    code = "import time\nprint('up', flush=True)\ntry: time.sleep(60)\nexcept KeyboardInterrupt: raise SystemExit(9)"
    command = [*ALOE, "hub", "exec", "--dir", str(tmp_path), "--", sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        assert process.wait(timeout=10) == 9


def test_ctrl_c_at_the_moment_at_which_the_command_ends_does_not_lose_its_status(monkeypatch):
    waitpid = os.waitpid

    def interrupted(pid, options):
        found = waitpid(pid, options)
        signal.raise_signal(signal.SIGINT)
        return found

    with subprocess.Popen([sys.executable, "-c", "raise SystemExit(9)"]) as child:
        monkeypatch.setattr(os, "waitpid", interrupted)
        assert ended(child) == 9


@pytest.mark.parametrize("arguments", [("hub", "--help"), ("hub", "exec", "--help")])
def test_there_is_help_with_an_example(arguments):
    done = aloe(*arguments)
    assert done.returncode == 0
    assert f"Example: aloe {' '.join(arguments[:-1])}" in " ".join(done.stdout.split())


def test_a_users_no_proxy_is_kept(tmp_path):
    with running(tmp_path, users=USERS) as hub:
        assert client_environment(hub, {"NO_PROXY": "*"})["NO_PROXY"] == "*"
        assert client_environment(hub, {"no_proxy": "corp"})["no_proxy"] == "corp,127.0.0.1,localhost"
        assert ask(hub, "GET", "/health").status == 200


def test_the_package_is_light():
    code = (
        "import sys, aloe_hub.local_hub, aloe_hub.local_hub.process; "
        "print([name for name in ('huggingface_hub', 'numpy', 'typer', 'httpx2', 'fastapi') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
