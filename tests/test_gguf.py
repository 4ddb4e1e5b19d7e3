"""GGUF as a model: read once, kept as safetensors, whole or not at all; what cannot be read is one line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from random import Random
from threading import Barrier, Thread
from typing import Any

import pytest
import torch
from gguf import GGMLQuantizationType, quants
from transformers import AutoModelForCausalLM

from aloe_hub import gguf
from aloe_hub.errors import AloeError, DataError
from aloe_hub.gguf import MARK, unpacked
from aloe_hub.loading import load_adapter, load_model, load_tokenizer
from aloe_hub.model_string import ModelString
from aloe_hub.source import Source
from tests import tiny
from tests.made_gguf import save_gguf

ONCE = "reading the GGUF"
TOKENS = torch.arange(10, 20).reshape(1, 10)
CHAT = [{"role": "user", "content": "Grüß Gott"}]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("models") / "base")


@pytest.fixture
def packed(tmp_path, base):
    """A folder with one GGUF in it."""
    folder = tmp_path / "packed"
    folder.mkdir()
    save_gguf(base, folder / "tiny.F32.gguf")
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setattr("huggingface_hub.utils._cache_assets.HF_ASSETS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/aloe-hub/gguf/safetensors"


def at(path):
    return Source.parse(str(path))


def logits(model):
    with torch.no_grad():
        return model(input_ids=TOKENS).logits


def refused(call, *arguments):
    with pytest.raises(AloeError) as caught:
        call(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_file_or_a_folder_with_one_is_the_model_that_it_was_made_of(base, packed):
    expected, file = logits(load_model(at(base), device="cpu")), packed / "tiny.F32.gguf"
    for source in (at(packed), at(file)):
        model, tokenizer = load_model(source, device="cpu"), load_tokenizer(source)
        assert torch.equal(logits(model), expected)
        assert (model.dtype, model.name_or_path) == (torch.float32, str(file))
        assert model.generation_config.eos_token_id == tokenizer.eos_token_id == 1
        prompt: Any = tokenizer.apply_chat_template(CHAT, add_generation_prompt=True, return_dict=False)
        assert tokenizer.decode(prompt) == "<user>Grüß Gott<end><assistant>"
        assert (prompt[0], prompt[-2:]) == (4, [1, 5])  # the special ones are one token each


def test_quantised_weights_are_what_the_file_says(tmp_path, base):
    kind = GGMLQuantizationType.Q8_0
    model = load_model(at(save_gguf(base, tmp_path / "tiny.gguf", kind=kind)), device="cpu")
    for name, weights in AutoModelForCausalLM.from_pretrained(base).state_dict().items():
        values = weights.numpy()
        if values.ndim > 1:
            values = quants.dequantize(quants.quantize(values, kind), kind)
        assert torch.equal(model.state_dict()[name], torch.from_numpy(values)), name


def test_it_is_read_once_whatever_it_is_called(packed, cache, caplog):
    load_tokenizer(at(packed))
    load_model(at(packed))
    shutil.copy(packed / "tiny.F32.gguf", packed.parent / "other.gguf")
    load_model(at(packed.parent / "other.gguf"))
    read, kept = caplog.messages
    assert read == f"{packed}: reading the GGUF, which takes up to some minutes, this once"
    (folder,) = (path for path in cache.iterdir() if path.is_dir())
    assert kept.startswith(f"{packed}: kept as safetensors in {folder}, ")
    assert json.loads((folder / MARK).read_text())["file"] == "tiny.F32.gguf"


def test_a_file_that_has_changed_is_read_again(tmp_path, base, packed, caplog):
    before = logits(load_model(at(packed)))
    save_gguf(tiny.save_model(tmp_path / "other", seed=5), packed / "tiny.F32.gguf")
    assert not torch.equal(logits(load_model(at(packed))), before)
    assert sum(ONCE in message for message in caplog.messages) == 2


def test_of_two_files_one_must_be_named_and_a_saved_model_comes_first(base, packed, tmp_path):
    shutil.copy(packed / "tiny.F32.gguf", packed / "tiny.Q8_0.gguf")
    assert refused(load_model, at(packed)) == (f"{packed}: holds 2 GGUF files; name one of them, as in {packed}/tiny.F32.gguf")
    both = shutil.copytree(base, tmp_path / "both")
    (both / "tiny.gguf").write_bytes(b"not looked at")
    assert load_model(at(both)).name_or_path == str(both)


def test_an_adapter_for_it_names_the_file_and_fits_without_a_word(tmp_path, packed, caplog):
    adapter = tmp_path / "adapter"
    load_model(at(packed))
    caplog.clear()
    from peft import LoraConfig, get_peft_model

    lora = LoraConfig(r=4, target_modules=["q_proj"], init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(load_model(at(packed)), lora).save_pretrained(adapter)
    assert json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"] == str(packed / "tiny.F32.gguf")
    load_adapter(load_model(at(packed)), at(adapter))
    assert not caplog.messages


@pytest.mark.parametrize("architecture", ["rwkv6", "bert"])
def test_an_architecture_that_transformers_cannot_read_is_named(tmp_path, base, architecture):
    file = save_gguf(base, tmp_path / "tiny.gguf", architecture=architecture)
    said = refused(load_model, at(file))
    assert said.startswith(f"{file}: transformers ")
    assert architecture in said
    assert "serve the file with llama.cpp and name it http://host:port/v1#model" in said


@pytest.mark.parametrize("length", [0, 3, 4, 20, 24, 500, 3000, 60_000, -1])
def test_a_torn_file_is_one_line_and_nothing_is_kept(packed, cache, length):
    file = packed / "tiny.F32.gguf"
    file.write_bytes(file.read_bytes()[:length])
    assert refused(load_model, at(file)).startswith(f"{file}: transformers ")
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_a_damaged_file_loads_or_is_one_line(packed):
    file, random = packed / "tiny.F32.gguf", Random(1)
    whole = file.read_bytes()
    for _ in range(25):
        damaged = bytearray(whole)
        for _ in range(3):
            damaged[random.randrange(random.choice([64, 2000, 12_000]))] = random.randrange(256)
        file.write_bytes(damaged)
        with suppress(AloeError):
            load_tokenizer(at(file))
    file.write_bytes(whole[:100] + b"\xff" * 100 + whole[200:])
    assert "cannot read this GGUF" in refused(load_tokenizer, at(file))


def test_weights_that_are_missing_are_not_made_up(tmp_path, base):
    file = save_gguf(base, tmp_path / "tiny.gguf", leave_out="blk.1.ffn_up")
    assert refused(load_model, at(file)).startswith(
        f"{file}: 1 of its weights are missing, such as model.layers.1.mlp.up_proj.weight"
    )


def test_without_the_package_it_is_said_what_to_install(packed, monkeypatch):
    monkeypatch.setattr("transformers.utils.import_utils.is_gguf_available", lambda: False)
    assert refused(load_model, at(packed)) == (
        f"{packed}: a GGUF is read with the package gguf; run: pip install 'aloe-hub[local]'"
    )


def test_a_full_disk_is_one_line(packed, cache, monkeypatch):
    cache.parent.mkdir(parents=True)
    cache.write_text("no folder")
    assert f"{packed}: its unpacked weights cannot be stored (" in refused(load_model, at(packed))


# --- whole or not at all


def test_what_an_interrupted_process_left_is_not_taken(packed, cache, monkeypatch):
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda number: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            load_model(at(packed))
    (left,) = (path for path in cache.iterdir() if path.is_dir())
    assert left.name.endswith(".partial")
    (left / "old.safetensors").write_bytes(b"of another time")
    load_model(at(packed))
    (kept,) = (path for path in cache.iterdir() if path.is_dir())
    assert not kept.name.endswith(".partial")
    assert not (kept / "old.safetensors").exists()


def test_two_that_need_it_at_the_same_time_make_it_once(packed, monkeypatch):
    made, together, found = [], Barrier(2), []
    write = gguf.write_unpacked

    def slowly(*given):
        made.append(given)
        time.sleep(0.2)
        write(*given)

    monkeypatch.setattr(gguf, "write_unpacked", slowly)

    def load():
        together.wait()
        found.append(unpacked(packed / "tiny.F32.gguf", "tiny"))

    threads = [Thread(target=load) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert len(set(found)) == 1


@pytest.mark.torture
def test_processes_that_are_killed_and_others_that_wait_end_with_one_whole_copy(packed, cache, tmp_path):
    code = "import sys; from pathlib import Path; from aloe_hub.gguf import unpacked; print(unpacked(Path(sys.argv[1]), 'tiny'))"
    command = [sys.executable, "-c", code, str(packed / "tiny.F32.gguf")]
    environment = os.environ | {"HF_ASSETS_CACHE": str(tmp_path / "cache")}

    def started():
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    deadline = time.monotonic() + 300
    for kill in range(20):
        killed = started()
        while not list(cache.glob("*.lock")) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05 * kill)
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
        shutil.rmtree(cache, ignore_errors=True) if not list(cache.glob("*.partial")) else None
    others = [started() for _ in range(3)]
    (folder,) = {one.communicate(timeout=300)[0].strip() for one in others}
    assert [path.name for path in cache.iterdir() if path.is_dir()] == [Path(folder).name]
    assert torch.equal(logits(AutoModelForCausalLM.from_pretrained(folder)), logits(load_model(at(packed))))


def test_a_folder_that_is_there_is_never_overwritten(packed, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    with pytest.raises(OSError, match="not empty"):
        gguf.write_unpacked(packed / "tiny.F32.gguf", mine, "tiny")
    assert [path.name for path in mine.iterdir()] == ["notes.txt"]


# --- names


@pytest.mark.parametrize(
    ("text", "repo", "file", "revision"),
    [
        ("org/model-GGUF/tiny.Q4_1.gguf", "org/model-GGUF", "tiny.Q4_1.gguf", None),
        ("org/model-GGUF/sub/folder/tiny.GGUF@refs/pr/1", "org/model-GGUF", "sub/folder/tiny.GGUF", "refs/pr/1"),
        ("org/model-GGUF@v1", "org/model-GGUF", None, "v1"),
        ("org/model.gguf", "org/model.gguf", None, None),
    ],
)
def test_a_file_in_a_repo_is_named_after_it(text, repo, file, revision):
    source = Source.parse(text)
    assert (source.repo, source.gguf, source.revision, source.folder, str(source)) == (repo, file, revision, None, text)


@pytest.mark.parametrize("text", ["org/model/../../tiny.gguf", "org/model/./tiny.gguf", "org/model/tiny.bin", "/gone/tiny.gguf"])
def test_what_is_no_file_of_a_repo_is_refused(text):
    assert "no such folder, and not a name on the Hub" in refused(Source.parse, text)


def test_with_an_adapter(packed):
    model = ModelString.parse("local:org/model-GGUF/tiny.gguf@v1+org/adapter")
    assert (str(model.base), str(model.adapter)) == ("org/model-GGUF/tiny.gguf@v1", "org/adapter")
    assert str(model) == "local:org/model-GGUF/tiny.gguf@v1+org/adapter"


def test_a_file_here_has_the_folder_that_holds_it(packed):
    source = at(packed / "tiny.F32.gguf")
    assert (source.folder, source.gguf) == (packed, "tiny.F32.gguf")
    with pytest.raises(DataError, match=r"no config.json in it"):
        load_model(at(save_readme(packed)))


def save_readme(folder):
    """A file, but no GGUF."""
    (folder / "README.md").write_text("# Tiny")
    return folder / "README.md"
