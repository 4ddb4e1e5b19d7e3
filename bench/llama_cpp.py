"""A language model behind a server of another make: SmolLM2's GGUF on llama.cpp's server.

    python scripts/smollm2.py models/smollm2.gguf
    python bench/llama_cpp.py models/smollm2.gguf [--calls 20] [--threads 2] [--local models/smollm2] [--only roles|speed]

First tokens a second at 1, 8 and 32 requests at once; with `--local`, in turns with `local:` on the same weights, unpacked to
float32. Then the roles, for which any machine will do: each is asked about so many forks of scripted trees, by the prompts of a
run, in text and, where its answer has a schema, with `--structured`. Printed: the share of answers that could be read at the
first attempt, and after all attempts.
The server is that of llama-cpp-python, compiled once in an environment of its own, `.llama`.
"""

from __future__ import annotations

import argparse
import asyncio
import socket
import subprocess
import sys
import time
import urllib.request
import venv
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a checkout need not be installed

from aloe_hub import parsing, prompts
from aloe_hub.chat.base import Chat, ChatReply, ChatRequest
from aloe_hub.chat.traffic import Limits, Traffic
from aloe_hub.errors import ParseError
from aloe_hub.rubrics import DEFAULT, RUBRICS
from aloe_hub.stages import roles
from aloe_hub.stages.pool import EXAMPLES, PER_ROUND
from aloe_hub.stages.trees import grow
from aloe_hub.types import Exchange, Message, Persona
from aloe_hub.world.speaking import personality_text, profile_text
from bench.smollm2 import BATCHES, SAID, story

ENVIRONMENT = Path(".llama")
SERVER = "llama-cpp-python[server]==0.3.36"
TURNS = 5  # of each tree whose forks are asked about
# A run allows more, 4,096 to the generator of profiles, which so small a model fills with the same line.
CAPPED = {role: {"max_tokens": 192} for role in ("inferrer", "tailored", "plain", "profile generator")}


@dataclass(frozen=True, slots=True)
class Fork:
    """A fork of a scripted tree: what a role is asked about."""

    persona: Persona
    spoken: tuple[Message, ...]  # before the user's message
    exchange: Exchange
    call: roles.Call


@dataclass(slots=True)
class Counted:
    """`chat`, and how often it was asked."""

    chat: Chat
    calls: int = 0

    async def complete(self, request: ChatRequest) -> ChatReply:
        self.calls += 1
        return await self.chat.complete(request)


def _pair(chat: Chat, fork: Fork) -> Awaitable[object]:
    first, second = (reply.text for reply in fork.exchange.replies)
    prompt = roles.pairwise_prompt(fork.persona, fork.spoken, fork.exchange.user, (first, second))
    return roles.ask(chat, "judge", prompt, fork.call, parsing.verdict)


def _score(chat: Chat, fork: Fork) -> Awaitable[object]:
    return roles.judged(chat, fork.persona, fork.spoken, fork.exchange.user, fork.exchange.replies[0].text, fork.call)


def _tailored(chat: Chat, fork: Fork) -> Awaitable[object]:
    return roles.tailored_reply(chat, fork.spoken, fork.exchange.user, fork.exchange.inferred, fork.call)


def _profiles(chat: Chat, fork: Fork) -> Awaitable[object]:
    random = Random(fork.call.conversation)
    examples = prompts.listed([profile_text(random) for _ in range(EXAMPLES)])
    prompt = roles.prompted("profile_generator", examples=examples, count=str(PER_ROUND))
    return roles.ask(chat, "profile", prompt, fork.call, parsing.candidates)


def _asked(fork: Fork) -> tuple[Message, ...]:
    return (*fork.spoken, Message("user", fork.exchange.user))


# What a role is asked, and by which prompt its schema is found.
ROLES: dict[str, tuple[Callable[[Chat, Fork], Awaitable[object]], str | None]] = {
    "user": (lambda chat, fork: roles.user_message(chat, fork.persona, fork.spoken, fork.call), None),
    "inferrer": (lambda chat, fork: roles.inferred(chat, _asked(fork), fork.call), "inferrer"),
    "tailored": (_tailored, None),
    "plain": (lambda chat, fork: roles.plain_reply(chat, fork.spoken, fork.exchange.user, fork.call), None),
    "policy": (lambda chat, fork: roles.policy_reply(chat, _asked(fork), fork.call), None),
    "judge of pairs": (_pair, "pairwise_judge"),
    "judge of scores": (_score, RUBRICS[DEFAULT].prompt),
    "profile generator": (_profiles, "profile_generator"),
}


def forks(count: int) -> list[Fork]:
    """Forks of as many scripted trees as that takes."""
    cast, random = (
        roles.Cast.of(dict.fromkeys(("user", "inferrer", "tailored", "plain", "judge"), "scripted"), Traffic()),
        Random(0),
    )
    found: list[Fork] = []
    while len(found) < count:
        persona = Persona(profile_text(random), personality_text(random))
        tree = asyncio.run(grow(persona, cast, tree_id=str(len(found)), turns=TURNS))
        for turn, exchange in enumerate(tree.exchanges):
            found.append(Fork(persona, tree.spoken(turn)[:-1], exchange, roles.Call(tree.tree_id, turn)))
    return found[:count]


def readable(traffic: Traffic, model: str, role: str, structured: bool, about: list[Fork]) -> tuple[float, float]:
    """The share of answers read at the first attempt, and after all."""
    asking, prompt = ROLES[role]
    chat = roles.tuned(traffic.open(model), role, CAPPED, prompt if structured else None)

    async def one(fork: Fork) -> int:
        """After how many attempts; 0: after none."""
        counted = Counted(chat)
        try:
            await asking(counted, fork)
        except ParseError:
            return 0
        return counted.calls

    async def every() -> list[int]:
        return [await one(fork) for fork in about]  # one by one: asked again, the server still knows the prompt

    attempts = traffic.run(every())
    return attempts.count(1) / len(attempts), 1 - attempts.count(0) / len(attempts)


def tokens_a_second(traffic: Traffic, model: str, at_once: int) -> float:
    chat = traffic.open(model)

    async def ask() -> list[int]:
        asked = [ChatRequest((Message("user", story(number)),), SAID, 0, "policy") for number in range(at_once)]
        return [reply.tokens_out or 0 for reply in await asyncio.gather(*map(chat.complete, asked))]

    began = time.perf_counter()
    said = traffic.run(ask())
    return sum(said) / (time.perf_counter() - began)


@contextmanager
def serving(gguf: Path, threads: int) -> Iterator[str]:
    """The model string of the GGUF behind llama.cpp's server, which ends with the block."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", SERVER], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    where = ("--host", "127.0.0.1", "--port", str(port), "--model", str(gguf), "--model_alias", "smollm2")
    command = [str(python), "-m", "llama_cpp.server", *where, "--n_ctx", "8192", "--n_threads", str(threads)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=5).close()
                break
            except OSError:
                if server.poll() is not None:
                    raise SystemExit(f"llama.cpp's server ended at once: {' '.join(command)}") from None
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1#smollm2"
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=Path)
    parser.add_argument("--calls", type=int, default=20, help="of each role")
    parser.add_argument("--threads", type=int, default=2, help="of the server, and of local:")
    parser.add_argument("--only", choices=("roles", "speed"), help="one of the two; the roles take an hour or two")
    parser.add_argument("--role", action="append", choices=tuple(ROLES), help="this role alone; may be repeated")
    parser.add_argument("--local", type=Path, help="the same model as a folder, to compare tokens a second with")
    options = parser.parse_args()
    with serving(options.gguf, options.threads) as model:
        traffic = Traffic(Limits(concurrency=max(BATCHES), timeout=600))
        if options.only != "roles":
            torch.set_num_threads(options.threads)
            speeds(traffic, {"llama.cpp": model} | ({"local:": f"local:{options.local}"} if options.local else {}))
        if options.only != "speed":
            print("\n| role | text: at once | after all | structured: at once | after all |\n|---|---|---|---|---|", flush=True)
            about = forks(options.calls)
            for role in options.role or ROLES:
                prompt = ROLES[role][1]
                ways = [
                    readable(traffic, model, role, structured, about) for structured in ((False, True) if prompt else (False,))
                ]
                cells = [f"{share:.0%}" for way in ways for share in way] + ["–"] * (4 - 2 * len(ways))
                print(f"| {role} | {' | '.join(cells)} |", flush=True)


def speeds(traffic: Traffic, models: Mapping[str, str]) -> None:
    print(f"Tokens a second:\n\n| at once | {' | '.join(models)} |\n|{'---|' * (len(models) + 1)}", flush=True)
    for at_once in BATCHES:
        best = [max(tokens_a_second(traffic, one, at_once) for _ in range(2)) for one in models.values()]
        print(f"| {at_once} | {' | '.join(f'{one:.0f}' for one in best)} |", flush=True)


if __name__ == "__main__":
    main()
