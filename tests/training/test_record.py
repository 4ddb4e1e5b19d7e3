"""The record of a training: what is read is what was written, by this version or an earlier one; damage is named in one line."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

from aloe_hub.errors import DataError
from aloe_hub.source import Source
from aloe_hub.training.record import TrainingRecord

RECORD = TrainingRecord(
    method="dpo",
    base=Source("org/base", "1dae0bda"),
    adapter=Source("/runs/mine/adapters/sft"),
    adapter_sha256="540721e5",
    data={"dataset": "org/aloe-prefs", "revision": "828f0d28", "rows": 1876, "trees": 200, "eval_rows": 94},
    settings={"full": False, "tree": True, "limit": None, "seed": 0, "processes": 1},
    options={"learning_rate": 1e-05, "beta": 0.1},
    lora={"r": 16, "target_modules": ["down_proj", "q_proj"]},
    versions={"aloe_hub": "0.1.0", "torch": "2.13.0"},
    device="CPU (x86_64)",
    report={"steps": 90, "seconds": 54.379, "log": [{"loss": 0.69}], "final": {}, "ranking_accuracy": None, "tokens": None},
)
# As version 0.1.0 wrote it.
WRITTEN = {
    "method": "dpo",
    "base": {"model": "org/base", "revision": "1dae0bda"},
    "adapter": {"model": "/runs/mine/adapters/sft", "revision": None, "sha256": "540721e5"},
    "data": {"dataset": "org/aloe-prefs", "revision": "828f0d28", "rows": 1876, "trees": 200, "eval_rows": 94},
    "settings": {"full": False, "tree": True, "limit": None, "seed": 0, "processes": 1},
    "options": {"learning_rate": 1e-05, "beta": 0.1},
    "lora": {"r": 16, "target_modules": ["down_proj", "q_proj"]},
    "versions": {"aloe_hub": "0.1.0", "torch": "2.13.0"},
    "device": "CPU (x86_64)",
    "report": {"steps": 90, "seconds": 54.379, "log": [{"loss": 0.69}], "final": {}, "ranking_accuracy": None, "tokens": None},
}  # fmt: skip


def test_what_is_written_is_what_version_0_1_0_wrote_and_is_read_back(tmp_path):
    path = tmp_path / "training.json"
    RECORD.write(path)
    assert path.read_text() == json.dumps(WRITTEN, indent=2) + "\n"
    assert TrainingRecord.read(path) == RECORD


def test_a_training_of_all_weights_from_a_base_alone(tmp_path):
    record = replace(RECORD, adapter=None, adapter_sha256=None, lora=None)
    assert (record.to_row()["adapter"], record.to_row()["lora"]) == (None, None)
    record.write(tmp_path / "training.json")
    assert TrainingRecord.read(tmp_path / "training.json") == record


def test_an_unfinished_training_has_no_outcome(tmp_path):
    path = tmp_path / "settings.json"
    unfinished = replace(RECORD, versions={}, device="", report={})
    unfinished.write(path)
    assert list(json.loads(path.read_text())) == ["method", "base", "adapter", "data", "settings", "options", "lora"]
    assert TrainingRecord.read(path, finished=False) == unfinished
    with pytest.raises(DataError, match=r"settings.json: the row has no 'versions'"):
        TrainingRecord.read(path)


def test_differences_are_of_what_a_training_was_made_with():
    assert list(RECORD.differences(replace(RECORD, versions={}, device="GPU", report={}))) == []
    other = replace(RECORD, adapter=None, adapter_sha256=None, options={"beta": 0.2, "learning_rate": 1e-05})
    assert list(RECORD.differences(other)) == [
        ("adapter.model", "/runs/mine/adapters/sft", None),
        ("adapter.sha256", "540721e5", None),
        ("options.beta", 0.1, 0.2),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[]", "expected a JSON object"),
        (json.dumps(WRITTEN | {"method": "ppo"}), "method is 'ppo', and not sft, dpo, rank, sdft or grpo"),
        (json.dumps(WRITTEN | {"base": "org/base"}), "base is 'org/base', and not a table"),
        (json.dumps({name: WRITTEN[name] for name in WRITTEN if name != "lora"}), "the row has no 'lora'"),
    ],
)
def test_damage_is_named_with_the_file(tmp_path, content, said):
    path = tmp_path / "training.json"
    path.write_text(content)
    with pytest.raises(DataError, match=re.escape(said)) as found:
        TrainingRecord.read(path)
    assert str(found.value).startswith(f"{path}: ")
    assert "\n" not in str(found.value)


def test_a_record_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"training.json: cannot be read \(No such file"):
        TrainingRecord.read(tmp_path / "training.json")


def test_reading_a_record_loads_no_torch():
    code = "import sys; import aloe_hub.training.record; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
