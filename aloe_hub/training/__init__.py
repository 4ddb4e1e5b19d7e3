"""Training: SFT, DPO, losses of ranked replies and GRPO on whole trees, with TRL and PEFT."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aloe_hub.training.tree import RankConfig, TreeDPOTrainer, TreeRankTrainer, TreeSFTTrainer
    from aloe_hub.training.tree.grpo import TreeGRPOTrainer

__all__ = ["RankConfig", "TreeDPOTrainer", "TreeGRPOTrainer", "TreeRankTrainer", "TreeSFTTrainer"]


def __getattr__(name: str) -> type:
    """The trainers, loaded when asked for: TRL takes seconds, and `aloe --help` needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: type = getattr(import_module("aloe_hub.training.tree" + (".grpo" if "GRPO" in name else "")), name)
    return found
