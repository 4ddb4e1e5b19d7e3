"""When one pass over a tree is exact, and when it cannot be: what is known of models and adapters, and a check on a batch.

The obstacles are words that can stand behind "trains as plain TRL: ", or None.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from peft import PeftModel
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from .attention import BY_BRANCHES
from .batch import IGNORED, TreeBatch, labels_of

# Adapters that change a layer's weights and nothing else. Others add tokens, or look at the whole row.
_ADAPTERS = {"LORA", "LOHA", "LOKR", "IA3", "VERA", "OFT", "BOFT"}


def model_obstacle(model: PreTrainedModel) -> str | None:
    """Why a packed pass through this model could differ from the plain one, in words; None where nothing is known to.

    Everything in a model but attention looks at one token at a time and at its position id. So attention must be one that can
    be told who sees whom, it must be the only thing that looks across tokens, and positions must come from the ids alone.
    """
    config = model.config
    kinds = set(getattr(config, "layer_types", None) or ())
    if config.get_text_config() is not config:
        return f"{type(model).__name__} has parts beside its language model"
    if config._attn_implementation not in ("sdpa", "eager", "flex_attention", BY_BRANCHES):
        return f"its attention is {config._attn_implementation!r}, not sdpa, eager or flex_attention"
    if others := kinds - {"full_attention", "sliding_attention"}:
        return f"{type(model).__name__} has layers of another kind than attention ({', '.join(sorted(others))})"
    if getattr(config, "alibi", False) or "position_ids" not in inspect.signature(type(model.base_model).forward).parameters:
        return f"{type(model).__name__} takes no position ids"
    if not model._supports_attention_backend:
        return f"{type(model).__name__} does not go through transformers' attention interface"
    if not getattr(config, "is_causal", True):
        return f"{type(model).__name__} does not attend causally"
    if _rope_types(config) & {"dynamic", "longrope"}:
        return "its rotary embedding depends on the length of the longest row"
    if getattr(config, "router_jitter_noise", 0):
        return "its router adds noise"
    return None


def _rope_types(config: PreTrainedConfig) -> set[str]:
    parameters = getattr(config, "rope_parameters", None) or {}
    each = [parameters, *(value for value in parameters.values() if isinstance(value, dict))]
    return {one["rope_type"] for one in each if "rope_type" in one}


def adapter_obstacle(model: PeftModel) -> str | None:
    """The same for the adapters on a model."""
    for name, config in model.peft_config.items():
        if config.is_prompt_learning or config.peft_type not in _ADAPTERS:
            return f"the adapter {name!r} is of the kind {getattr(config.peft_type, 'value', config.peft_type)}"
        if getattr(config, "alora_invocation_tokens", None):
            return f"the adapter {name!r} is switched on by tokens of the row (aLoRA)"
    return None


def dropouts(model: nn.Module) -> list[str]:
    """The names of the dropouts that are on in training. A token that rows share is dropped out once, not once for each row."""
    on = [name for name, module in model.named_modules() if isinstance(module, nn.Dropout) and module.p > 0]
    # Attention modules keep theirs as a number, which TRL's `disable_dropout` does not reach.
    return on + [
        f"{name}.attention_dropout"
        for name, module in model.named_modules()
        if isinstance(p := getattr(module, "attention_dropout", 0), int | float) and p > 0
    ]


@torch.no_grad()
def difference(model: nn.Module, inputs: Mapping[str, Any]) -> float:
    """How far one pass over the batch's tree lies from a plain one over a row of it, or a pair, in a token's log-probability.

    A mean over the row's tokens; infinite where one is not a number.
    """
    ids, mask, labels, tree = inputs["input_ids"], inputs["attention_mask"], labels_of(inputs), inputs["tree"]
    row = _longest_beside_the_trunk(tree, mask)
    pairs = len(ids) // 2
    paired = "completion_mask" in inputs and "forks" not in inputs  # then they are first all chosen, then all rejected
    rows = [row % pairs, row % pairs + pairs] if paired else [row]
    options = {"use_cache": False, "fused_lm_head": True}
    was_training = model.training
    model.eval()  # no dropout, and no random number drawn
    try:
        plain = model(input_ids=ids[rows], attention_mask=mask[rows], labels=labels[rows], **options)
        packed = model(input_ids=ids, attention_mask=mask, labels=labels, tree=tree, **options)
    finally:
        model.train(was_training)
    apart = (plain.log_probs - packed.log_probs[rows])[labels[rows, 1:] != IGNORED].abs().mean()
    return float(apart.nan_to_num(nan=float("inf")))


def _longest_beside_the_trunk(tree: TreeBatch, mask: torch.Tensor) -> int:
    """The row to check. The trie's first row would tell nothing: it lies there as it does in a pass of its own."""
    n, places = len(tree.predictors), torch.arange(tree.gather.shape[1], device=mask.device)
    labelled = tree.gather < n
    moved = labelled & (tree.predictors[tree.gather.clamp(max=n - 1)] != places)
    return int((mask.sum(dim=1) * labelled.any(dim=1) + mask.shape[1] * moved.any(dim=1)).argmax())


def tolerance(dtype: torch.dtype, device: torch.device) -> float:
    """The `difference` that rounding explains, by what the model computes in."""
    if torch.is_autocast_enabled(device.type):
        dtype = torch.get_autocast_dtype(device.type)
    if (device.type, dtype) == ("cuda", torch.float32):
        dtype = torch.float16  # a GPU may multiply as TF32, which has float16's digits
    return {torch.float16: 2e-2, torch.bfloat16: 1e-1}.get(dtype, 1e-4)
