"""One pass over a whole preference tree: TRL's trainers, on the trie of their own rows.

It imports torch, transformers, peft and trl, and nothing else of aloe-hub: the folder can be copied elsewhere and used alone.
"""

from .criticised import TreeCutTrainer
from .guided import TreeGuidedTrainer
from .ranked import RankConfig, TreeRankTrainer
from .trainers import TreeDPOTrainer, TreeSFTTrainer

__all__ = ["RankConfig", "TreeCutTrainer", "TreeDPOTrainer", "TreeGuidedTrainer", "TreeRankTrainer", "TreeSFTTrainer"]
