"""`aloe serve`: the lines to paste, who may ask, its end, and one line where it cannot be."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

ALOE = [sys.executable, "-m", "aloe_hub.cli.app"]
KEY = "sk-very-secret"


@contextmanager
def serving(*arguments, **environment):
    """(the process, the lines that it says before the empty one)."""
    command = [*ALOE, "serve", *map(str, arguments)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | environment
    ) as process:
        try:
            said = process.stdout
            assert said is not None
            yield process, list(iter(lambda: said.readline().removesuffix("\n"), ""))
        finally:
            process.kill()


def one_line(errors):
    assert "Traceback" not in errors
    lines = [line for line in errors.splitlines() if line.startswith("aloe: ")]
    assert len(lines) == 1, errors
    return lines[0]


def test_the_lines_it_says_work_when_pasted():
    with serving("--model", "scripted:tailored") as (process, (base_url, model, curl)):
        base_url = base_url.removeprefix("base_url: ")
        assert shlex.split(model) == ["model:", f"{base_url}#scripted:tailored"]
        with urllib.request.urlopen(base_url.removesuffix("/v1") + "/health") as answer:
            assert json.load(answer) == {"status": "ok"}
        answered = json.loads(subprocess.run(curl, shell=True, capture_output=True, text=True, check=True).stdout)
        assert answered["model"] == "scripted:tailored"
        assert answered["choices"][0]["message"]["content"]
        assert process.poll() is None


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly(by):
    with serving("--model", "scripted") as (process, _):
        process.send_signal(by)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    assert output.endswith("# stopped\n")


def test_it_ends_at_once_though_a_model_speaks(tmp_path):
    with serving("--model", "local:pocket", OMP_NUM_THREADS="1") as (process, (base_url, *_)):
        address = base_url.removeprefix("base_url: http://").removesuffix("/v1")
        body = {"model": "local:pocket", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
        host, port = address.split(":")
        with socket.create_connection((host, int(port))) as line:
            sent = json.dumps(body).encode()
            head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            head += b"Content-Length: %d\r\n\r\n"
            line.sendall(head % len(sent) + sent)
            assert line.recv(12) == b"HTTP/1.1 200"
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert output.endswith("# stopped\n")
    assert "Traceback" not in errors


def test_the_key_of_the_environment_is_asked_for_and_never_said():
    with serving("--model", "scripted", ALOE_API_KEY=KEY) as (process, lines):
        base_url, _, curl = lines
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(base_url.removeprefix("base_url: ") + "/models")
        assert caught.value.code == 401
        pasted = subprocess.run(curl, shell=True, capture_output=True, text=True, env=os.environ | {"ALOE_API_KEY": KEY})
        assert json.loads(pasted.stdout)["choices"]
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert KEY not in "".join((*lines, output, errors, caught.value.read().decode()))


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--model", "gpt-4"], 2, "unknown scheme 'gpt-4'"),
        (["--model", "scripted:nobody"], 2, "no such policy"),
        (["--model", "local:/no/such/folder"], 2, "no such folder, and not a name on the Hub"),
        (["--model", "scripted", "--port", "{taken}"], 1, "--port {taken}: cannot listen on 127.0.0.1 (Address already in use)"),
    ],
)
def test_what_cannot_be_served_is_one_line(aloe, arguments, status, message):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        found, output, errors = aloe("serve", *(argument.format(taken=taken) for argument in arguments))
    assert message.format(taken=taken) in one_line(errors)
    assert (found, output) == (status, "")


@pytest.mark.parametrize("arguments", [[], ["--model", "scripted", "--port", "70000"]])
def test_wrong_usage_is_status_2(aloe, arguments):
    assert aloe("serve", *arguments)[0] == 2


def test_without_its_libraries_it_says_what_to_install(aloe, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for name in [
        name for name in sys.modules if name in ("aloe_hub.serve.server", "aloe_hub.serve.server_app", "aloe_hub.loopback")
    ]:
        monkeypatch.delitem(sys.modules, name)
    status, _, errors = aloe("serve", "--model", "scripted")
    assert status == 1
    assert "run: pip install 'aloe-hub[serve]'" in one_line(errors)
