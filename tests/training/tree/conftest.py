"""TRL's trainers beside ours, made alike. With a TRL that has no fused head only the files that need none are collected."""

import pytest
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from aloe_hub.training import TreeDPOTrainer, TreeSFTTrainer
from aloe_hub.training.tree.forward import trl_obstacle
from tests.training import tiny_trees as tiny

# All their tests are of the one pass, or of another reason than TRL's age to do without. test_versions.py is of such a TRL.
_OF_THE_ONE_PASS = [
    "criticised",
    "fallbacks",
    "forward",
    "guided",
    "lifted_out",
    "names",
    "pairs",
    "processes",
    "ranked",
    "sampler",
    "trainers",
    "training",
    "tree_grpo",
    "unpacked",
]
collect_ignore = [] if trl_obstacle() is None else [f"test_{name}.py" for name in _OF_THE_ONE_PASS]


@pytest.fixture
def trainer(tmp_path):
    """Make a trainer of a tiny model: `trainer(DPOTrainer, lora=True, beta=0.5)`; options are those of its config."""

    def make(
        kind, *, family="Llama", lora=False, template="llama3", made=None, data=None, more=None, tree=None, config=None, **options
    ):
        preferences = issubclass(kind, DPOTrainer)
        settings = {
            "output_dir": str(tmp_path / kind.__name__),
            "per_device_train_batch_size": 4,  # trees have three rows, so batches mix them
            "train_sampling_strategy": "sequential",
            "gradient_checkpointing": False,
            "bf16": False,
            "use_cpu": True,
            "report_to": [],
            "disable_tqdm": True,
            **options,
        }
        given = dict(more or {})
        if preferences and not lora and made is None:
            given.setdefault("ref_model", tiny.model(family, seed=1))
        if tree is not None:
            given["tree"] = tree
        return kind(
            model=tiny.model(family) if made is None else made,
            args=(config or (DPOConfig if preferences else SFTConfig))(**settings),
            train_dataset=data or (tiny.pairs() if preferences else tiny.completions()),
            processing_class=tiny.tokenizer(template),
            peft_config=tiny.lora() if lora else None,
            **given,
        )

    return make


@pytest.fixture
def both(trainer):
    """TRL's trainer and ours, made alike."""

    def make(kind, **options):
        plain, tree = {"dpo": (DPOTrainer, TreeDPOTrainer), "sft": (SFTTrainer, TreeSFTTrainer)}[kind]
        made = options.pop("made", lambda: None)
        return trainer(plain, made=made(), **options), trainer(tree, made=made(), **options)

    return make
