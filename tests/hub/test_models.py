"""Adapters, merged models and the pocket model on the Hub: one commit, loaded by real clients in fresh processes."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from gguf import GGMLQuantizationType
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, BatchEncoding

from aloe_hub.errors import AloeError, DataError, UsageError
from aloe_hub.gguf import write_unpacked
from aloe_hub.hub.models import prepared_adapter, publish_adapter, publish_pocket
from aloe_hub.hub.push import Published
from tests.hub.made_models import make_adapter, make_full, make_model, make_pocket
from tests.hub.published import CANARY, Repo
from tests.local_hub.hub_tools import READER
from tests.made_gguf import save_gguf

HF = str(Path(sys.executable).with_name("hf"))
TOKENIZER = {"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"}
ADAPTER = {"adapter_config.json", "adapter_model.safetensors", "training.json", "README.md"} | TOKENIZER
Q8_0 = GGMLQuantizationType.Q8_0
WHOLE = {"config.json", "generation_config.json", "model.safetensors", "training.json", "README.md"} | TOKENIZER


@pytest.fixture(scope="module")
def base(tmp_path_factory, environment) -> Path:
    """A base in a folder, uploaded as org/base by the command that our message names."""
    folder = make_model(tmp_path_factory.mktemp("base") / "base")
    subprocess.run([HF, "upload", "org/base", str(folder)], env=environment(), check=True, capture_output=True)
    return folder


@pytest.fixture
def adapter(base, tmp_path) -> Path:
    """Trained on the folder."""
    return make_adapter(tmp_path / "adapters/dpo", base)


@pytest.fixture
def push(at_hub) -> Callable[..., Published]:
    """Publish from this process, as `aloe train --push` does."""
    return lambda folder, repo, **options: publish_adapter(folder, repo, **({"base_repo": "org/base"} | options))


def model(hub, name: str) -> Repo:
    return Repo(hub, name, "models")


# --- what a publish makes


def test_an_adapter_is_one_commit_with_its_tokenizer_card_and_training_and_a_second_publish_makes_no_other(
    hub, adapter, publish, tmp_path
):
    repo = model(hub, "org/once")
    arguments = ("adapter", "--adapter", adapter, "--repo", repo.id, "--base-repo", "org/base")
    home = {"token": CANARY, "HF_HOME": str(tmp_path / "home")}
    first = publish(*arguments, fresh=True, **home)
    commit, *before = repo.commits()
    assert len(before) == 1
    assert set(repo.files()) == ADAPTER  # no checkpoint, no pickle
    assert "PEFT" not in repo.card()  # the README of the folder is PEFT's
    ((tag, marked),) = repo.tags().items()
    assert marked == commit
    assert f"{hub.endpoint}/{repo.id}: published as commit {commit[:8]}, tag {tag}" in first.stdout
    assert f'pipeline("text-generation", model="{repo.id}")' in first.stdout
    second = publish(*arguments, fresh=True, **home)
    assert "nothing new" in second.stdout
    assert (repo.commits(), repo.tags()) == ([commit, *before], {tag: commit})
    assert "canary" not in (first.stdout + first.stderr + second.stdout + second.stderr).lower()
    places = [adapter.parent, tmp_path / "home", *hub.directory.glob("repos/models/org/once")]
    files = [path for place in places for path in place.rglob("*") if path.is_file()]
    assert len(files) > 10
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
    assert sorted(path.name for path in adapter.parent.iterdir()) == ["dpo"]


def test_the_published_config_names_the_base_at_the_commit_that_holds_its_weights(hub, adapter, push):
    repo, held = model(hub, "org/named"), model(hub, "org/base").commits()[0]
    push(adapter, repo.id)
    model(hub, "org/base").write("README.md", b"---\nlicense: mit\n---\nA card, later.\n")
    own = json.loads((adapter / "adapter_config.json").read_bytes())
    config = json.loads(repo.read("adapter_config.json"))
    assert config == own | {"base_model_name_or_path": "org/base", "revision": held}
    assert json.loads(repo.read("training.json"))["base"] == {"model": "org/base", "revision": held}
    assert repo.read("adapter_model.safetensors") == (adapter / "adapter_model.safetensors").read_bytes()
    assert "license" not in repo.card()
    push(adapter, repo.id)
    assert "license: mit" in repo.card()  # the base's, where it has one
    assert json.loads(repo.read("adapter_config.json"))["revision"] == held
    commits = repo.commits()
    assert not push(adapter, repo.id).new
    assert repo.commits() == commits


def test_what_a_person_wrote_survives_and_other_weights_are_one_more_commit(hub, base, adapter, push, tmp_path):
    repo = model(hub, "org/by-hand")
    push(adapter, repo.id, tag="v1")
    repo.write("README.md", repo.card().replace("tags:\n", "tags:\n- mine\n").encode() + b"\nWritten below.\n")
    repo.write("notes.txt", b"by hand")
    repo.write("vocab.json", b"of another tokenizer")
    commits = len(repo.commits())
    push(make_adapter(tmp_path / "second", base, seed=3), repo.id)
    assert len(repo.commits()) == commits + 1
    assert set(repo.files()) == ADAPTER | {"notes.txt"}
    assert "Written below." in repo.card()
    assert "- mine" in repo.card()
    assert len(repo.tags()) == 2
    assert repo.read("adapter_model.safetensors", "v1") == (adapter / "adapter_model.safetensors").read_bytes()
    with pytest.raises(AloeError, match="--tag v1: already marks commit"):
        push(tmp_path / "second", repo.id, tag="v1")


def test_a_private_model_is_private(hub, adapter, push):
    push(adapter, "org/hidden-adapter", private=True)
    assert model(hub, "org/hidden-adapter").private


def test_a_model_trained_whole_needs_no_base_on_the_hub(hub, base, push, tmp_path):
    repo, folder = model(hub, "org/whole"), make_full(tmp_path / "full", str(base))
    push(folder, repo.id, base_repo=None)
    assert set(repo.files()) == WHOLE
    assert "base_model" not in repo.card()
    assert "`base`, a model that is not on the Hub" in repo.card()
    push(folder, repo.id)
    assert "base_model: org/base\nbase_model_relation: finetune" in repo.card()


def test_a_merged_model_is_one_commit_and_leaves_nothing_behind(hub, adapter, push):
    repo = model(hub, "org/merged-once")
    push(adapter, repo.id, merge=True)
    assert set(repo.files()) == WHOLE
    assert not push(adapter, repo.id, merge=True).new
    assert len(repo.commits()) == 2
    assert [path.name for path in adapter.parent.iterdir()] == ["dpo"]


def test_the_pocket_model_and_an_adapter_of_it(at_hub, hub, tmp_path, monkeypatch):
    folder = make_pocket(tmp_path / "pocket")
    for module in ("aloe_hub.hub.models", "aloe_hub.source"):
        monkeypatch.setattr(f"{module}.shipped", lambda name: folder)
    repo = model(hub, "org/aloe-pocket")
    adapter = make_adapter(tmp_path / "dpo", folder, "pocket")
    with pytest.raises(AloeError, match="publish it first: aloe publish pocket --repo org/aloe-pocket"):
        publish_adapter(adapter, "org/of-pocket", base_repo=repo.id)
    assert publish_pocket(repo.id).new
    assert not publish_pocket(repo.id).new
    assert set(repo.files()) == WHOLE - {"training.json"} | {"pocket.json"}
    publish_adapter(adapter, "org/of-pocket", base_repo=repo.id)
    card = model(hub, "org/of-pocket").card()
    assert "base_model: org/aloe-pocket" in card
    assert "license: apache-2.0" in card
    assert "a test bed" in card


# --- loading back


def test_the_lines_of_the_cards_load_what_was_published(hub, base, adapter, push, client, tmp_path):
    push(adapter, "org/adapter")
    push(adapter, "org/moved", tag="v1")
    push(make_adapter(tmp_path / "other", base, seed=9), "org/moved")
    push(adapter, "org/merged", merge=True)
    tokenizer = AutoTokenizer.from_pretrained(adapter)
    own = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
    messages = [{"role": "user", "content": "Hello, could you help me?"}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")
    assert isinstance(prompt, BatchEncoding)
    with torch.no_grad():
        written = own.generate(**prompt, max_new_tokens=24, do_sample=False)
    reply = written[0, prompt["input_ids"].shape[1] :].tolist()
    with own.disable_adapter(), torch.no_grad():
        assert own.generate(**prompt, max_new_tokens=24, do_sample=False).tolist() != written.tolist()
    text = tokenizer.decode(reply, skip_special_tokens=True)
    expected = {"messages": messages, "prompt": prompt["input_ids"][0].tolist(), "reply": reply, "text": text}
    (tmp_path / "expected.json").write_text(json.dumps(expected))
    assert "ALL THE SAME" in client("load_models.py", tmp_path / "expected.json")


@pytest.mark.parametrize("how", ["option", "card"])
def test_an_adapter_trained_on_a_gguf_is_published_for_the_model_that_it_was_made_from(hub, base, push, tmp_path, how):
    repo, file = model(hub, f"org/of-a-gguf-{how}"), save_gguf(base, tmp_path / "rounded.Q8_0.gguf", kind=Q8_0)
    trained_on = file
    if how == "card":  # as scripts/smollm2.py leaves it
        write_unpacked(file, trained_on := tmp_path / "unpacked", "rounded")
        (trained_on / "README.md").write_text("---\nbase_model: org/base\nbase_model_relation: quantized\n---\n")
    push(make_adapter(tmp_path / "dpo", base, str(trained_on)), repo.id, base_repo="org/base" if how == "option" else None)
    assert json.loads(repo.read("adapter_config.json"))["base_model_name_or_path"] == "org/base"
    assert "base_model: org/base" in repo.card()
    assert "| its weights in training | those of `rounded.Q8_0.gguf`, a GGUF: the base's own, rounded;" in repo.card()


@pytest.mark.parametrize("name", ["org/base-GGUF/tiny.gguf", "{folder}/tiny.gguf"])
def test_of_a_gguf_it_is_asked_what_it_was_made_from(aloe, base, tmp_path, name):
    save_gguf(base, tmp_path / "tiny.gguf")
    named = name.format(folder=tmp_path)
    folder = make_adapter(tmp_path / "dpo", base, named)
    status, _, errors = aloe("publish", "adapter", "--adapter", folder, "--repo", "org/x", "--dry-run")
    assert status == 2
    assert f"--base-repo: the base {named} is a GGUF, which PEFT cannot load; name the model that it was made from" in errors


# --- what does not fit


def test_a_base_that_the_hub_does_not_have_is_named_and_how_to_bring_it_there(hub, base, adapter, push):
    with pytest.raises(AloeError, match="no such model on") as found:
        push(adapter, "org/x", base_repo="org/nowhere")
    assert f"hf upload org/nowhere {base}" in str(found.value)
    assert f"aloe publish adapter --adapter {adapter} --repo org/x --base-repo org/nowhere" in str(found.value)
    assert not model(hub, "org/x").exists


def test_a_base_on_the_hub_with_other_weights_is_refused(hub, base, adapter, push, environment, tmp_path):
    other = make_model(tmp_path / "other", seed=4)
    subprocess.run([HF, "upload", "org/other-base", str(other)], env=environment(), check=True, capture_output=True)
    with pytest.raises(DataError, match="--base-repo org/other-base: holds other weights than"):
        push(adapter, "org/x", base_repo="org/other-base")
    assert not model(hub, "org/x").exists


def test_an_adapter_for_a_base_of_another_shape_is_refused(hub, base, push, tmp_path):
    wide = make_model(tmp_path / "wide", hidden=64)
    folder = make_adapter(tmp_path / "dpo", wide, "org/base")
    with pytest.raises(DataError, match=r"for another base: model\.layers\.\d\.self_attn\.\w+ is \(32, 32\) in org/base"):
        push(folder, "org/x", base_repo=None)
    assert not model(hub, "org/x").exists


def test_a_repo_with_a_model_of_another_kind_is_left_alone(hub, base, adapter, push, tmp_path):
    push(adapter, "org/kind-adapter")
    push(make_full(tmp_path / "full", "org/base"), "org/kind-whole")
    before = {name: model(hub, name).commits() for name in ("org/kind-adapter", "org/kind-whole", "org/base")}
    with pytest.raises(DataError, match="a whole model stands there"):
        push(adapter, "org/kind-whole")
    with pytest.raises(DataError, match="an adapter stands there"):
        push(adapter, "org/kind-adapter", merge=True)
    with pytest.raises(UsageError, match="is the base itself"):
        push(adapter, "org/base")
    assert {name: model(hub, name).commits() for name in before} == before


def test_a_hub_that_refuses_is_one_line_with_the_command_to_try_again(hub, adapter, refused):
    arguments = ("adapter", "--adapter", adapter, "--repo", "org/refused adapter", "--base-repo", "org/base")
    assert "--repo" in refused(*arguments, status=2)
    for repo, token, said in (("org/refused", READER, "no permission"), ("org/refused", None, "not logged in")):
        line = refused("adapter", "--adapter", adapter, "--repo", repo, "--base-repo", "org/base", token=token)
        assert said in line
        assert f"aloe publish adapter --adapter {adapter} --repo {repo} --base-repo org/base" in line
    assert not model(hub, "org/refused").exists


def test_a_hub_that_cannot_be_reached_is_named(adapter, refused):
    line = refused(
        "adapter", "--adapter", adapter, "--repo", "org/x", "--base-repo", "org/base", HF_ENDPOINT="http://127.0.0.1:9"
    )
    assert "http://127.0.0.1:9: cannot be reached" in line
    assert "the model is kept" in line


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "no adapter_config.json and no config.json in it, so no trained model"),
    "no config": (lambda folder: (folder / "adapter_config.json").unlink(), "no adapter_config.json and no config.json in it"),
    "no weights": (lambda folder: (folder / "adapter_model.safetensors").unlink(), "no adapter_model.safetensors in it"),
    "a pickle": (
        lambda folder: (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin"),
        "adapter_model.bin: pickled weights are never published",
    ),
    "torn weights": (
        lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"torn"),
        "adapter_model.safetensors: damaged, or no safetensors",
    ),
    "no tokenizer": (lambda folder: (folder / "tokenizer_config.json").unlink(), "no tokenizer in it"),
    "no base": (lambda folder: (folder / "adapter_config.json").write_text("{}"), "the row has no 'base_model_name_or_path'"),
    "an empty base": (
        lambda folder: (folder / "adapter_config.json").write_text('{"base_model_name_or_path": null}'),
        "base_model_name_or_path is None, and not the name of a model",
    ),
    "torn config": (lambda folder: (folder / "adapter_config.json").write_text("{"), "adapter_config.json: not JSON"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_folder_that_cannot_be_published_is_named_without_a_hub(aloe, adapter, damage):
    harm, said = DAMAGES[damage]
    harm(adapter)
    command = ("publish", "adapter", "--adapter", adapter, "--repo", "org/x", "--base-repo", "org/base", "--dry-run")
    status, output, errors = aloe(*command)
    assert (status, output, errors.count("\n")) == (1, "", 1), errors
    assert said in errors
    assert str(adapter) in errors


def test_files_of_two_adapters_in_one_folder_are_refused(base, tmp_path, aloe):
    folder = make_adapter(tmp_path / "dpo", base, "org/base")
    row = json.loads((folder / "training.json").read_text())
    (folder / "training.json").write_text(json.dumps(row | {"base": {"model": "org/another", "revision": None}}))
    status, _, errors = aloe("publish", "adapter", "--adapter", folder, "--repo", "org/x", "--dry-run")
    assert status == 1
    assert "these are files of two adapters" in errors


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["adapter", "--repo", "org/x"], "--adapter: say which, such as --adapter runs/mine/adapters/dpo"),
        (["adapter", "--adapter", "{adapter}"], "--repo: say where to, such as org/aloe-adapter"),
        (["adapter", "--adapter", "{adapter}", "--repo", "org/x"], "--base-repo: the base {base} lies only on this machine"),
        (["adapter", "--adapter", "{adapter}", "--repo", "org/x", "--base-repo", "a/b/c"], "--base-repo 'a/b/c': not a name"),
        (["adapter", "--adapter", "{base}", "--repo", "org/x", "--merge"], "--merge: {base} holds a whole model already"),
        (["pocket", "--repo", "org/x", "--merge"], "--adapter, --base-repo and --merge are for an adapter, not for pocket"),
    ],
)
def test_wrong_usage_is_one_line_and_needs_no_hub(aloe, base, adapter, arguments, said):
    places = {"base": base, "adapter": adapter}
    status, output, errors = aloe("publish", *(argument.format(**places) for argument in arguments), "--dry-run")
    assert (status, output, errors.count("\n")) == (2, "", 1), errors
    assert said.format(**places) in errors


def test_a_dry_run_shows_files_and_card_and_asks_no_hub(aloe, adapter, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    command = ("publish", "adapter", "--adapter", adapter, "--repo", "org/x", "--base-repo", "org/base", "--dry-run")
    for more, files in (([], ADAPTER), (["--merge"], WHOLE)):
        status, output, errors = aloe(*command, *more)
        assert status == 0, errors
        assert all(path in output for path in files)
        assert "base_model: org/base" in output


def test_what_a_merge_makes_is_gone_when_it_fails(adapter, base, tmp_path):
    shutil.rmtree(tmp_path / "gone", ignore_errors=True)
    gone = make_adapter(tmp_path / "other/dpo", shutil.copytree(base, tmp_path / "gone"))
    shutil.rmtree(tmp_path / "gone")
    with pytest.raises(UsageError, match="is not here any more"), prepared_adapter(gone, "org/x", ask_hub=False, merge=True):
        pass
    assert [path.name for path in gone.parent.iterdir()] == ["dpo"]
