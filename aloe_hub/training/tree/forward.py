"""One packed pass of a model over the trie of a batch, scattered back into the layout that TRL's trainers expect.

TRL's trainers call `model(input_ids=…, labels=…, fused_lm_head=True)` on padded rows and get a log-probability, an entropy and
so on for every position of every row. `add_tree_forward` answers that call, when a `TreeBatch` comes with it, from one pass
over the trie; everything that TRL does with the answer stays TRL's. Before 1.15 TRL makes no such call: `trl_obstacle` says so.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import trl
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPast
from trl.trainer import utils

from .attention import BY_BRANCHES, tree_mask
from .batch import TreeBatch


def trl_obstacle() -> str | None:
    """Why the trainers of the TRL that is installed would not make the call, in words; None where they make it."""
    if hasattr(utils, "FusedCausalLMOutput"):
        return None
    return f"TRL {trl.__version__} has no FusedCausalLMOutput; 1.15 and 1.16 have it"


def add_tree_forward(model: PreTrainedModel, packs: bool = True) -> None:
    """Let a causal LM that carries TRL's fused LM head take `tree=`; with `packs=False` it takes it and ignores it.

    With `predictions=True`, for which no fused head is needed, the answer is the logits (n, V) of the tree's n predictions.
    """
    plain = model.forward
    if packs and model.config._attn_implementation == "sdpa":
        model.set_attn_implementation(BY_BRANCHES)

    @functools.wraps(type(model).forward)  # the signature that `generate` checks its arguments against
    def forward(
        self: PreTrainedModel,
        *args: Any,  # noqa: ANN401 - what a model is called with
        tree: TreeBatch | None = None,
        fused_lm_head: bool = False,
        predictions: bool = False,
        **kwargs: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        if tree is None or not (packs and (fused_lm_head or predictions)):
            return plain(*args, **kwargs, **({"fused_lm_head": True} if fused_lm_head else {}))
        kwargs |= {"input_ids": tree.tokens, "position_ids": tree.depths, "attention_mask": tree_mask(self, tree)}
        kwargs |= {"labels": None, "aloe_tree": tree}
        if not predictions:
            kwargs |= {"shift_labels": tree.labels, "fused_lm_head": True}
        with _only_at(self.base_model, tree.predictors):
            found = plain(*args, **kwargs)
        return found.logits[0] if predictions else _scattered(found, tree)

    model.forward = types.MethodType(forward, model)


@contextmanager
def _only_at(backbone: torch.nn.Module, slots: torch.Tensor) -> Iterator[None]:
    """Let the backbone return the hidden states of these slots alone: the LM head is applied where something is predicted.

    A slot that predicts two different tokens comes twice, so every position has one label, as TRL's fused head wants.
    """

    def select(module: torch.nn.Module, inputs: object, outputs: BaseModelOutputWithPast) -> BaseModelOutputWithPast:
        outputs.last_hidden_state = outputs["last_hidden_state"].index_select(1, slots)
        return outputs

    hook = backbone.register_forward_hook(select)
    try:
        yield
    finally:
        hook.remove()


def _scattered(packed: utils.FusedCausalLMOutput, tree: TreeBatch) -> utils.FusedCausalLMOutput:
    def scattered(name: str) -> torch.Tensor | None:
        field = getattr(packed, name)
        return None if field is None else torch.cat([field[0], field.new_zeros(1)])[tree.gather]

    return utils.FusedCausalLMOutput(
        **{name: scattered(name) for name in ("log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1")},
        label_mask=tree.gather < len(tree.predictors),
    )
