"""How probable a model finds replies: what it would rank them by, were it asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from aloe_hub.errors import UsageError
from aloe_hub.loading import load_adapter, load_model, load_tokenizer
from aloe_hub.model_string import ModelString
from aloe_hub.types import Message, Row

AT_ONCE = 8  # rows


def loaded(name: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model of a `local:` string in evaluation mode, its adapter merged, and its tokenizer."""
    named = ModelString.parse(name)
    if named.base is None:
        raise UsageError(f"model {name}: expected local:BASE or local:BASE+ADAPTER")
    model = load_model(named.base)
    if named.adapter is not None:
        model = load_adapter(model, named.adapter).merge_and_unload()
    return model, load_tokenizer(named.base)


def likelihood_of(name: str) -> Callable[[Sequence[Message], Sequence[str]], list[float]]:
    """What a model makes of replies to messages: the mean log-probability a token of each, since long ones are less probable."""
    model, tokenizer = loaded(name)

    def likelihood(messages: Sequence[Message], replies: Sequence[str]) -> list[float]:
        prompt = [message.to_row() for message in messages]
        rows = [(prompt, [Message("assistant", reply).to_row()]) for reply in replies]
        return [total / tokens for total, tokens in log_probabilities(model, tokenizer, rows)]

    return likelihood


@torch.inference_mode()
def log_probabilities(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rows: Sequence[tuple[list[Row], list[Row]]]
) -> list[tuple[float, int]]:
    """(log-probability, tokens) of each completion after its prompt."""
    head = model.get_output_embeddings()  # type: ignore[no-untyped-call]
    texts = []
    for prompt, completion in rows:
        asked = _tokens(tokenizer, prompt, True)
        texts.append((asked, _tokens(tokenizer, [*prompt, *completion], False)[len(asked) :]))
    found: dict[int, tuple[float, int]] = {}
    order = sorted(range(len(texts)), key=lambda at: sum(map(len, texts[at])))
    for start in range(0, len(order), AT_ONCE):
        group = order[start : start + AT_ONCE]
        longest = max(sum(map(len, texts[at])) for at in group)
        batch = torch.zeros((len(group), longest), dtype=torch.long, device=model.device)
        mask = torch.zeros_like(batch)
        for line, at in enumerate(group):
            whole = [*texts[at][0], *texts[at][1]]
            batch[line, : len(whole)], mask[line, : len(whole)] = torch.tensor(whole, device=model.device), 1
        hidden = model.base_model(input_ids=batch, attention_mask=mask).last_hidden_state
        for line, at in enumerate(group):
            asked, said = texts[at]
            ends = slice(len(asked) - 1, len(asked) + len(said) - 1)
            logits = head(hidden[line, ends]).float().log_softmax(-1)
            found[at] = float(logits.gather(-1, batch[line, len(asked) : len(asked) + len(said), None]).sum()), len(said)
    return [found[at] for at in range(len(texts))]


def _tokens(tokenizer: PreTrainedTokenizerBase, messages: list[Row], asking: bool) -> list[int]:
    return list(tokenizer.apply_chat_template(messages, add_generation_prompt=asking, return_dict=False))
