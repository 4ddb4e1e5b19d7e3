"""The release: its order, that a stopped one goes on, what it refuses; and the whole of it against a Hub on this machine."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from huggingface_hub import HfApi

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import release  # noqa: E402
import release_lines  # noqa: E402


@pytest.fixture
def planned(tmp_path) -> release.Release:
    for name in ("sft", "dpo"):
        (tmp_path / "run" / "adapters" / name).mkdir(parents=True)
        (tmp_path / "run" / "adapters" / name / "adapter_config.json").write_text("{}")
    (tmp_path / "work").mkdir()
    around = os.environ | {
        "HF_TOKEN": "hf_secret",
        "HF_HUB_CACHE": "/mine",
        "HF_ENDPOINT": "http://here",
        "PYTHONPATH": "/checkout",
    }
    return release.Release("v0.1.0", "0" * 40, "org", tmp_path / "run", tmp_path / "work", HfApi(), around, rehearsal=True)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch) -> Path:
    """A checkout from which 1.2.0 may be released."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "CITATION.cff").write_text("title: x\nversion: 1.2.0\nlicense: y\n")
    (folder / "CHANGELOG.md").write_text("## [Unreleased]\n\n## [1.2.0] - 2026-11-27\n")
    monkeypatch.setattr(release, "ROOT", folder)
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "x")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "x@localhost")
    for command in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"], ["tag", "v1.2.0"]):
        release.git(*command)
    return folder


def test_a_clean_tag_is_released(checkout):
    assert release.refusals("1.2.0", "org", "hf_x") == []


def test_what_is_not_a_clean_tag_is_refused(checkout):
    (checkout / "left.txt").write_text("x")
    assert release.refusals("1.2.0", "org", "hf_x") == ["the tree is not clean: left.txt"]
    release.git("add", "left.txt")
    release.git("commit", "-q", "-m", "y")
    (no_tag,) = release.refusals("1.2.0", "org", "hf_x")
    assert no_tag.startswith("HEAD has no tag v1.2.0")


@pytest.mark.parametrize(("org", "token"), [("", "hf_x"), ("org", None), ("org", "")])
def test_a_release_needs_an_account(checkout, org, token):
    (found,) = release.refusals("1.2.0", org, token)
    assert found.startswith("ORG and HF_TOKEN")


def test_the_version_is_the_same_everywhere(checkout):
    found = release.refusals("1.3.0", "org", "hf_x")
    assert [one.split(":")[0].split(" ")[0] for one in found] == ["HEAD", "CITATION.cff", "CHANGELOG.md"]


def test_everything_is_there_before_what_needs_it(planned):
    names = list(release.steps(planned, {}))
    first = [
        names.index(f"publish org/{name}")
        for name in ("aloe-personas", "aloe-prefs", "aloe-pocket", "aloe-pocket-sft", "aloe-demo")
    ]
    assert first == sorted(first)
    assert names.index("install the wheel") < first[0]  # by the commands of the wheel
    assert first[-1] < names.index("collection")
    assert all(names.index("collection") < place for place, name in enumerate(names) if name.startswith("read back"))
    adapter = next(thing for thing in planned.things if thing.repo == "org/aloe-pocket-dpo")
    assert adapter.how == ("adapter", "--base-repo", "org/aloe-pocket", "--adapter", planned.run / "adapters" / "dpo")


def test_a_stopped_release_goes_on(tmp_path, capsys):
    def stopped() -> str:
        raise KeyboardInterrupt

    state, ran = tmp_path / "state.json", []

    def step(name: str) -> str:
        ran.append(name)
        return f"said by {name}"

    steps = {name: partial(step, name) for name in ("one", "two", "three")}
    with pytest.raises(KeyboardInterrupt):
        release.carry_out(steps | {"two": stopped}, state, {})
    done = json.loads(state.read_text())
    assert done == {"one": "said by one"}
    release.carry_out(steps, state, done)
    assert ran == ["one", "two", "three"]
    assert "== one: done before\n== two\nsaid by two\n" in capsys.readouterr().out
    assert list(json.loads(state.read_text())) == ["one", "two", "three"]


def test_a_stranger_has_neither_token_nor_cache_nor_checkout(planned):
    left = planned.work / "stranger" / "left"
    left.parent.mkdir()
    left.write_text("of another stranger")
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    its = json.loads(planned.call(sys.executable, "-c", code, stranger=True))
    assert {name: value for name, value in its.items() if name.startswith("HF_") and name not in release.QUIET} == {
        "HF_ENDPOINT": "http://here",
        "HF_HOME": str(planned.work / "stranger"),
    }
    assert not left.exists()
    assert "PYTHONPATH" not in its
    assert json.loads(planned.call(sys.executable, "-c", code))["HF_TOKEN"] == "hf_secret"


def test_a_command_that_fails_ends_the_release_with_its_words(planned):
    code = "import sys; print('said'); sys.exit('and why')"
    with pytest.raises(SystemExit, match=r"(?s)said.*and why.*status 1; more in .*log.txt"):
        planned.call(sys.executable, "-c", code)


def test_the_pages_have_the_lines_that_are_made_smaller():
    text = "".join((ROOT / page).read_text() for page in release_lines.PAGES)
    assert all(before in text for before in release_lines.SMALLER)
    lines = release_lines.typed("mine", "v9", ["mine/aloe-pocket", "mine/aloe-pocket-sft"])
    code = "\n".join(lines.values())
    assert '"org/' not in code
    assert "Qwen" not in code
    assert 'load_dataset("mine/aloe-prefs", revision="v9")' in code
    assert 'AutoPeftModelForCausalLM.from_pretrained("mine/aloe-pocket-sft")' in code
    assert sum(name.startswith("README.md") for name in lines) == 2


def test_the_real_thing_is_refused_here(tmp_path):
    """Without an account: before anything is made."""
    around = {name: value for name, value in os.environ.items() if name not in ("ORG", "HF_TOKEN")} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(ROOT / "scripts" / "release.py"), "--in", str(tmp_path / "in")]
    done = subprocess.run(command, env=around, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ORG and HF_TOKEN" in done.stdout
    assert not (tmp_path / "in").exists()


@pytest.mark.torture
@pytest.mark.timeout(1800)
def test_a_rehearsal_goes_the_whole_way(tmp_path):
    pytest.importorskip("twine", reason="needs the extra release")
    from aloe_hub.cli.app import main
    from tests.hub.published import make_run

    run = make_run(tmp_path / "run").path
    for method in ("sft", "dpo"):
        assert main(["train", method, "--base", "pocket", "--run", str(run), "--recipe", "demo", "--epochs", "1"]) == 0
    command = [
        sys.executable,
        str(ROOT / "scripts" / "release.py"),
        "--rehearse",
        "--run",
        str(run),
        "--in",
        str(tmp_path / "in"),
    ]
    around = os.environ | {"PYTHONPATH": str(ROOT), "ORG": "somebody", "OMP_NUM_THREADS": "1"}
    for again in (False, True):
        done = subprocess.run(command, env=around, capture_output=True, text=True, check=False)
        print(done.stdout)
        assert done.returncode == 0, done.stdout + done.stderr
        steps = [line for line in done.stdout.splitlines() if line.startswith("== ")][:-1]
        assert all(line.endswith("done before") == again for line in steps)
        assert "space      http" in done.stdout.partition("== what stands where")[2]
    (work,) = (tmp_path / "in").iterdir()
    said = json.loads((work / "state.json").read_text())
    assert said["read back: collection"].splitlines() == [
        "dataset somebody/aloe-personas",
        "dataset somebody/aloe-prefs",
        "space somebody/aloe",
        "model somebody/aloe-pocket",
        "model somebody/aloe-pocket-dpo",
        "model somebody/aloe-pocket-sft",
        "space somebody/aloe-demo",
    ]
    assert [line.split("\n")[-1] for name, line in said.items() if name.startswith("read back: README")] == ["runs", "runs"]
