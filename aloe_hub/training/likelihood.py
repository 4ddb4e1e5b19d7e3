"""How probable a model finds replies: what it would rank them by, were it asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from aloe_hub.chat.local.model import load_speaker
from aloe_hub.errors import UsageError
from aloe_hub.model_string import ModelString
from aloe_hub.training.tree.ranked import common_prefix, ids_of
from aloe_hub.types import Message, Row


def loaded(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model of a `local:` string as it speaks, in evaluation mode, and its tokenizer."""
    named = ModelString.parse(name)
    if named.base is None:
        raise UsageError(f"model {name}: expected local:BASE or local:BASE+ADAPTER")
    return load_speaker(named)


def likelihood_of(name: str) -> Callable[[Sequence[Message], Sequence[str]], list[float]]:
    """What a model makes of replies to messages: the mean log-probability a token of each, since long ones are less probable."""
    model, tokenizer = loaded(name)

    def likelihood(messages: Sequence[Message], replies: Sequence[str]) -> list[float]:
        prompt = [message.to_row() for message in messages]
        found = (log_probability(model, tokenizer, prompt, [Message("assistant", reply).to_row()]) for reply in replies)
        return [total / tokens for total, tokens in found]

    return likelihood


@torch.inference_mode()
def log_probability(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, prompt: list[Row], completion: list[Row]
) -> tuple[float, int]:
    """(log-probability, tokens) of a completion after its prompt, as training reads them: from where the two texts part."""
    whole = ids_of(tokenizer, [*prompt, *completion])
    said = len(whole) - common_prefix(ids_of(tokenizer, prompt, add_generation_prompt=True), whole)
    ids = torch.tensor([whole], device=model.device)
    logits = model(input_ids=ids, use_cache=False, logits_to_keep=said + 1).logits[0, :-1].float()
    return float(logits.log_softmax(-1).gather(-1, ids[0, -said:, None]).sum()), said
