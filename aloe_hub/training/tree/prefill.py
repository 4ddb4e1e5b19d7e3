"""Sampling several replies to the same prompt reads the prompt once.

TRL samples with transformers' `generate`, to which the replies of a group are rows like any others: eight replies to a prompt of
a thousand tokens are eight thousand tokens to read before the first one is written. `read_prompts_once` lets `generate` read each
distinct row once and gives the others a copy of its cache. What is sampled stays the
same, but for rounding: a smaller batch may be computed in another order.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache, PreTrainedModel


def read_prompts_once(model: PreTrainedModel) -> None:
    """Let `model.generate` read equal prompts of a batch once; where that cannot be done it reads them all, as it is.

    Source: transformers' `GenerationMixin._prefill`, which is not public: a version without it samples as ever.
    """
    prefill = getattr(model, "_prefill", None)
    if prefill is None:
        return

    def once(
        input_ids: torch.Tensor,
        generation_config: Any,  # noqa: ANN401 - transformers' own
        model_kwargs: dict[str, Any],
        *others: Any,  # noqa: ANN401
        **more: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        rows, mask, cache = len(input_ids), model_kwargs.get("attention_mask"), model_kwargs.get("past_key_values")
        if type(cache) is not DynamicCache or cache.offloading or cache.get_seq_length():
            return prefill(input_ids, generation_config, model_kwargs, *others, **more)
        written = input_ids if mask is None else torch.cat([input_ids, mask], dim=1)  # padding is no part of a prompt
        distinct, back = torch.unique(written, dim=0, return_inverse=True)
        if len(distinct) == rows:
            return prefill(input_ids, generation_config, model_kwargs, *others, **more)
        numbers = torch.arange(rows, device=back.device)
        first = numbers.new_full((len(distinct),), rows).scatter_reduce(0, back, numbers, "amin")
        narrow = {
            name: value[first] if isinstance(value, torch.Tensor) and value.shape[:1] == (rows,) else value
            for name, value in model_kwargs.items()
        }
        outputs = prefill(input_ids[first], generation_config, narrow, *others, **more)
        outputs.past_key_values.batch_select_indices(back)
        outputs.logits = outputs.logits[back]
        return outputs

    model._prefill = once  # type: ignore[assignment]
