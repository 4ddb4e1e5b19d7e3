"""Prompts → keys and values, from which replies go on. What was read in an earlier turn of a conversation is not read again.

Turn k + 1 of a conversation begins with the very tokens of turn k, and their keys and values were computed then. Over ten turns
that is most of what there is to compute, and on a CPU most of the time. What is remembered is found by its tokens alone, so it is
right for any chat template: one that rewrites the history only shares less.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from operator import eq

import torch
from transformers import DynamicCache, PreTrainedModel
from transformers.cache_utils import DynamicLayer

AT_ONCE = 8  # prompts, of about the same length: padding is computed too, and larger batches read no faster on a CPU
ROOM = 64  # tokens: a buffer that is full grows by so many
SHARE = 8  # of the machine's memory one part in so many is for what was read: SmolLM2-135M needs 46 kB a token
LEAST = 2**29  # bytes, and so much where nobody says how much memory there is

States = tuple[torch.Tensor, torch.Tensor]  # keys and values


def remembered_on_a_cpu() -> int:
    """Bytes for what was read.

    Conversations that go on side by side are read in turn: where all but one of them fit, what is forgotten first is what is
    needed next, and nothing is remembered in time.
    """
    try:
        return max(LEAST, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // SHARE)
    except (AttributeError, ValueError, OSError):  # not on every system
        return LEAST


def next_logits(
    model: PreTrainedModel, tokens: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: DynamicCache
) -> torch.Tensor:
    """What may follow each row of `tokens` [rows, new]: logits [rows, vocabulary]. `mask` [rows, old + new] covers the cache."""
    takes = inspect.signature(model.forward).parameters
    more = {name: value for name, value in (("position_ids", positions), ("logits_to_keep", 1)) if name in takes}
    answer = model(input_ids=tokens, attention_mask=mask, past_key_values=cache, use_cache=True, **more)
    logits: torch.Tensor = answer.logits[:, -1]
    return logits


def read(
    model: PreTrainedModel, prompts: Sequence[list[int]], memory: PrefixCache | None, given_up: Callable[[], bool] = lambda: False
) -> tuple[torch.Tensor, DynamicCache, torch.Tensor] | None:
    """(what may follow each prompt, as logits; a cache with a row for each prompt, at its right end; the mask of that cache).

    None if all was given up meanwhile: many long prompts can take minutes.
    """
    if memory is None:
        cache = DynamicCache(config=model.config)
        tokens, mask, positions = _padded(prompts, [0] * len(prompts), model.device)
        return next_logits(model, tokens, mask, positions, cache), cache, mask
    known = [memory.recall(prompt) for prompt in prompts]
    by_work = sorted(range(len(prompts)), key=lambda row: len(prompts[row]) - len(known[row].tokens))
    logits: dict[int, torch.Tensor] = {}
    for start in range(0, len(prompts), AT_ONCE):
        if given_up():
            return None
        group = by_work[start : start + AT_ONCE]
        cache = _side_by_side(model, [known[row] for row in group])
        tokens, mask, positions = _padded(
            [prompts[row] for row in group], [len(known[row].tokens) for row in group], model.device
        )
        found = next_logits(model, tokens, mask, positions, cache)
        for line, row in enumerate(group):
            logits[row] = found[line]
            known[row] = read_in(cache, line, mask[line], prompts[row])
    _, mask, _ = _padded(prompts, [0] * len(prompts), model.device)
    return torch.stack([logits[row] for row in range(len(prompts))]), _side_by_side(model, known), mask


def _padded(
    prompts: Sequence[list[int]], known: Sequence[int], device: torch.device
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(tokens, mask, positions): what of each prompt is not known yet, as the right ends of the rows of a batch.

    The mask also covers the known tokens, which stand before these, as right ends of rows too.
    """
    old, new = max(known), max(len(prompt) - length for prompt, length in zip(prompts, known, strict=True))
    tokens = torch.zeros((len(prompts), new), dtype=torch.long)
    positions = torch.zeros_like(tokens)
    mask = torch.zeros((len(prompts), old + new), dtype=torch.long)
    for row, (prompt, length) in enumerate(zip(prompts, known, strict=True)):
        start = new - (len(prompt) - length)
        tokens[row, start:] = torch.tensor(prompt[length:])
        positions[row, start:] = torch.arange(length, len(prompt))
        mask[row, old - length : old] = 1
        mask[row, old + start :] = 1
    return tokens.to(device), mask.to(device), positions.to(device)


@dataclass(frozen=True, slots=True)
class Prefix:
    """What was read: tokens, and for each layer their keys and values, each [heads, tokens, size]."""

    tokens: list[int]
    layers: list[States]

    @property
    def bytes(self) -> int:
        return sum(states.numel() * states.element_size() for layer in self.layers for states in layer)


NOTHING = Prefix([], [])


class PrefixCache:
    """The last prompts and replies that were read, within a bound of bytes.

    Only for models whose layers all attend to the whole past: what a sliding window holds cannot be cut to a shorter beginning.
    And only where attention takes a mask with holes: beginnings of unequal length leave them.
    """

    @staticmethod
    def suits(model: PreTrainedModel) -> bool:
        whole = all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers)
        return whole and model.config._attn_implementation in ("sdpa", "eager")

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._held = 0
        self._reads: list[Prefix] = []  # the oldest first

    def recall(self, prompt: Sequence[int]) -> Prefix:
        """The longest beginning of `prompt` that was read before, but never all of it: its last token must say what follows."""
        found, length = NOTHING, 0
        for read in self._reads:
            if (common := _common(read.tokens, prompt)) > length:
                found, length = read, common
        length = min(length, len(prompt) - 1)
        return Prefix(found.tokens[:length], [(keys[:, :length], values[:, :length]) for keys, values in found.layers])

    def keep(self, read: Prefix) -> None:
        """Remember it, in place of what it begins with: of a conversation only the last turn is held."""
        self._reads = [one for one in self._reads if read.tokens[: len(one.tokens)] != one.tokens] + [read]
        self._held = sum(one.bytes for one in self._reads)
        while self._held > self._most:
            self._held -= self._reads.pop(0).bytes

    def forget(self) -> None:
        self._reads, self._held = [], 0


def read_in(cache: DynamicCache, row: int, mask: torch.Tensor, tokens: list[int]) -> Prefix:
    """What a row of a cache holds where `mask` is 1; `tokens` are those, and perhaps some that were not read yet."""
    columns = mask.nonzero().flatten()
    both = [layer.states() for layer in cache.layers if isinstance(layer, PreallocatedLayer)]
    return Prefix(tokens[: len(columns)], [(keys[row][:, columns], values[row][:, columns]) for keys, values in both])


def _side_by_side(model: PreTrainedModel, reads: Sequence[Prefix]) -> DynamicCache:
    """A cache with a row for each of `reads`, at its right end; to the left of the shorter ones are zeros."""
    cache = DynamicCache(config=model.config)
    length = max(len(read.tokens) for read in reads)
    if length == 0:
        cache.layers = [PreallocatedLayer() for _ in cache.layers]
        return cache
    for number in range(len(cache.layers)):
        buffers = []
        for which in (0, 1):
            like = next(read.layers[number][which] for read in reads if read.tokens)
            buffer = like.new_zeros((len(reads), like.shape[0], length + ROOM, like.shape[2]))
            for row, read in enumerate(reads):
                if read.tokens:
                    buffer[row, :, length - len(read.tokens) : length] = read.layers[number][which]
            buffers.append(buffer)
        cache.layers[number] = PreallocatedLayer(length, *buffers)
    return cache


class PreallocatedLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """One layer's keys and values, each [rows, heads, tokens, size], in buffers with room for more tokens.

    transformers' own layer copies all of them for every token.
    """

    def __init__(self, length: int = 0, *buffers: torch.Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._buffers = buffers
        if buffers:
            self._show(length)

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: object, **kwargs: object) -> States:
        start = self.get_seq_length()
        end = start + key_states.shape[2]
        if not self._buffers:
            self._buffers = _with_room(key_states), _with_room(value_states)
        elif end > self._buffers[0].shape[2]:
            keys, values = self.states()
            self._buffers = _with_room(torch.cat([keys, key_states], 2)), _with_room(torch.cat([values, value_states], 2))
        else:
            for buffer, states in zip(self._buffers, (key_states, value_states), strict=True):
                buffer[:, :, start:end] = states
        return self._show(end)

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        keys, values = self.states()
        self._buffers = _with_room(keys[indices]), _with_room(values[indices])
        self._show(keys.shape[2])

    def states(self) -> States:
        assert self.keys is not None
        assert self.values is not None
        return self.keys, self.values

    def _show(self, length: int) -> States:
        """Let the buffers hold `length` tokens."""
        self.is_initialized = True
        self.keys, self.values = (buffer[:, :, :length] for buffer in self._buffers)
        return self.states()


def _with_room(states: torch.Tensor) -> torch.Tensor:
    rows, heads, tokens, size = states.shape
    buffer = states.new_empty((rows, heads, tokens + ROOM, size))
    buffer[:, :, :tokens] = states
    return buffer


def _common(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike."""
    return sum(1 for _ in takewhile(bool, map(eq, first, second)))
