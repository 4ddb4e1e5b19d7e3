"""Prompts → replies, as one left-padded batch: every row with its own temperature, top_p, length and seed.

transformers' `generate` has one setting and one seed for a batch; here what a row says does not depend on who else is in the
batch, beyond the rounding of floats. How a token is drawn is the request's own business, not the model's generation config's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from transformers import PreTrainedModel

from aloe_hub.chat.base import Sampling
from aloe_hub.chat.local.kv_cache import PrefixCache, next_logits, read, read_in
from aloe_hub.errors import ChatError

DROP = 3  # rows that have ended leave the batch once they are one in so many: taking them out copies what the others have read


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """One row: the prompt's tokens, how the next one is drawn, and at most how many."""

    prompt: list[int]
    sampling: Sampling
    most: int
    seed: int
    given_up: Callable[[], bool]  # whether nobody waits for it any more
    enough: Callable[[list[int]], bool] | None = None  # asked after each token whether what was said so far is all


@torch.inference_mode()
def generate(
    model: PreTrainedModel, asked: Sequence[GenerationRequest], ends: frozenset[int], memory: PrefixCache | None
) -> list[list[int]]:
    """The reply to each prompt, without the token that ended it; what there is of one that was given up.

    One of `most` tokens is one that no end token ended.

    Raises:
        ChatError: the model computes no numbers.
    """
    said: list[list[int]] = [[] for _ in asked]
    begun = read(model, [one.prompt for one in asked], memory, lambda: all(one.given_up() for one in asked))
    if begun is None:
        return said
    logits, cache, mask = begun
    positions = mask.sum(1, keepdim=True)
    draws = _Draws.of(asked, model.device)
    lines = list(range(len(asked)))  # which of `asked` each line of the batch is
    talking = set(lines)
    for step in count():
        if not logits.isfinite().any(-1).all():
            raise ChatError(f"{model.name_or_path}: computes no numbers; its weights are broken, or too large for {model.dtype}")
        drawn = draws.next(logits, step)
        for line, (number, token) in enumerate(zip(lines, drawn.tolist(), strict=True)):
            if number not in talking:
                continue
            one = asked[number]
            if token not in ends:
                said[number].append(token)
            if one.given_up():
                talking.remove(number)
            elif token in ends or len(said[number]) == one.most or (one.enough and one.enough(said[number])):
                talking.remove(number)
                if memory is not None:
                    memory.keep(read_in(cache, line, mask[line], [*one.prompt, *said[number]]))
        if not talking:
            break
        if (len(lines) - len(talking)) * DROP >= len(lines):
            left = torch.tensor([line for line, number in enumerate(lines) if number in talking], device=model.device)
            lines = [number for number in lines if number in talking]
            drawn, mask, positions, draws = drawn[left], mask[left], positions[left], draws.of_lines(left)
            cache.batch_select_indices(left)
        mask = torch.cat([mask, mask.new_ones(len(lines), 1)], 1)
        logits = next_logits(model, drawn[:, None], mask, positions, cache)
        positions = positions + 1
    return said


@dataclass(frozen=True, slots=True)
class _Draws:
    """How each line of the batch draws its tokens. All [lines, …], in the dtype that chances are computed in."""

    temperature: torch.Tensor  # [lines, 1]; 0 is greedy
    top_p: torch.Tensor  # [lines, 1]
    numbers: torch.Tensor  # [lines, tokens], uniform in [0, 1): of the row's own seed, so that no other row disturbs it

    @classmethod
    def of(cls, asked: Sequence[GenerationRequest], device: torch.device) -> _Draws:
        dtype = torch.float32 if device.type == "mps" else torch.float64  # Apple's GPUs have no float64
        numbers = torch.zeros((len(asked), max(one.most for one in asked)), dtype=torch.float64)
        for line, one in enumerate(asked):
            own = torch.Generator().manual_seed(one.seed)
            numbers[line, : one.most] = torch.rand(one.most, generator=own, dtype=torch.float64)
        settings = torch.tensor([(one.sampling.temperature, one.sampling.top_p) for one in asked], dtype=torch.float64)
        temperature, top_p, numbers = (values.to(dtype).to(device) for values in (settings[:, :1], settings[:, 1:], numbers))
        return cls(temperature, top_p, numbers)

    def of_lines(self, lines: torch.Tensor) -> _Draws:
        return _Draws(self.temperature[lines], self.top_p[lines], self.numbers[lines])

    def next(self, logits: torch.Tensor, step: int) -> torch.Tensor:
        """The token that each line draws, [lines], from [lines, vocabulary]."""
        best = logits.argmax(-1)
        greedy = self.temperature == 0
        if greedy.all():
            return best
        chances = (logits.to(self.numbers.dtype) / self.temperature.where(~greedy, 1)).softmax(-1)
        if (self.top_p < 1).any():
            # The likeliest tokens until they make up top_p; one that begins below it is still in.
            falling, order = chances.sort(descending=True)
            kept = falling.where(falling.cumsum(-1) - falling < self.top_p, 0)
            chances = torch.zeros_like(chances).scatter(-1, order, kept)
        # Where the random number falls among the chances, laid end to end in the order of the vocabulary.
        reached = chances.cumsum(-1)
        drawn = torch.searchsorted(reached, self.numbers[:, step, None] * reached[:, -1:], right=True).squeeze(-1)
        return best.where(greedy.squeeze(-1), drawn.clamp(max=logits.shape[-1] - 1))
