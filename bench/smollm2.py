"""`local:` on SmolLM2-135M-Instruct, beside transformers' `generate`: `python bench/smollm2.py models/smollm2 [--threads 2]`.

First requests that wait together, of about 50 tokens, with replies of 40; best of 2. Then conversations of 6 turns side by side,
as trees and the benchmark hold them: without any memory of what was read in earlier turns; with as much as there once was for
every model, 2^29 bytes; and with what there is. Some minutes.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import torch
from transformers import AutoTokenizer

from aloe_hub.chat.base import ChatRequest, Sampling
from aloe_hub.chat.local.kv_cache import remembered_on_a_cpu
from aloe_hub.chat.local.model import Local
from aloe_hub.loading import load_model
from aloe_hub.model_string import ModelString
from aloe_hub.source import Source
from aloe_hub.types import Message

SAID = Sampling(temperature=0.0, max_tokens=40)
BATCHES = (1, 8, 32)
CONVERSATIONS, TURNS = 32, 6
SUBJECTS = ("a lighthouse", "an old tram", "the first snow", "a lost letter", "two gardeners", "a night train", "the last bakery")


def story(number: int) -> str:
    """Something to which the reply is longer than what is asked for."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    return f"Write a long story about {subject} and about visitor number {number}, with many details."


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def beside_generate(folder: Path) -> None:
    chat = Local.load(ModelString.parse(f"local:{folder}"), remembered=0)
    model, tokenizer = load_model(Source.parse(str(folder))), AutoTokenizer.from_pretrained(folder, padding_side="left")
    ends = {"eos_token_id": None, "pad_token_id": tokenizer.pad_token_id or 0}

    def generated(prompts: list[str]) -> None:
        messages = [[{"role": "user", "content": one}] for one in prompts]
        batch = tokenizer.apply_chat_template(
            messages, padding=True, add_generation_prompt=True, return_tensors="pt", return_dict=True
        )
        model.generate(**batch, do_sample=False, max_new_tokens=SAID.max_tokens, **ends)  # type: ignore[arg-type,operator]

    def ours(prompts: list[str]) -> None:
        async def ask() -> list[int]:
            asked = (chat.complete(ChatRequest((Message("user", one),), SAID, 0, "policy")) for one in prompts)
            return [reply.tokens_out or 0 for reply in await asyncio.gather(*asked)]

        said = asyncio.run(ask())
        assert min(said) == SAID.max_tokens, "a reply ended: its tokens would be counted, and were not computed"

    print(f"{'at once':>8} {'local:':>8} {'generate':>9}  tokens a second, {torch.get_num_threads()} threads")
    for size in BATCHES:
        prompts = [story(number) for number in range(size)]
        times = [(seconds(lambda: ours(prompts)), seconds(lambda: generated(prompts))) for _ in range(2)]  # noqa: B023
        fast, plain = (size * SAID.max_tokens / min(each) for each in zip(*times, strict=True))
        print(f"{size:8} {fast:8.0f} {plain:9.0f}", flush=True)


def conversations(folder: Path, remembered: int) -> float:
    """Seconds, without loading."""
    chat = Local.load(ModelString.parse(f"local:{folder}"), remembered)

    async def talk(number: int) -> None:
        spoken: tuple[Message, ...] = ()
        for turn in range(TURNS):
            spoken = (*spoken, Message("user", story(number + turn)))
            reply = await chat.complete(ChatRequest(spoken, SAID, turn, "policy"))
            spoken = (*spoken, Message("assistant", reply.text))

    async def all_talk() -> None:
        await asyncio.gather(*map(talk, range(CONVERSATIONS)))

    return seconds(lambda: asyncio.run(all_talk()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="made by scripts/smollm2.py")
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    beside_generate(options.folder)
    for remembered in (0, 2**29, remembered_on_a_cpu()):
        took = conversations(options.folder, remembered)
        print(
            f"{CONVERSATIONS} conversations of {TURNS} turns, {remembered / 2**20:.0f} MiB remembered: {took:.0f} s", flush=True
        )


if __name__ == "__main__":
    main()
