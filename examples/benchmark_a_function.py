"""The ALOE benchmark on a Python function: it becomes a server on this machine, and the server is a policy like any other.

    python examples/benchmark_a_function.py [FOLDER]

A policy sees the bare chat messages and nothing else. Users and judge are scripted here; `--user` and `--judge` name others.
"""

import sys
import tempfile
from pathlib import Path

from grow_and_read import grow

from aloe_hub.chat.base import ChatReply, ChatRequest
from aloe_hub.cli.app import main
from aloe_hub.serve.server import running


class Repeats:
    """Yours goes here: an agent, a chain, another library. This one says again what the user has said."""

    async def complete(self, request: ChatRequest) -> ChatReply:
        said = [message.content for message in request.messages if message.role == "user"]
        return ChatReply(f"You told me: {' '.join(said)}")


def benchmark(run: Path) -> int:
    with running("repeats", Repeats()) as served:
        policies = ["--policy", served.name, "--policy", "scripted:tailored", "--policy", "scripted:plain"]
        status = main(["evaluate", "--run", str(run), "--turns", "4", *policies])
    return status or main(["report", str(run)])


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        run = Path(sys.argv[1] if len(sys.argv) > 1 else temporary)
        grow(run)
        sys.exit(benchmark(run))
