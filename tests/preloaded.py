"""Python in a process of its own that need not load torch and its like: a fork of one process that has loaded them.

`[*PYTHON, "-m", "aloe_hub.cli.app", "train", …]` does what `[sys.executable, "-m", …]` does, four seconds of processor time
sooner where TRL is wanted: with its own variables, folder, files and exit status, and signals reach it. Killed, even by -9, it
takes the fork along; a test waits for the fork's files to close (`communicate` with a pipe) before it looks at what is left.

Loaded before are only libraries that ask no variable of ours when they are imported: each process imports huggingface_hub,
transformers, datasets, trl and gradio by itself. What tests of a start from nothing want is `sys.executable`.
"""

import gc
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

ADDRESS = "ALOE_TESTS_PRELOADED"
PYTHON = [sys.executable, "-IS", str(Path(__file__).with_name("preloaded_client.py")), os.environ.get(ADDRESS, "")]
LIBRARIES = (
    "aiohttp",
    "fastapi",
    "fsspec",
    "httpx",
    "jinja2",
    "numpy",
    "opentelemetry.trace",
    "pandas",
    "PIL.Image",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "pydantic",
    "requests",
    "scipy.stats",
    "sympy",
    "torch",
    "torch._dynamo",
    "torch.distributed.checkpoint",
    "torch.distributed.elastic.multiprocessing",
    "torch.distributed.fsdp",
    "torch.distributed.tensor",
    "torch.utils.checkpoint",
    "torch.utils.data",
    "typer",
    "uvicorn",
    "yaml",
)


def begin() -> Callable[[], None]:
    """Start the process that forks, and name it in the environment. Returns what ends it; it ends with this process, too."""
    folder = tempfile.mkdtemp(prefix="aloe-preloaded-")  # a short path: addresses of sockets are cut at about 100 letters
    os.environ[ADDRESS] = PYTHON[-1] = f"{folder}/socket"
    listener, (read, write) = socket.socket(socket.AF_UNIX), os.pipe()
    listener.bind(os.environ[ADDRESS])
    listener.listen()
    files = (listener.fileno(), read)
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    process = subprocess.Popen([sys.executable, __file__, *map(str, files)], pass_fds=files, env=variables)
    listener.close()
    os.close(read)

    def end() -> None:
        os.close(write)
        process.wait()
        shutil.rmtree(folder)
        del os.environ[ADDRESS]

    return end


def asked(connection: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """A request and its three files; None of a process that was killed before it had asked."""
    size, files, _, _ = socket.recv_fds(connection, 4, 3)
    content = connection.recv(int.from_bytes(size), socket.MSG_WAITALL)
    return (json.loads(content), files) if content and len(content) == int.from_bytes(size) else None


def serve(listener: socket.socket, parent: int) -> dict[str, Any]:
    """Fork for whoever asks, until `parent` is closed. Returns in the forks alone: the request of each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the tests
    ended, wakes = socket.socketpair()
    for end in (ended, wakes):
        end.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno())
    signal.signal(signal.SIGCHLD, lambda *_: None)
    forks: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        for source in (listener, ended, parent):
            selector.register(source, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj == parent:
                    os._exit(0)
                elif key.fileobj is ended:
                    ended.recv(4096)
                    reap(forks, selector)
                elif key.fileobj is not listener:
                    pass_on(forks, key.data, selector)
                else:
                    connection, _ = listener.accept()
                    load()
                    if (found := asked(connection)) is None:
                        continue
                    request, files = found
                    if not (pid := os.fork()):
                        signal.set_wakeup_fd(-1)
                        for source in (*forks.values(), connection, listener, ended, wakes):
                            source.close()
                        os.close(parent)
                        for place, file in enumerate(files):
                            os.dup2(file, place)
                            os.close(file)
                        return request
                    for file in files:
                        os.close(file)
                    forks[pid] = connection
                    selector.register(connection, selectors.EVENT_READ, pid)


@cache
def load() -> None:
    for library in LIBRARIES:
        with suppress(ImportError):
            import_module(library)
    gc.collect()
    gc.freeze()  # or each fork would go through all of it once more when it ends


def reap(forks: dict[int, socket.socket], selector: selectors.BaseSelector) -> None:
    """Tell those whose forks have ended."""
    while forks:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        connection = forks.pop(pid)
        with suppress(KeyError):
            selector.unregister(connection)
        with suppress(BrokenPipeError), connection:
            connection.sendall(status.to_bytes(4))


def pass_on(forks: dict[int, socket.socket], pid: int, selector: selectors.BaseSelector) -> None:
    """Signals to a fork; the end of who asked for it is a kill."""
    if pid not in forks:
        return
    numbers = b""
    with suppress(ConnectionResetError):
        numbers = forks[pid].recv(64)
    for number in numbers or [signal.SIGKILL]:
        os.kill(pid, number)
    if not numbers:
        selector.unregister(forks[pid])


def become(request: dict[str, Any]) -> None:
    """Run what was asked for as `python` would."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(request["variables"])
    os.chdir(request["folder"])
    first, *arguments = request["arguments"]
    here = {"-c": "", "-m": str(Path.cwd())}.get(first, str(Path(first).resolve().parent))
    own = os.environ.get("PYTHONPATH", "")
    sys.path[:0] = [here, *filter(None, own.split(os.pathsep))]
    if first == "-m":
        sys.argv[:] = arguments
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv[:] = ["-c", *arguments[1:]]
        sys.modules["__main__"] = module = types.ModuleType("__main__")
        exec(compile(arguments[0], "<string>", "exec"), module.__dict__)
    else:
        sys.argv[:] = [first, *arguments]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    sys.path.pop(0)  # this folder
    become(serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])))
