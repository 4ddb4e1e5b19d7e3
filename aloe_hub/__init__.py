"""ALOE on the Hugging Face Hub: personas, preference trees, tree training, and scores with intervals.

The names below are what a program needs; each is loaded when it is first used, so that `import aloe_hub` is light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "AloeError",
    "BenchmarkSettings",
    "Cast",
    "Exchange",
    "Limits",
    "Message",
    "Persona",
    "PoolSettings",
    "RankConfig",
    "RunFolder",
    "Score",
    "Traffic",
    "Transcript",
    "Tree",
    "TreeDPOTrainer",
    "TreeGRPOTrainer",
    "TreeRankTrainer",
    "TreeSFTTrainer",
    "TreeSettings",
    "compare",
    "distill",
    "evaluate_all",
    "grow",
    "grow_all",
    "grow_pool",
    "open_chat",
    "pairs",
    "publish_dataset",
    "ranked",
    "read_runs",
    "score",
    "sft",
]

if TYPE_CHECKING:
    from aloe_hub.chat import open_chat
    from aloe_hub.chat.traffic import Limits, Traffic
    from aloe_hub.errors import AloeError
    from aloe_hub.files.run_folder import RunFolder
    from aloe_hub.hub.datasets import publish_dataset
    from aloe_hub.results.read import read_runs
    from aloe_hub.rows import distill, pairs, ranked, sft
    from aloe_hub.scoring import Score, compare, score
    from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
    from aloe_hub.stages.pool import PoolSettings, grow_pool
    from aloe_hub.stages.roles import Cast
    from aloe_hub.stages.trees import TreeSettings, grow, grow_all
    from aloe_hub.training import RankConfig, TreeDPOTrainer, TreeGRPOTrainer, TreeRankTrainer, TreeSFTTrainer
    from aloe_hub.types import Exchange, Message, Persona, Transcript, Tree

_WHERE = {
    "chat": "open_chat",
    "chat.traffic": "Limits Traffic",
    "errors": "AloeError",
    "files.run_folder": "RunFolder",
    "hub.datasets": "publish_dataset",
    "results.read": "read_runs",
    "rows": "distill pairs ranked sft",
    "scoring": "Score compare score",
    "stages.benchmark": "BenchmarkSettings evaluate_all",
    "stages.pool": "PoolSettings grow_pool",
    "stages.roles": "Cast",
    "stages.trees": "TreeSettings grow grow_all",
    "training": "RankConfig TreeDPOTrainer TreeGRPOTrainer TreeRankTrainer TreeSFTTrainer",
    "types": "Exchange Message Persona Transcript Tree",
}


def __getattr__(name: str) -> object:
    for module, names in _WHERE.items():
        if name in names.split():
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
