"""kill -9 in the middle of SFT and of DPO: resumed, a training ends with the same losses and the same bytes."""

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from aloe_hub.errors import AloeError, SettingsDiffer
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.source import Source
from aloe_hub.training.folder import AdapterFolder
from aloe_hub.training.record import TrainingRecord
from aloe_hub.training.train import train
from tests.preloaded import PYTHON
from tests.training.small import a_base, a_grown_run, rows_to_train_on, settings  # noqa: F401 - fixtures

ROOT = Path(__file__).parents[2]
WEIGHTS = "adapter_model.safetensors"
LONG = {"max_steps": 30, "save_steps": 3, "logging_steps": 4}  # saves and logs that do not meet by themselves
SHORT = LONG | {"max_steps": 16}  # for SDFT, whose steps sample replies
TALK = LONG | {"max_steps": 9, "level": "conversation", "turns": 2}  # for GRPO, whose steps are conversations
CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import torch
from tests.training.small import settings
from tests.training.test_train_kills import LONG, SHORT, TALK
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.training.train import train
torch.set_num_threads(1)
method, base, adapter = sys.argv[3:]
options = {"sdft": SHORT, "grpo": TALK}.get(method, LONG)
train(RunFolder(Path(sys.argv[2])), settings(method, base, adapter=adapter or None, **options), resume=True)
"""


def killed(run, base, method, adapter=None):
    """Train in a process of its own, and kill it -9 once its second checkpoint is being written."""
    folder = AdapterFolder.of(run.path, method)
    command = [*PYTHON, "-c", CODE, str(ROOT), str(run.path), method, str(base), str(adapter or "")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and len(checkpoints(folder)) < 2:
        time.sleep(0.001)
    process.kill()
    _, errors = process.communicate()
    assert process.returncode == -9, errors
    return folder


def checkpoints(folder):
    """Oldest first."""
    return sorted(folder.partial.glob("checkpoint-*"), key=lambda path: int(path.name.partition("-")[2]))


def outcome(trained):
    """What it made and how: all but the time and the memory that it took."""
    report = {name: value for name, value in trained.record.report.items() if name not in ("seconds", "peak_memory_bytes")}
    return report, *((trained.folder / name).read_bytes() for name in (WEIGHTS, "adapter_config.json"))


@pytest.fixture(name="sft", scope="module")
def an_sft_adapter(tmp_path_factory, grown, base):
    run = RunFolder(tmp_path_factory.mktemp("sft") / "run")
    run.path.mkdir()
    shutil.copy(grown / "sft.jsonl", run.path)
    return train(run, settings("sft", base, max_steps=2)).folder


def test_sft_that_was_killed_ends_as_if_it_never_was(rows, base):
    whole = train(rows, settings("sft", base, **LONG), name="whole")
    folder = killed(rows, base, "sft")
    assert not folder.final.exists()
    with pytest.raises(AloeError, match=r"sft.partial: a training that was stopped; give --resume to go on, or another --name"):
        train(rows, settings("sft", base, **LONG))
    with pytest.raises(SettingsDiffer, match=r"options.learning_rate is 0.01 there and 0.5 now"):
        train(rows, settings("sft", base, **LONG | {"lr": 0.5}), resume=True)
    resumed = train(rows, settings("sft", base, **LONG), resume=True)
    assert outcome(resumed) == outcome(whole)
    assert resumed.record.report["steps"] == 30
    assert not folder.partial.exists()


@pytest.mark.torture
def test_dpo_whose_last_checkpoint_is_torn_goes_on_from_the_one_before_and_ends_as_if_it_never_was(rows, base, sft):
    options = {"adapter": str(sft), **LONG}
    whole = train(rows, settings("dpo", base, **options), name="whole")
    folder = killed(rows, base, "dpo", sft)
    *_, last = checkpoints(folder)
    (last / WEIGHTS).write_bytes(b"torn")
    (last / "whole.json").unlink(missing_ok=True)
    assert folder.last_checkpoint() is not None
    seen = []
    resumed = train(rows, settings("dpo", base, **options), resume=True, on_progress=lambda *said: seen.append(said))
    first = next(done for what, done, _ in seen if what == "dpo")
    assert 0 < first < int(last.name.partition("-")[2])
    assert outcome(resumed) == outcome(whole)


@pytest.mark.torture
def test_sdft_that_was_killed_ends_as_if_it_never_was_over_several_epochs(rows, base, sft):
    """The order of rows, the sampled replies and the teacher are what they would have been."""
    options = {"adapter": str(sft), **SHORT}
    whole = train(rows, settings("sdft", base, **options), name="whole")
    assert whole.record.report["log"][-1]["epoch"] > 2
    folder = killed(rows, base, "sdft", sft)
    resumed = train(rows, settings("sdft", base, **options), resume=True)
    assert outcome(resumed) == outcome(whole)
    assert not folder.partial.exists()


@pytest.mark.torture
def test_grpo_that_was_killed_ends_as_if_it_never_was_over_several_epochs(rows, base):
    """The conversations that are held again, users, scores and all, are those that would have been held."""
    whole = train(rows, settings("grpo", base, **TALK), name="whole")
    assert whole.record.report["log"][-1]["epoch"] > 2
    folder = killed(rows, base, "grpo")
    resumed = train(rows, settings("grpo", base, **TALK), resume=True)
    assert outcome(resumed) == outcome(whole)
    assert not folder.partial.exists()


def test_without_a_whole_checkpoint_it_begins_again(rows, base):
    options = LONG | {"max_steps": 3}
    folder = AdapterFolder.of(rows.path, "sft")
    torn = folder.partial / "checkpoint-3"
    torn.mkdir(parents=True)
    (torn / WEIGHTS).write_bytes(b"torn")
    made = train(rows, settings("sft", base, **options))
    assert outcome(made) == outcome(train(rows, settings("sft", base, **options), name="whole"))


def test_killed_between_the_last_two_steps_it_is_finished(rows, base):
    made = train(rows, settings("sft", base, max_steps=1))
    (rows.path / "adapters/sft.partial/checkpoint-1").mkdir(parents=True)
    assert not train(rows, settings("sft", base, max_steps=1)).new
    assert [path.name for path in made.folder.parent.iterdir()] == ["sft"]


def test_two_processes_never_train_one_adapter(rows, base):
    record = TrainingRecord(method="sft", base=Source(str(base)), data={}, settings={}, options={})
    with AdapterFolder.of(rows.path, "sft").claimed(record), pytest.raises(AloeError, match="another process is training it"):
        train(rows, settings("sft", base, max_steps=1))
