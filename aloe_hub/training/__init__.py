"""Training: SFT, DPO and losses of ranked replies on whole trees, with TRL and PEFT."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aloe_hub.training.tree import RankConfig, TreeDPOTrainer, TreeRankTrainer, TreeSFTTrainer

__all__ = ["RankConfig", "TreeDPOTrainer", "TreeRankTrainer", "TreeSFTTrainer"]


def __getattr__(name: str) -> type:
    """The trainers, loaded when asked for: TRL takes seconds, and `aloe --help` needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from aloe_hub.training import tree

    found: type = getattr(tree, name)
    return found
