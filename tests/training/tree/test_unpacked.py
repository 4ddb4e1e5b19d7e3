"""One pass beside TRL's trainers on weights that came as a GGUF: a tiny one made here, and SmolLM2-135M-Instruct."""

import os
from pathlib import Path

import pytest
from datasets import Dataset
from gguf import GGMLQuantizationType
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from aloe_hub.loading import load_model, load_tokenizer
from aloe_hub.source import Source
from aloe_hub.training import TreeDPOTrainer, TreeSFTTrainer
from aloe_hub.types import Row
from tests.made_gguf import save_gguf
from tests.tiny import save_model
from tests.training import tiny_trees as tiny
from tests.training.tiny_trees import assert_same

TRAINERS = {"sft": (SFTTrainer, TreeSFTTrainer, SFTConfig), "dpo": (DPOTrainer, TreeDPOTrainer, DPOConfig)}
SMOLLM2 = Path(os.environ.get("ALOE_SMOLLM2", "models/smollm2"))


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A Llama with grouped queries, in weights of 8 bits."""
    folder = tmp_path_factory.mktemp("packed")
    return save_gguf(save_model(folder / "model"), folder / "tiny.Q8_0.gguf", kind=GGMLQuantizationType.Q8_0)


@pytest.fixture(autouse=True)
def _an_empty_cache(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._cache_assets.HF_ASSETS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def both(tmp_path):
    """TRL's trainer and ours on the model that lies at `place`, with the same new adapter."""

    def make(kind, place, data, *, batch):
        for trainer in TRAINERS[kind][:2]:
            source, config = Source(str(place)), TRAINERS[kind][2]
            options = {"per_device_train_batch_size": batch, "train_sampling_strategy": "sequential", "max_length": None}
            options |= {"gradient_checkpointing": False, "bf16": False, "use_cpu": True, "report_to": [], "disable_tqdm": True}
            yield trainer(
                model=load_model(source, device="cpu"),
                peft_config=tiny.lora(),
                args=config(output_dir=str(tmp_path / trainer.__name__), **options),
                train_dataset=data,
                processing_class=load_tokenizer(source),
            )

    return make


@pytest.mark.parametrize("kind", TRAINERS)
def test_one_pass_on_a_gguf_is_trl(both, packed, kind):
    data = tiny.pairs() if kind == "dpo" else tiny.completions()
    assert_same(*both(kind, packed, data, batch=4))


@pytest.mark.skipif(not (SMOLLM2 / "config.json").is_file(), reason="no SmolLM2: run scripts/smollm2.py models/smollm2")
@pytest.mark.parametrize("kind", TRAINERS)
def test_one_pass_on_smollm2_is_trl(both, kind):
    """30 layers, 9 heads of queries on 3 of keys."""
    assert_same(*both(kind, SMOLLM2, english(kind), batch=3))


def english(kind):
    """A tree of three turns."""
    said = [
        ("I moved to Lisbon in spring. What should I do on Sunday?", "Take a walk along the river.", "Sundays are nice."),
        ("I get tired quickly, and I love old trams.", "Ride line 28, then rest.", "Trams are a means of transport."),
        ("Short answers, please!", "Line 28, before nine.", "I am sorry to hear that you want shorter answers from me."),
    ]
    rows: list[Row] = []
    spoken: list[dict[str, str]] = []
    for turn, (user, preferred, rejected) in enumerate(said):
        prompt = [*spoken, {"role": "user", "content": user}]
        replies = [[{"role": "assistant", "content": text}] for text in (preferred, rejected)]
        row = {"tree_id": "one", "turn": turn, "prompt": prompt}
        rows.append(row | ({"chosen": replies[0], "rejected": replies[1]} if kind == "dpo" else {"completion": replies[0]}))
        spoken = [*prompt, *replies[0]]
    return Dataset.from_list(rows)
