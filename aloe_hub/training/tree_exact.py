"""When one pass over a tree is exact, and when it cannot be.

Each function answers with the reason why not, in words that can stand behind "trains as plain DPOTrainer: ", or with None.
"""

from __future__ import annotations

import inspect

from peft import PeftModel
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

from aloe_hub.training.tree_attention import BY_PATHS

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
    if config._attn_implementation not in ("sdpa", "eager", "flex_attention", BY_PATHS):
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
