"""Models behind an endpoint that takes 50 ms for each call: how near the wall time comes to the least that it can be.

    python bench/endpoints.py [TREES]

In one process first, with answers of the scripted world that were made beforehand: what is measured is how requests are
scheduled, wrapped and booked. Then over HTTP, with `aloe serve` behind a proxy that delays: there the client's own work for a
call, more than a millisecond of one core, bounds how many can be made in a second.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from aloe_hub.chat import open_chat
from aloe_hub.chat.base import ChatReply, ChatRequest
from aloe_hub.chat.ledger import Ledger
from aloe_hub.chat.scripted import Scripted
from aloe_hub.chat.traffic import Limits, Traffic
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.imports import import_authors
from aloe_hub.stages.pairing import Pairing
from aloe_hub.stages.trees import ROLES, TreeSettings, grow_all
from aloe_hub.world.speaking import personality_text, profile_text

LATENCY = 0.05
CONCURRENCY = 32
ONE_AT_A_TIME = 4  # trees that the sequential loop is measured on
MODEL = "http://127.0.0.1:1/v1#scripted"
PROXY = str(Path(__file__).parents[1] / "tests" / "chat" / "faulty.py")


@dataclass
class Recorded:
    """The scripted world, remembered by the seed that names a call."""

    replies: dict[int, ChatReply] = field(default_factory=dict)

    async def complete(self, request: ChatRequest) -> ChatReply:
        self.replies[request.seed] = await Scripted().complete(request)
        return self.replies[request.seed]

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class Delayed(Recorded):
    async def complete(self, request: ChatRequest) -> ChatReply:
        await asyncio.sleep(LATENCY)
        return self.replies[request.seed]


def grown(run: RunFolder, trees: int, chat: Recorded | None, concurrency: int, model: str = MODEL) -> float:
    """Seconds to grow so many trees, all roles played by `chat` as if it were behind an endpoint, or by a real endpoint."""
    opener = open_chat if chat is None else lambda model, timeout: chat
    for path in run.path.glob("*trees*"):
        path.unlink()
    for name in ("run.toml", "calls.jsonl"):
        run.file(name).unlink(missing_ok=True)
    settings = TreeSettings(models=dict.fromkeys(ROLES, model), limit=trees)
    start = time.perf_counter()
    with Ledger(run.file("calls.jsonl")) as ledger:
        grow_all(run, settings, traffic=Traffic(Limits(concurrency), ledger, opener))
    return time.perf_counter() - start


def one_after_another(replies: dict[int, ChatReply], calls: int) -> float:
    """Seconds for a plain loop that makes the same calls, waiting for each."""

    async def loop() -> None:
        for seed in list(replies)[:calls]:
            await asyncio.sleep(LATENCY)
            replies[seed]

    start = time.perf_counter()
    asyncio.run(loop())
    return time.perf_counter() - start


def pool(folder: Path, profiles: int) -> RunFolder:
    random = Random(0)
    for name, text, number in (("profile", profile_text, profiles), ("personality", personality_text, 20)):
        lines = (json.dumps(text(random)) for _ in range(number))
        Path(folder, f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    run = RunFolder(folder / "run")
    import_authors(folder, run, Pairing(pairings=5, test_profiles=0))
    return run


def main() -> None:
    trees = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    with tempfile.TemporaryDirectory() as folder:
        run = pool(Path(folder), (trees + 4) // 5)
        recorded = Recorded()
        grown(run, trees, recorded, CONCURRENCY)
        calls = len(recorded.replies)
        delayed = Delayed(recorded.replies)
        seconds = grown(run, trees, delayed, CONCURRENCY)
        least = calls * LATENCY / CONCURRENCY
        print(
            f"{trees} trees, {calls} calls of {LATENCY * 1000:.0f} ms, {CONCURRENCY} at once: {seconds:.2f} s; "
            f"the least is {least:.2f} s: {seconds / least:.3f} times",
            flush=True,
        )
        few = calls * ONE_AT_A_TIME // trees
        plain = one_after_another(recorded.replies, few) / ONE_AT_A_TIME
        print(
            f"one call after another: {plain:.2f} s a tree, beside {seconds / trees:.3f} s: {plain * trees / seconds:.1f} times"
        )
        alone = grown(run, 1, delayed, CONCURRENCY)
        print(f"one tree alone: {alone:.2f} s, {alone / LATENCY:.1f} calls in sequence for 10 turns and the last verdict")
        over_http(run, trees)


def over_http(run: RunFolder, trees: int) -> None:
    """The same with real requests: a server and a proxy in processes of their own."""
    with process("-m", "aloe_hub.cli.app", "serve", "--model", "scripted") as upstream:
        delay = f"{LATENCY * 1000:.0f}"
        with process(PROXY, "--upstream", upstream, "--share", "0", "--delay-ms", delay) as base_url:
            start = time.process_time()
            seconds = grown(run, trees, None, CONCURRENCY, f"{base_url}#scripted")
            cpu = time.process_time() - start
    with run.file("calls.jsonl").open() as lines:
        calls = sum(1 for _ in lines)
    least = calls * LATENCY / CONCURRENCY
    each = f"{cpu / calls * 1000:.2f} ms of CPU a call"
    print(f"over HTTP: {calls} calls, {seconds:.2f} s: {seconds / least:.3f} times the least; {each}")


@contextmanager
def process(*arguments: str) -> Iterator[str]:
    """A server in a process of its own, and the base URL that it says first."""
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().removeprefix("base_url: ").strip()
        finally:
            server.terminate()
            server.communicate()


if __name__ == "__main__":
    main()
