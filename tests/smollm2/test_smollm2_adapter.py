"""The adapter for SmolLM2-135M-Instruct that ships: small, safe to load, and what its files say of it."""

from peft import PeftConfig
from safetensors import safe_open

from aloe_hub.model_string import ModelString
from aloe_hub.shipped import shipped
from aloe_hub.source import SMOLLM2_SFT
from aloe_hub.training.record import TrainingRecord

BASE = "HuggingFaceTB/SmolLM2-135M-Instruct"
FOLDER = shipped("smollm2")


def test_a_model_string_names_it_beside_its_base():
    base, adapter = ModelString.parse(f"local:{BASE}+{SMOLLM2_SFT}").sources
    assert (base.repo, base.folder, adapter.folder) == (BASE, None, FOLDER)


def test_it_is_a_lora_adapter_of_at_most_6_mb_for_all_30_layers_of_its_base():
    config = PeftConfig.from_pretrained(str(FOLDER))
    assert (config.base_model_name_or_path, config.peft_type.value, config.r) == (BASE, "LORA", 4)
    weights = FOLDER / "adapter_model.safetensors"
    assert weights.stat().st_size <= 6_000_000
    with safe_open(weights, framework="pt") as file:
        names = list(file.keys())
        assert file.get_tensor(next(name for name in names if "q_proj.lora_A" in name)).shape == (4, 576)
    assert {name.split("layers.")[1].split(".")[0] for name in names} == set(map(str, range(30)))


def test_its_record_is_that_of_the_study():
    record = TrainingRecord.read(FOLDER / "training.json")
    assert record.lora is not None
    assert (record.method, str(record.base), record.data["trees"], record.lora["r"]) == ("sft", BASE, 60, 4)
