"""Weights: where they are found, what is never loaded, and every failure in one line that says what to do."""

import json
import os
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch
from peft import LoraConfig
from safetensors.torch import load_file, save_file
from transformers import ViTConfig

from aloe_hub.errors import AloeError, UsageError
from aloe_hub.loading import load_adapter, load_model, load_tokenizer
from aloe_hub.local_hub.process import client_environment, running
from aloe_hub.shipped import shipped
from aloe_hub.source import POCKET, Source
from tests import tiny
from tests.made_gguf import save_gguf
from tests.preloaded import PYTHON

TOKENS = torch.arange(10, 20).reshape(1, 10)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """`base`, an `adapter` for it, and `deeper` and `wider` with one each."""
    folder = tmp_path_factory.mktemp("models")
    shapes: dict[str, dict[str, Any]] = {"base": {}, "deeper": {"num_hidden_layers": 3}, "wider": {"hidden_size": 48}}
    for name, shape in shapes.items():
        tiny.save_model(folder / name, **shape)
    tiny.save_adapter(folder / "adapter", folder / "base")
    tiny.save_adapter(folder / "deeper-adapter", folder / "deeper")
    mlp = LoraConfig(target_modules=["gate_proj"], modules_to_save=["lm_head"], init_lora_weights=False, task_type="CAUSAL_LM")
    tiny.save_adapter(folder / "mlp-adapter", folder / "base", mlp)
    (folder / "packed").mkdir()
    save_gguf(folder / "base", folder / "packed/tiny.gguf")
    return folder


@pytest.fixture
def broken(tmp_path, models):
    """A copy of `base` to break."""
    return shutil.copytree(models / "base", tmp_path / "broken")


def at(path):
    return Source.parse(str(path))


def refused(call, *arguments, **named):
    """What a call says when it fails: one line."""
    with pytest.raises(AloeError) as caught:
        call(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def logits(model):
    with torch.no_grad():
        return model(input_ids=TOKENS).logits


# --- sources


@pytest.mark.parametrize(
    ("text", "name", "revision"),
    [
        ("org/model", "org/model", None),
        ("org/model@v1.0", "org/model", "v1.0"),
        ("Org-1/My_model.2@refs/pr/3", "Org-1/My_model.2", "refs/pr/3"),
        ("pocket", "pocket", None),
        ("pocket-sft", "pocket-sft", None),
    ],
)
def test_a_source_is_a_name_and_perhaps_a_revision(text, name, revision):
    source = Source.parse(text)
    assert (source.name, source.revision) == (name, revision)
    assert str(source) == text


def test_a_path_that_exists_is_taken_whole(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("org/model", "a+b@c", "runs/x@v1"):
        Path(name).mkdir(parents=True)
        source = Source.parse(name)
        assert (source.name, source.revision, source.folder) == (name, None, Path(name))
        assert str(source) == name
    assert Source.parse("org/model@v1").folder is None


def test_the_home_folder_may_be_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "model").mkdir()
    assert Source.parse("~/model").folder == tmp_path / "model"


def test_pocket_is_the_model_that_ships_whatever_lies_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pocket").mkdir()
    assert Source.parse("pocket").folder == shipped(POCKET)
    assert Source.parse("./pocket").folder == Path("pocket")
    assert Source.parse("pocket-sft").folder == shipped(POCKET) / "adapter"


@pytest.mark.parametrize(
    "text", ["", " ", "model", "a/b/c", "org/model@", "org/mo del", "./nothing", "/nothing", "pocket@v1", "~/no"]
)
def test_what_cannot_be_a_source_is_wrong_usage(text):
    with pytest.raises(UsageError) as caught:
        Source.parse(text)
    assert str(caught.value).startswith(f"model {text!r}: no such folder")


def test_importing_it_loads_nothing_heavy():
    code = "import sys, aloe_hub.loading; print({'torch', 'transformers', 'peft', 'huggingface_hub'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


# --- models


def test_a_model_is_float32_on_a_cpu_and_ready_to_answer(models):
    model = load_model(at(models / "base"), device="cpu")
    assert (model.dtype, model.device.type, model.training) == (torch.float32, "cpu", False)
    assert model.name_or_path == str(models / "base")
    other = load_model(at(models / "base"), device="cpu", dtype="bfloat16", attention="eager")
    assert (other.dtype, other.config._attn_implementation) == (torch.bfloat16, "eager")


def test_a_tokenizer_brings_its_chat_template(models):
    tokenizer = load_tokenizer(at(models / "base"))
    text = tokenizer.apply_chat_template([{"role": "user", "content": "Hello"}], add_generation_prompt=True, tokenize=False)
    assert text == "<user>Hello<end><assistant>"


def test_a_model_without_a_chat_template_is_refused(tmp_path):
    bare = tiny.save_tokenizer(tmp_path / "bare", template=None)
    assert refused(load_tokenizer, at(bare)).startswith(f"{bare}: has no chat template; take the chat (instruct) version")


def test_a_folder_without_a_model_is_refused(tmp_path, models):
    said = f"{tmp_path}: no config.json in it, so not a model of transformers; check the name"
    assert refused(load_model, at(tmp_path)) == said
    assert "no tokenizer_config.json in it" in refused(load_tokenizer, at(tmp_path))
    adapter = models / "adapter"
    assert refused(load_model, at(adapter)) == (
        f"{adapter}: is an adapter, not a model; name its base first, as BASE+{adapter}, or with --base"
    )


def test_pickled_weights_are_never_loaded(broken):
    weights = broken / "model.safetensors"
    torch.save(load_file(weights), broken / "pytorch_model.bin")
    weights.unlink()
    assert "pickled weights are never loaded" in refused(load_model, at(broken))


def test_weights_that_are_missing_are_not_made_up(broken):
    weights = load_file(broken / "model.safetensors")
    del weights["model.norm.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    assert refused(load_model, at(broken)).startswith(f"{broken}: 1 of its weights are missing, such as model.norm.weight")


@pytest.mark.parametrize(
    ("file", "content"),
    [("model.safetensors", b"torn"), ("config.json", b"{"), ("config.json", b'{"model_type": "gpt99"}'), ("config.json", b"{}")],
)
def test_a_broken_file_is_one_line(broken, file, content):
    (broken / file).write_bytes(content)
    assert refused(load_model, at(broken)).startswith(f"{broken}: the model cannot be loaded (")


def test_what_is_no_language_model_is_refused(tmp_path):
    ViTConfig().save_pretrained(tmp_path)
    assert "cannot be loaded (Unrecognized configuration class" in refused(load_model, at(tmp_path))


def test_code_in_a_repo_is_never_run(broken):
    witness = broken / "it-ran"
    (broken / "own.py").write_text(f"open({str(witness)!r}, 'w')\n")
    config = json.loads((broken / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"}}
    (broken / "config.json").write_text(json.dumps(config))
    assert "cannot be loaded" in refused(load_model, at(broken))
    assert not witness.exists()


def test_an_unknown_dtype_is_wrong_usage(models):
    assert refused(load_model, at(models / "base"), dtype="float8") == (
        "dtype 'float8': must be one of auto, float32, bfloat16, float16"
    )


def test_a_missing_pocket_model_is_said(monkeypatch, tmp_path):
    if (shipped(POCKET) / "config.json").exists():
        assert load_model(Source(POCKET), device="cpu").num_parameters() < 4e6
    else:
        assert "has no pocket model" in refused(load_model, Source(POCKET))


# --- adapters


def test_an_adapter_changes_the_model_and_is_trained_only_if_asked(models):
    before = logits(load_model(at(models / "base")))
    adapted = load_adapter(load_model(at(models / "base")), at(models / "adapter"))
    assert not torch.allclose(logits(adapted), before)
    assert not any(parameter.requires_grad for parameter in adapted.parameters())
    trained = load_adapter(load_model(at(models / "base")), at(models / "adapter"), trainable=True)
    assert {name.split(".")[-3] for name, one in trained.named_parameters() if one.requires_grad} == {"lora_A", "lora_B"}
    load_adapter(load_model(at(models / "base")), at(models / "mlp-adapter"))  # with a whole layer of its own


@pytest.mark.parametrize(
    ("base", "adapter", "made_for"),
    [("deeper", "adapter", "base"), ("base", "deeper-adapter", "deeper"), ("wider", "adapter", "base")],
)
def test_an_adapter_for_another_base_is_refused_with_both_names(models, base, adapter, made_for):
    said = refused(load_adapter, load_model(at(models / base)), at(models / adapter))
    assert said.startswith(f"{models / adapter}: an adapter for {models / made_for}, which does not fit {models / base} (")


def test_an_adapter_for_modules_that_the_base_has_not_is_refused(tmp_path, models):
    folder = shutil.copytree(models / "adapter", tmp_path / "adapter")
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"target_modules": ["Wqkv"]}))
    assert "which does not fit" in refused(load_adapter, load_model(at(models / "base")), at(folder))


def test_a_base_that_was_moved_is_only_mentioned(tmp_path, models, caplog):
    moved = shutil.copytree(models / "base", tmp_path / "moved")
    load_adapter(load_model(at(moved)), at(models / "adapter"))
    assert caplog.messages == [f"{models / 'adapter'}: an adapter for {models / 'base'}, now on {moved}"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "adapter_config.json").unlink(), "no adapter_config.json in it, so not an adapter"),
        (lambda folder: (folder / "adapter_config.json").write_text("{"), "its adapter_config.json is not one of PEFT"),
        (lambda folder: (folder / "adapter_config.json").write_text('{"peft_type": "MORE"}'), "is not one of PEFT"),
        (lambda folder: (folder / "adapter_config.json").write_text("[]"), "is not one of PEFT"),
        (lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"torn"), "the adapter cannot be loaded"),
        (
            lambda folder: (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin"),
            "pickled weights are never loaded",
        ),
    ],
)
def test_a_folder_that_is_no_adapter_is_refused(tmp_path, models, change, said):
    folder = shutil.copytree(models / "adapter", tmp_path / "adapter")
    change(folder)
    found = refused(load_adapter, load_model(at(models / "base")), at(folder))
    assert found.startswith(f"{folder}: ")
    assert said in found


# --- the Hub, by real clients in a process with an empty cache

ON_THE_HUB = """
import sys
from huggingface_hub import HfApi, constants
from aloe_hub.errors import AloeError
from aloe_hub.loading import load_adapter, load_model, load_tokenizer
from aloe_hub.model_string import ModelString
from aloe_hub.source import Source

models = sys.argv[1]
api = HfApi()
assert constants.ENDPOINT.startswith("http://127.0.0.1:")

def push(name, folder, **more):
    api.create_repo(name, private=True, exist_ok=True)
    return api.upload_folder(repo_id=name, folder_path=f"{models}/{folder}", **more)

push("org/tiny", "base")
api.create_tag("org/tiny", tag="v1")
push("org/tiny", "deeper")
push("org/adapter", "adapter")
push("org/pickled", "base", ignore_patterns="*.safetensors")
api.create_repo("org/empty")
push("org/packed", "packed")
api.create_tag("org/packed", tag="v1")
push("org/packed", "packed", path_in_repo="more")

base, adapter = ModelString.parse("local:org/tiny@v1+org/adapter@main").sources
tokenizer, model = load_tokenizer(base), load_model(base)
print(model.config.num_hidden_layers, load_model(Source("org/tiny")).config.num_hidden_layers, model.name_or_path)
load_adapter(model, adapter)
for name in ("org/packed@v1", "org/packed/more/tiny.gguf"):
    print(load_tokenizer(Source.parse(name)).eos_token, load_model(Source.parse(name)).name_or_path)

for call, name in (
    (load_model, "org/nothing"), (load_tokenizer, "org/nothing"), (load_model, "org/tiny@v9"), (load_model, "org/empty"),
    (load_model, "org/pickled"), (load_model, "org/adapter"), (load_model, "org/a--b"),
    (load_model, "org/packed"), (load_model, "org/packed/other.gguf"),
):
    try:
        call(Source.parse(name))
    except AloeError as error:
        print(error)
"""

FROM_THE_CACHE = """
import sys
from aloe_hub.errors import AloeError
from aloe_hub.loading import load_model, load_tokenizer
from aloe_hub.source import Source
for name in sys.argv[1:]:
    try:
        source = Source.parse(name)
        load_tokenizer(source)
        print(load_model(source).config.num_hidden_layers)
    except AloeError as error:
        print(error)
"""


def test_models_and_adapters_come_from_the_hub_by_name_and_revision(tmp_path, models):
    with running(tmp_path / "hub") as hub:
        environment = client_environment(hub, os.environ) | {
            "HF_HOME": str(tmp_path / "home"),
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }

        def client(code, *arguments, **more):
            command = [*PYTHON, "-c", code, *map(str, arguments)]
            done = subprocess.run(command, env=environment | more, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert hub.token not in done.stdout + done.stderr
            return done.stdout.splitlines()

        loaded, *found = client(ON_THE_HUB, models)
        only, named, unknown, no_tokenizer, revision, empty, pickled, adapter, name, several, no_file = found
        assert loaded == "2 3 org/tiny"
        assert (only, named) == ("<end> org/packed/tiny.gguf", "<end> org/packed/more/tiny.gguf")
        login = "log in with `hf auth login` or set HF_TOKEN"
        assert unknown == f"org/nothing: no such folder, and no such model on {hub.endpoint}, or no access to it; {login}"
        assert no_tokenizer == unknown
        assert revision == f"org/tiny@v9: org/tiny has no revision v9; see {hub.endpoint}/org/tiny"
        assert empty == "org/empty: no config.json in it, so not a model of transformers; check the name"
        assert "pickled weights are never loaded" in pickled
        assert adapter.startswith("org/adapter: is an adapter, not a model")
        assert name == "model 'org/a--b': not a name that the Hub takes, such as org/name"
        assert several == "org/packed: holds 2 GGUF files; name one of them, as in org/packed/more/tiny.gguf"
        assert no_file == "org/packed/other.gguf: no other.gguf in org/packed; check the name"

        stranger = client(FROM_THE_CACHE, "org/tiny", HF_TOKEN="", HF_HOME=str(tmp_path / "other"))
        assert stranger == [unknown.replace("org/nothing", "org/tiny")]
    offline = client(FROM_THE_CACHE, "org/tiny@v1", "org/packed/tiny.gguf@v1", "org/never", HF_HUB_OFFLINE="1")
    assert offline == [
        "2",
        "2",
        f"org/never: not in the cache, and {hub.endpoint} cannot be reached; go online, or give a folder",
    ]


class Refusing(BaseHTTPRequestHandler):
    """What the Hub answers for a gated repo, and for one that it has blocked."""

    def do_HEAD(self):
        self.send_response(403)
        self.send_header("X-Error-Message", "Access to this resource is disabled.")
        if "gated" in self.path:
            self.send_header("X-Error-Code", "GatedRepo")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def test_what_the_hub_refuses_is_said_with_what_to_do(tmp_path):
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        endpoint = f"http://127.0.0.1:{server.server_port}"
        variables = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path), "HF_TOKEN": "hf_secret", "NO_PROXY": "127.0.0.1"}
        command = [*PYTHON, "-c", FROM_THE_CACHE, "org/gated@v1", "org/blocked"]
        done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=True)
        server.shutdown()
    gated, blocked = done.stdout.splitlines()
    login = "log in with `hf auth login` or set HF_TOKEN"
    assert gated == f"org/gated@v1: is gated; accept its terms at {endpoint}/org/gated, and {login}"
    assert blocked == f"org/blocked: {endpoint} refuses (Access to this resource is disabled.); try again later, or {login}"
    assert "hf_secret" not in done.stdout + done.stderr
