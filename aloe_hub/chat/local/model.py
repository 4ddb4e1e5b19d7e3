"""A model in this process: `local:org/model[@rev][+org/adapter[@rev]]`, folders and `pocket` too.

Requests that wait together are generated as one batch, in a thread, so that the event loop goes on meanwhile. The replies of a
batch are given together, when the last has ended: conversations that go on side by side stay in step, and their next requests are
one batch again, the same one in every run. One that is heard while it is said is in the batch like any other.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from logging import getLogger
from typing import Any
from weakref import WeakValueDictionary

import torch
from jinja2 import TemplateError
from peft import LoraConfig
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from aloe_hub.chat.base import ChatReply, ChatRequest
from aloe_hub.chat.local.decoding import GenerationRequest, generate
from aloe_hub.chat.local.kv_cache import PrefixCache, remembered_on_a_cpu
from aloe_hub.chat.pieces import REASONING, Pieces, answered, before
from aloe_hub.errors import ChatError, DataError
from aloe_hub.loading import load_adapter, load_model, load_tokenizer, template_kwargs_of, write_chats_with
from aloe_hub.model_string import ModelString

MOST_ROWS = 128  # in a batch; more gain little on a CPU and need more memory
QUIET = 16  # turns of the event loop without a new request, after which all that can come at once has come
# What PyTorch says when memory is out; it has a class of its own only for some devices.
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")

_log = getLogger(__name__)
_open: WeakValueDictionary[str, Local] = WeakValueDictionary()


def open_local(model: ModelString) -> Local:
    """`Local.load`, but roles that name the same model share it, as long as one of them lives."""
    found = _open.get(str(model))
    if found is None:
        found = _open[str(model)] = Local.load(model)
    return found


def load_speaker(model: ModelString) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model that a `local:` string names, as it speaks, and its tokenizer.

    Raises:
        DataError, AloeError: it is not there, or cannot be loaded.
    """
    assert model.base is not None
    tokenizer, base = load_tokenizer(model.base), load_model(model.base)
    if base._is_stateful:
        raise DataError(f"{model}: its state would be spoilt by the padding of a batch; take a model that is all attention")
    write_chats_with(tokenizer, template_kwargs_of(model.adapter or model.base))
    if model.adapter is not None:
        adapted = load_adapter(base, model.adapter)
        config = adapted.active_peft_config
        if config.is_prompt_learning:
            raise DataError(f"{model}: the adapter is made of prompts; only adapters of weights, such as LoRA, are read")
        # Merged it costs nothing; but half precision would round the sum, and the replies would not be the trained ones.
        merge = isinstance(config, LoraConfig) and base.dtype == torch.float32
        base = adapted.merge_and_unload() if merge else adapted.get_base_model()  # type: ignore[assignment]
    return base, tokenizer


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: ChatRequest
    prompt: list[int]
    reply: asyncio.Future[ChatReply]
    hear: Callable[[str], None] | None  # told after each token, in the thread, the text up to there


class Local:
    """A `Chat` over a model and its tokenizer. One event loop uses it at a time; one after another may."""

    def __init__(
        self, name: str, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, remembered: int | None = None
    ) -> None:
        self._name = name
        self._model = model
        self._tokenizer = tokenizer
        self._ends = _ends(model, tokenizer)
        # As `generate` would: a model may say how long its replies are, and does not ramble on when it has lost its way.
        generation = model.generation_config
        self._longest_reply: int = (generation.max_new_tokens if generation else None) or sys.maxsize
        self._longest: int | None = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        if remembered is None:  # a GPU reads a prompt quickly, and its memory is better spent on larger batches
            remembered = remembered_on_a_cpu() if model.device.type == "cpu" else 0
        self._memory = PrefixCache(remembered) if PrefixCache.suits(model) else None
        self._most_rows = MOST_ROWS
        self._waiting: list[_Waiting] = []
        self._worker: asyncio.Task[None] | None = None

    @classmethod
    def load(cls, model: ModelString, remembered: int | None = None) -> Local:
        """What a `local:` string names. Of earlier turns `remembered` bytes are kept, by default what suits the device.

        Raises:
            DataError, AloeError: it is not there, or cannot be loaded.
        """
        return cls(str(model), *load_speaker(model), remembered)

    async def complete(self, request: ChatRequest) -> ChatReply:
        return await self._reply(request)

    async def stream(self, request: ChatRequest, say: Callable[[str], None]) -> ChatReply:
        loop = asyncio.get_running_loop()
        pieces = Pieces((*request.sampling.stop, *REASONING))

        def hear(text: str) -> None:
            if piece := pieces.grown(answered(text)):
                loop.call_soon_threadsafe(say, piece)

        reply = await self._reply(request, hear)
        if reply.thoughts and not reply.text.startswith(pieces.said):
            return reply
        if rest := pieces.rest(reply.text):
            say(rest)
        return replace(reply, text=pieces.said)

    async def _reply(self, request: ChatRequest, hear: Callable[[str], None] | None = None) -> ChatReply:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(request, self._prompt(request), loop.create_future(), hear)
        if self._worker is None or self._worker.done() or self._worker.get_loop() is not loop:
            self._waiting = []  # whoever waited in a loop that has ended waits no more
            self._worker = loop.create_task(self._work())
        self._waiting.append(waiting)
        return await waiting.reply

    def _prompt(self, request: ChatRequest) -> list[int]:
        messages = [{"role": message.role, "content": message.content} for message in request.messages]
        try:
            told = request.sampling.extra_fields.get("chat_template_kwargs") or {}
            prompt: Any = self._tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False, **told)
        except (TemplateError, TypeError, ValueError) as error:
            roles = ", ".join(message.role for message in request.messages)
            raise ChatError(f"{self._name}: its chat template refuses messages of {roles} ({error})") from None
        if self._longest is not None and len(prompt) >= self._longest:
            raise ChatError(
                f"{self._name}: a prompt of {len(prompt)} tokens, and the model reads {self._longest} with its reply; "
                "take fewer turns, or a model that reads more"
            )
        return list(prompt)

    async def _work(self) -> None:
        """Answer until nobody waits."""
        while batch := await self._gathered():
            stop = threading.Event()
            try:
                replies = await asyncio.to_thread(self._answers, batch, stop)
            except asyncio.CancelledError:
                stop.set()  # the thread ends with its next token
                for waiting in batch:
                    waiting.reply.cancel()
                raise
            except Exception as error:
                replies = [error] * len(batch)
            for waiting, reply in zip(batch, replies, strict=True):
                if waiting.reply.done():  # nobody waits for it any more
                    continue
                if isinstance(reply, ChatReply):
                    waiting.reply.set_result(reply)
                else:
                    waiting.reply.set_exception(reply)

    async def _gathered(self) -> list[_Waiting]:
        """The next batch: whoever waits, once nobody else who is ready to join is left."""
        quiet = 0
        while quiet < QUIET and len(self._waiting) < self._most_rows:
            before = len(self._waiting)
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self._waiting) == before else 0
        waiting = [one for one in self._waiting if not one.reply.done()]
        self._waiting = waiting[self._most_rows :]
        return waiting[: self._most_rows]

    def _answers(self, batch: Sequence[_Waiting], stop: threading.Event) -> list[ChatReply | Exception]:
        """The replies, in a thread. When memory is out, of one half of the batch after the other."""
        _log.debug("%s: a batch of %d", self._name, len(batch))
        asked = [self._asked(waiting, stop) for waiting in batch]
        try:
            said = generate(self._model, asked, self._ends, self._memory)
        except (RuntimeError, MemoryError) as error:
            if not isinstance(error, MemoryError) and not any(text in str(error) for text in _OUT_OF_MEMORY):
                raise
        else:
            return [self._read(one, tokens) for one, tokens in zip(asked, said, strict=True)]
        # Here, and not in the handler, whose error would keep the tensors of the failed batch alive.
        if self._memory is not None:
            self._memory.forget()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if len(batch) == 1:
            length = len(batch[0].prompt)
            return [ChatError(f"{self._name}: out of memory at a prompt of {length} tokens; take fewer turns or a smaller model")]
        half = self._most_rows = (len(batch) + 1) // 2
        return [*self._answers(batch[:half], stop), *self._answers(batch[half:], stop)]

    def _asked(self, waiting: _Waiting, stop: threading.Event) -> GenerationRequest:
        most = min(waiting.request.sampling.max_tokens, self._longest_reply)
        if self._longest is not None:
            most = min(most, self._longest - len(waiting.prompt))
        given_up = lambda: stop.is_set() or waiting.reply.cancelled()  # noqa: E731
        sampling = waiting.request.sampling
        enough = partial(self._heard, waiting) if waiting.hear or sampling.stop else None
        return GenerationRequest(waiting.prompt, sampling, most, waiting.request.seed, given_up, enough)

    def _heard(self, waiting: _Waiting, tokens: list[int]) -> bool:
        """Whether a stop string was said; until then, who listens is told."""
        text, stopped = before(self._text(tokens), waiting.request.sampling.stop)
        if waiting.hear and not stopped:
            waiting.hear(text)
        return stopped

    def _read(self, asked: GenerationRequest, tokens: list[int]) -> ChatReply:
        text, stopped = before(self._text(tokens), asked.sampling.stop)
        cut = len(tokens) == asked.most and not stopped
        return ChatReply.received(text, cut=cut, tokens_in=len(asked.prompt), tokens_out=len(tokens))

    def _text(self, tokens: list[int]) -> str:
        return str(self._tokenizer.decode(tokens, skip_special_tokens=True))


def _ends(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> frozenset[int]:
    """The tokens that end a reply: there may be several, and the tokenizer may know one more than the model."""
    found = model.generation_config.eos_token_id if model.generation_config else None
    return frozenset([*(found if isinstance(found, list) else [found]), tokenizer.eos_token_id]) - {None}
