"""ADPA: a teacher that DPO has trained says of every next token how much better it is than the teacher thought before.

Gao et al. 2025, "Advantage-Guided Distillation for Preference Alignment in Small Language Models" (arXiv 2502.17927). To the
loss of TRL, in the paper that of the preferred reply (`loss_type="sft"`), comes, of each next token of the rejected replies,

    -γ Σ_a π(a|s) A(a|s),        A(a|s) = log π_DPO(a|s) - log π_ref(a|s)

over the whole vocabulary, as a mean over those tokens. π is the student, in training; π_DPO the teacher, and π_ref what the
teacher was before. The rejected replies are to be the student's own samples: what it says is what it is told about. A pair says
which reply is better, and this which words. With a teacher that has learned nothing it is TRL's loss.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from peft import PeftModel
from torch import nn

from .exactness import model_obstacle
from .forward import add_tree_forward
from .trainers import TreeDPOTrainer, causal_lm_of


class TreeGuidedTrainer(TreeDPOTrainer):
    """`TreeDPOTrainer` with ADPA's term.

    teacher, teacher_reference: models of the student's vocabulary, which are not changed. No reference: the teacher is a
        `PeftModel`, and was its base before.
    guidance: γ.
    """

    def __init__(
        self,
        *args: Any,  # noqa: ANN401 - TRL's own
        teacher: nn.Module,
        teacher_reference: nn.Module | None = None,
        guidance: float = 1.0,
        **kwargs: Any,  # noqa: ANN401
    ) -> None:
        if teacher_reference is None and not isinstance(teacher, PeftModel):
            raise ValueError("teacher: without teacher_reference it must be an adapter on a model")
        self._teachers: list[Any] = [teacher] if teacher_reference is None else [teacher, teacher_reference]
        self._guidance = guidance
        super().__init__(*args, **kwargs)
        self._teachers_pack = self._packs
        for model in self._teachers:
            model.requires_grad_(False).eval().to(self.accelerator.device)
            causal = causal_lm_of(model)
            theirs, ours = causal.config.vocab_size, causal_lm_of(self.model).config.vocab_size
            if theirs != ours:
                raise ValueError(f"teacher: has a vocabulary of {theirs} tokens, and the student one of {ours}")
            packs = model_obstacle(causal) is None
            self._teachers_pack = self._teachers_pack and packs
            add_tree_forward(causal, packs=packs)

    def _compute_loss(self, model: nn.Module, inputs: dict[str, Any], return_outputs: bool) -> Any:  # noqa: ANN401
        found = super()._compute_loss(model, inputs, return_outputs)
        pulled = self._guidance * self._towards_the_teacher(model, inputs)
        self._metrics["train" if self.model.training else "eval"]["guidance"].append(pulled.item())
        return (found[0] + pulled, found[1]) if return_outputs else found + pulled

    def _towards_the_teacher(self, model: nn.Module, inputs: dict[str, Any]) -> torch.Tensor:
        wanted = inputs["completion_mask"][:, 1:].bool()
        wanted[: len(wanted) // 2] = False  # TRL's batch is first all chosen, then all rejected
        with torch.no_grad():
            teacher, before = self._teachers[0], self._teachers[-1]
            better = next_tokens(teacher, inputs, wanted, packs=self._teachers_pack).float()
            with before.disable_adapter() if before is teacher else nullcontext():
                usual = next_tokens(before, inputs, wanted, packs=self._teachers_pack).float()
            advantage = better.log_softmax(dim=-1) - usual.log_softmax(dim=-1)
        probabilities = next_tokens(model, inputs, wanted, packs=self._packs).float().softmax(dim=-1)
        return -(probabilities * advantage).sum(dim=-1).mean()


def next_tokens(model: nn.Module, inputs: dict[str, Any], wanted: torch.Tensor, *, packs: bool) -> torch.Tensor:
    """The logits (m, V) of what follows at the m places `wanted` (rows, length - 1), in one pass over the batch's tree."""
    rows = {name: inputs[name] for name in ("input_ids", "attention_mask")}
    tree = inputs.get("tree")
    if tree is None or not packs:
        plain: torch.Tensor = model(**rows, use_cache=False).logits[:, -wanted.shape[1] - 1 : -1][wanted]
        return plain
    packed: torch.Tensor = model(**rows, use_cache=False, tree=tree, predictions=True)
    return packed[tree.gather[wanted]]
