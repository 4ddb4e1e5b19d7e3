"""A run folder says how it was made, and refuses to go on with other settings."""

import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

from aloe_hub import __version__
from aloe_hub.errors import AloeError, DataError, SettingsDiffer
from aloe_hub.files.jsonl import write_rows
from aloe_hub.files.run_folder import RunFolder, differences, plain, policy_file
from aloe_hub.types import Persona


@dataclass(frozen=True)
class Settings:
    models: dict[str, str]
    turns: int = 10
    threshold: float = 0.6
    limit: int | None = None
    names: tuple[str, ...] = ()


SETTINGS = Settings({"user": "scripted"}, names=("a", "b"))


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path / "run")


def toml(run):
    return tomllib.loads(run.file("run.toml").read_text(encoding="utf-8"))


def test_a_folder_that_is_no_run_yet_has_no_settings(run):
    assert run.settings() == {}
    assert not run.path.exists()


def test_a_claim_writes_down_settings_and_versions_in_toml(run):
    run.claim("trees", SETTINGS)
    assert toml(run)["trees"] == {"models": {"user": "scripted"}, "turns": 10, "threshold": 0.6, "names": ["a", "b"]}
    assert toml(run)["made_with"]["aloe_hub"] == __version__
    assert [path.name for path in run.path.iterdir()] == ["run.toml"]


def test_the_same_settings_pass_and_change_no_byte(run):
    run.claim("trees", SETTINGS)
    before = run.file("run.toml").read_bytes()
    run.claim("trees", SETTINGS)
    run.claim("trees", plain(SETTINGS))
    assert run.file("run.toml").read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"turns": 5}, "trees.turns is 10 there and 5 now"),
        ({"threshold": 0.7}, "trees.threshold is 0.6 there and 0.7 now"),
        ({"limit": 3}, "trees.limit is None there and 3 now"),
        ({"models": {"user": "x"}}, "trees.models is {'user': 'scripted'} there and {'user': 'x'} now"),
        ({"names": ("b", "a")}, "trees.names is ['a', 'b'] there and ['b', 'a'] now"),
    ],
)
def test_other_settings_are_refused_and_the_difference_is_named(run, changes, message):
    run.claim("trees", SETTINGS)
    before = run.file("run.toml").read_bytes()
    with pytest.raises(SettingsDiffer) as caught:
        run.claim("trees", plain(SETTINGS) | changes | {"names": list(changes.get("names", SETTINGS.names))})
    assert message in str(caught.value)
    assert str(run.file("run.toml")) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert run.file("run.toml").read_bytes() == before


def test_processes_that_claim_the_same_run_at_once_all_pass_and_leave_it_whole(tmp_path):
    folders = [tmp_path / str(number) for number in range(200)]
    for folder in folders:
        RunFolder(folder).claim("personas", {"seed": 7})
    code = (
        "import sys; from pathlib import Path; from aloe_hub.files.run_folder import RunFolder\n"
        "for folder in sys.argv[1:]: RunFolder(Path(folder)).claim('trees', {'turns': 10})"
    )
    shards = [subprocess.Popen([sys.executable, "-c", code, *folders], stderr=subprocess.PIPE) for _ in range(4)]
    assert [(shard.communicate()[1], shard.returncode) for shard in shards] == [(b"", 0)] * 4
    for folder in folders:
        assert toml(RunFolder(folder)).keys() == {"made_with", "personas", "trees"}
        assert [path.name for path in folder.iterdir()] == ["run.toml"]


def test_a_setting_that_is_gone_is_a_difference_too(run):
    run.claim("trees", {"turns": 10, "limit": 3})
    with pytest.raises(SettingsDiffer, match="limit is 3 there and None now"):
        run.claim("trees", {"turns": 10})


def test_stages_are_claimed_apart(run):
    run.claim("trees", {"seed": 1})
    run.claim("evaluate", {"seed": 2})
    assert toml(run)["trees"] == {"seed": 1}
    assert toml(run)["evaluate"] == {"seed": 2}


@pytest.mark.parametrize("content", [b"trees = ", b"[trees]\n[trees]", b"\xff\xfe", b"turns: 3"])
def test_a_broken_run_toml_is_one_line_that_names_it(run, content):
    run.path.mkdir()
    run.file("run.toml").write_bytes(content)
    with pytest.raises(DataError, match=r"run.toml: cannot be read") as caught:
        run.claim("trees", SETTINGS)
    assert "\n" not in str(caught.value)
    assert run.file("run.toml").read_bytes() == content


@pytest.mark.parametrize("content", ["trees = 3", "trees = 'x'", "[[trees]]\nturns = 10"])
def test_a_stage_that_is_no_table_is_an_error_for_people(run, content):
    run.path.mkdir()
    run.file("run.toml").write_text(content)
    with pytest.raises(AloeError, match=r"run.toml"):
        run.claim("trees", SETTINGS)


def test_a_file_in_place_of_the_folder_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="not a folder"):
        RunFolder(tmp_path / "file").claim("trees", SETTINGS)


def test_texts_of_any_script_pass_through_run_toml(run):
    settings = {"model": 'local:模型/"x"\\\n\t\u2028é'}
    run.claim("trees", settings)
    run.claim("trees", settings)
    assert toml(run)["trees"] == settings


def test_differences_of_equal_settings_are_none():
    assert list(differences({"a": 1}, {"a": 1})) == []
    assert list(differences({"a": 1, "b": 2}, {"b": 3, "c": 4})) == [("a", 1, None), ("b", 2, 3), ("c", None, 4)]


def test_plain_leaves_out_what_is_not_set():
    assert "limit" not in plain(SETTINGS)
    assert plain({"a": None, "b": (1,), "c": 0, "off": False, "on": True}) == {"b": [1], "c": 0, "on": True}


@pytest.mark.parametrize(
    ("policy", "name"),
    [
        ("scripted", "scripted.jsonl"),
        ("scripted:plain", "scripted_plain.jsonl"),
        ("local:org/model@main+org/adapter@v1.0", "local_org_model_main_org_adapter_v1.0.jsonl"),
        ("http://127.0.0.1:8000/v1#m", "http_127.0.0.1_8000_v1_m.jsonl"),
        ("local:../../etc/passwd", "local_.._.._etc_passwd.jsonl"),
        ("../x", "x.jsonl"),
        ("hub:org/ä ö", "hub_org.jsonl"),
        ("inferred(scripted:plain,by=scripted)", "inferred_scripted_plain_by_scripted.jsonl"),
        ("reminder(rag(local:org/x,k=3))", "reminder_rag_local_org_x_k_3.jsonl"),
        ("best-of(scripted,k=3)", "best-of_scripted_k_3.jsonl"),
    ],
)
def test_a_model_string_makes_a_plain_file_name(policy, name):
    assert policy_file(policy) == name
    assert Path(policy_file(policy)).name == name


def test_a_model_string_too_long_for_a_file_name_is_cut_and_told_apart():
    names = {policy_file(f"reminder(local:{'folder/' * 60}{last})") for last in "ab"}
    assert len(names) == 2
    assert all(len(f"failed-{name}.partial") <= 255 and name.startswith("reminder_local_folder_") for name in names)


def persona_rows(*splits):
    return [Persona(f"profile {n}", "p").to_row() | {"split": split} for n, split in enumerate(splits)]


def test_personas_are_those_of_one_split_in_pool_order(run):
    write_rows(run.file("personas.jsonl"), persona_rows("train", "test", "train"))
    assert [persona.profile for persona in run.personas("train")] == ["profile 0", "profile 2"]
    assert [persona.profile for persona in run.personas("test")] == ["profile 1"]


def test_a_folder_without_a_pool_says_how_to_make_one(run):
    with pytest.raises(DataError, match=r"personas.jsonl: no such file; make the pool first: aloe personas --run"):
        run.personas("train")


def test_an_empty_split_is_an_error(run):
    write_rows(run.file("personas.jsonl"), persona_rows("train"))
    with pytest.raises(DataError, match="no persona in split 'test'"):
        run.personas("test")


def test_a_pool_row_without_its_split_names_the_line(run):
    write_rows(run.file("personas.jsonl"), [*persona_rows("train"), Persona("a", "b").to_row()])
    with pytest.raises(DataError, match=r"personas.jsonl, line 2: the row has no 'split'"):
        run.personas("train")
