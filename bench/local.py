"""A `local:` model with many requests at once, beside one by one and beside transformers' `generate`: `python bench/local.py`.

The model has the size of the pocket model and random weights: a Llama of 4 layers, 144 wide, with 2,048 tokens. First prompts
that have nothing in common, of 100 to 300 tokens, with replies of 40; best of 2. Then conversations of 10 turns, with and without
the memory of what was read in earlier turns. Less than a minute on one core.

`python bench/local.py --continuous` compares with transformers' own continuous batching instead: the same prompts by turns in one
process, the best of 3 each, and whether the replies are the same, batched and one by one.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from aloe_hub.chat.base import ChatRequest, Sampling
from aloe_hub.chat.local.decoding import GenerationRequest, generate
from aloe_hub.chat.local.model import Local
from aloe_hub.loading import load_model
from aloe_hub.model_string import ModelString
from aloe_hub.source import Source
from aloe_hub.types import Message

SPECIAL = ("<pad>", "<end>", "<user>", "<assistant>")
LETTERS = [chr(0x4E00 + number) for number in range(2048 - len(SPECIAL))]  # each is one token
TEMPLATE = "{% for message in messages %}<{{ message.role }}>{{ message.content }}<end>{% endfor %}<assistant>"
BATCHES = (1, 8, 32, 100)
SAID = Sampling(temperature=0.0, max_tokens=40)
CONVERSATIONS, TURNS = 16, 10


def model_of_the_pockets_size(folder: Path) -> LlamaForCausalLM:
    """Saved in `folder`, with a tokenizer. It never ends a reply by itself, so that all replies are as long as asked for."""
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": 2048,
        "hidden_size": 144,
        "intermediate_size": 384,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
    }
    model = LlamaForCausalLM(LlamaConfig(**shape, max_position_embeddings=4096, bos_token_id=None, eos_token_id=1))
    model.train(mode=False)
    with torch.no_grad():
        model.lm_head.weight[: len(SPECIAL)] = 0
        model.lm_head.weight[len(SPECIAL) :] *= 100
    model.save_pretrained(folder)
    words = Tokenizer(models.BPE({token: number for number, token in enumerate((*SPECIAL, *LETTERS))}, []))
    words.decoder = decoders.Fuse()
    words.add_special_tokens(list(SPECIAL))
    special = {"pad_token": "<pad>", "eos_token": "<end>", "chat_template": TEMPLATE}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, **special)  # type: ignore[no-untyped-call]
    tokenizer.save_pretrained(folder)
    return model


def text(random: Random, low: int, high: int) -> str:
    return "".join(random.choices(LETTERS, k=random.randint(low, high)))


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def tokens_a_second(answer: Callable[[list[str]], None], batches: list[list[str]]) -> float:
    def all_batches() -> None:
        for prompts in batches:
            answer(prompts)

    best = min(seconds(all_batches) for _ in range(2))
    return sum(len(prompts) for prompts in batches) * SAID.max_tokens / best


def at_once(chat: Local, prompts: list[str]) -> None:
    async def ask() -> None:
        await asyncio.gather(*(chat.complete(ChatRequest((Message("user", one),), SAID, 0, "policy")) for one in prompts))

    asyncio.run(ask())


def beside_one_by_one(folder: Path, model: LlamaForCausalLM) -> None:
    random, chat = Random(0), Local.load(ModelString.parse(f"local:{folder}"), remembered=0)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder, padding_side="left")

    def generate(prompts: list[str]) -> None:
        messages = [[{"role": "user", "content": one}] for one in prompts]
        batch = tokenizer.apply_chat_template(messages, padding=True, return_tensors="pt")
        model.generate(**batch, do_sample=False, max_new_tokens=SAID.max_tokens)  # type: ignore[misc]

    print(f"tokens a second, replies of {SAID.max_tokens} tokens, {torch.get_num_threads()} threads")
    print(f"{'at once':>8} {'local:':>8} {'to one by one':>14} {'generate':>9} {'local: to it':>13}")
    alone = 0.0
    for size in BATCHES:
        batches = [[text(random, 100, 300) for _ in range(size)] for _ in range(max(1, 8 // size))]
        fast, plain = tokens_a_second(lambda prompts: at_once(chat, prompts), batches), tokens_a_second(generate, batches)
        alone = alone or fast
        print(f"{size:8} {fast:8.0f} {fast / alone:14.1f} {plain:9.0f} {fast / plain:13.1f}", flush=True)


def conversations(chat: Local) -> None:
    async def talk(number: int) -> None:
        random = Random(number)
        spoken: tuple[Message, ...] = ()
        for turn in range(TURNS):
            spoken = (*spoken, Message("user", text(random, 15, 35)))
            reply = await chat.complete(ChatRequest(spoken, SAID, turn, "policy"))
            spoken = (*spoken, Message("assistant", reply.text))

    async def all_talk() -> None:
        await asyncio.gather(*map(talk, range(CONVERSATIONS)))

    asyncio.run(all_talk())


def with_and_without_memory(folder: Path) -> None:
    said = CONVERSATIONS * TURNS * SAID.max_tokens
    with_memory = seconds(lambda: conversations(Local.load(ModelString.parse(f"local:{folder}"))))
    without = seconds(lambda: conversations(Local.load(ModelString.parse(f"local:{folder}"), remembered=0)))
    print(
        f"{CONVERSATIONS} conversations of {TURNS} turns at once: {said / with_memory:.0f} tokens a second, "
        f"{said / without:.0f} without the memory of earlier turns, ratio {without / with_memory:.1f}"
    )


def beside_continuous_batching(folder: Path) -> None:
    ours, paged = load_model(Source(str(folder))), load_model(Source(str(folder)), attention="paged|sdpa")
    greedy = GenerationConfig(do_sample=False, max_new_tokens=SAID.max_tokens, eos_token_id=1, pad_token_id=0)  # type: ignore[no-untyped-call]

    def by_ours(prompts: list[list[int]]) -> list[list[int]]:
        rows = [GenerationRequest(prompt, SAID, SAID.max_tokens, 0, lambda: False) for prompt in prompts]
        return generate(ours, rows, frozenset([1]), None)

    def by_theirs(prompts: list[list[int]]) -> list[list[int]]:
        # As many pages as these prompts and replies fill: it computes attention over all that there are.
        pages = ContinuousBatchingConfig(page_size=32, num_blocks=12 * len(prompts), max_batch_tokens=4096)
        found = paged.generate_batch(prompts, greedy, pages)  # type: ignore[operator]
        return [found[name].generated_tokens for name in sorted(found, key=lambda name: int(name.rpartition("_")[2]))]

    random = Random(0)
    for size in BATCHES:
        prompts = [random.choices(range(len(SPECIAL), 2048), k=random.randint(100, 300)) for _ in range(size)]
        times = [(seconds(lambda: by_ours(prompts)), seconds(lambda: by_theirs(prompts))) for _ in range(3)]  # noqa: B023
        fast, continuous = map(min, zip(*times, strict=True))
        replies, alone = by_theirs(prompts), [by_theirs([prompt])[0] for prompt in prompts[:8]]
        print(
            f"{size} at once on {ours.device}: continuous batching is {fast / continuous:.2f} times as fast as ours; "
            f"replies as ours: {replies == by_ours(prompts)}, as one by one: {replies[:8] == alone}",
            flush=True,
        )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        model = model_of_the_pockets_size(Path(name))
        if "--continuous" in sys.argv:
            beside_continuous_batching(Path(name))
        else:
            beside_one_by_one(Path(name), model)
            with_and_without_memory(Path(name))
