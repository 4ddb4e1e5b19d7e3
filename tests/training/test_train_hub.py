"""Training from `org/aloe-prefs` on a Hub, pushing, and loading the adapter by its name, with the real clients."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, BatchEncoding

from aloe_hub.files.run_folder import RunFolder
from aloe_hub.local_hub.process import client_environment, running
from aloe_hub.training.data import load_rows, split
from tests.local_hub.hub_tools import OWNER, USERS, whole
from tests.preloaded import PYTHON
from tests.training.small import a_base, a_grown_run, needs_fused  # noqa: F401 - fixtures

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def looped(tmp_path_factory, base, grown):
    """What the commands said, the run folder they trained in, and a way to run another client at the same Hub."""
    folder = tmp_path_factory.mktemp("looped")
    with running(folder / "hub", users=USERS) as hub:

        def client(script, *arguments):
            environment = client_environment(hub, os.environ) | {"HF_HOME": str(folder / f"home-{script}"), "HF_TOKEN": OWNER}
            environment |= {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
            command = [*PYTHON, str(HERE / "clients" / script), *map(str, arguments)]
            done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            return done.stdout

        said = json.loads(client("train_from_hub.py", base, grown, folder / "run").splitlines()[-1])
        yield said, folder / "run", client
    whole(folder / "hub")


def test_adapters_are_trained_from_a_dataset_and_pushed(looped, grown):
    said, run, _ = looped
    assert [said[name]["status"] for name in ("publish", "sft", "dpo")] == [0, 0, 0], said
    sft, dpo = (json.loads((run / f"adapters/{name}/training.json").read_text()) for name in ("sft", "dpo"))
    assert sft["data"]["dataset"] == dpo["data"]["dataset"] == "org/aloe-prefs"
    assert sft["data"]["revision"] == dpo["data"]["revision"]
    for commit in (sft["data"]["revision"], sft["base"]["revision"], dpo["adapter"]["revision"]):
        assert len(commit) == 40
    assert dpo["adapter"]["model"] == "org/adapter-sft"
    # The rows name personas alone: on the Hub their profiles stand in the trees.
    aside = split(load_rows(RunFolder(grown), None, "sft", 6)[0], 0.2)[1]
    assert sft["data"]["eval_rows"] == len(aside)
    assert len({row["profile_id"] for row in aside}) == 1 < len({row["persona_id"] for row in aside})
    assert dpo["report"]["log"][0]["rewards/margins"] == 0
    assert json.loads((run / "adapters/sft/adapter_config.json").read_text())["revision"] == sft["base"]["revision"]


@needs_fused
def test_rank_takes_the_config_ranked_of_a_dataset_whose_replies_may_be_texts(looped):
    said, run, _ = looped
    assert said["rank"]["status"] == 0, said["rank"]
    data = json.loads((run / "adapters/rank/training.json").read_text())["data"]
    assert (data["dataset"], data["rows"], data["eval_rows"]) == ("org/ranked", 4, 1)


def test_sdft_takes_the_config_distill_of_the_dataset(looped):
    said, run, _ = looped
    assert said["sdft"]["status"] == 0, said["sdft"]
    data = json.loads((run / "adapters/sdft/training.json").read_text())["data"]
    assert data["dataset"] == "org/aloe-prefs"
    assert (data["trees"], data["rows"] + data["nothing_inferred"], data["eval_rows"] > 0) == (6, 12, True)
    assert any(
        f"{data['nothing_inferred']} at which nothing had been inferred were left out" in line for line in said["sdft"]["lines"]
    )


def test_the_pushed_adapter_is_loaded_by_its_name_in_another_process(looped, base):
    _, run, client = looped
    folder = run / "adapters/dpo"
    prompt = AutoTokenizer.from_pretrained(folder).apply_chat_template(
        [{"role": "user", "content": "Hello"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    assert isinstance(prompt, BatchEncoding)
    here = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), folder)
    with torch.no_grad():
        logits = here(**prompt).logits.double().sum().item()
    assert float(client("load_adapter.py", "org/adapter-dpo").splitlines()[-1]) == pytest.approx(logits, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        ("unknown", 1, "--data org/nothing: no such dataset on http://127.0.0.1"),
        ("revision", 1, "--data org/aloe-prefs@nothing: org/aloe-prefs has no revision nothing"),
        ("columns", 1, "--data org/texts: config 'sft' has no column prompt, completion; it has text"),
        ("config", 1, "--data org/texts: no config 'pairs' with a split 'train' in it"),
        ("name", 2, "--data 'a//b': not a name that the Hub takes"),
        ("base", 1, "org/nothing: no such folder, and no such model on http://127.0.0.1"),
    ],
)
def test_what_the_hub_does_not_have_is_one_line(looped, name, status, message):
    said = looped[0][name]
    assert said["status"] == status
    assert len(said["errors"]) == 1
    assert message in said["errors"][0]


def test_a_refused_push_keeps_the_adapter_and_the_same_command_pushes_it(looped):
    said, run, _ = looped
    assert said["refused"]["status"] == 1
    [error] = said["refused"]["errors"]
    assert f"aloe publish adapter --adapter {run}/adapters/kept --repo org/adapter-kept" in error
    assert (run / "adapters/kept/training.json").exists()
    assert said["pushed"]["status"] == 0
    assert any("was trained already" in line for line in said["pushed"]["lines"])
