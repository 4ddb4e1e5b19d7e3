"""Shards into one run: what is missing, or does not belong together, is named."""

import pytest

from aloe_hub.chat.scripted import Scripted
from aloe_hub.errors import AloeError, ChatError, DataError, SettingsDiffer
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.merge import merge
from aloe_hub.stages.training_rows import write_training_rows
from aloe_hub.stages.trees import ROLES, Shard, TreeSettings, grow_all

SETTINGS = TreeSettings(dict.fromkeys(ROLES, "scripted"), turns=2)


def test_shards_of_one_folder_are_merged_in_place(run):
    for index in (1, 2):
        grow_all(run, SETTINGS, shard=Shard(index, 2))
    assert merge([run], run) == 20
    assert len(run.file("trees.jsonl").read_text().splitlines()) == 20


def test_a_missing_shard_is_named(run):
    grow_all(run, SETTINGS, shard=Shard(2, 3))
    with pytest.raises(AloeError, match="shard 1/3, 3/3 is missing or unfinished; run: aloe trees --shard 1/3"):
        merge([run], run)


def test_a_folder_without_shards_is_refused(run):
    with pytest.raises(DataError, match="no trees were grown here"):
        merge([run], run)
    grow_all(run, SETTINGS)
    with pytest.raises(AloeError, match="no finished shard here"):
        merge([run], run)


def test_shards_of_different_cuts_are_refused(run):
    grow_all(run, SETTINGS, shard=Shard(1, 1))
    grow_all(run, SETTINGS, shard=Shard(1, 2))
    with pytest.raises(AloeError, match="lie together"):
        merge([run], run)


def test_shards_with_other_settings_are_refused(run, tmp_path):
    other = RunFolder(tmp_path / "other")
    other.path.mkdir()
    other.file("personas.jsonl").write_bytes(run.file("personas.jsonl").read_bytes())
    grow_all(run, SETTINGS, shard=Shard(1, 2))
    grow_all(other, TreeSettings(dict.fromkeys(ROLES, "scripted"), turns=3), shard=Shard(2, 2))
    with pytest.raises(SettingsDiffer, match=r"trees\.turns is 2 .* and 3"):
        merge([run, other], RunFolder(tmp_path / "merged"))


def test_shards_from_another_pool_are_refused(run, tmp_path):
    other = RunFolder(tmp_path / "other")
    other.path.mkdir()
    lines = run.file("personas.jsonl").read_text().splitlines(keepends=True)
    other.file("personas.jsonl").write_text("".join(lines[::-1]))
    grow_all(run, SETTINGS, shard=Shard(1, 2))
    grow_all(other, SETTINGS, shard=Shard(2, 2))
    with pytest.raises(AloeError, match="trees are in no shard"):
        merge([run, other], RunFolder(tmp_path / "merged"))


def test_a_shard_without_personas_is_merged_as_nothing(run):
    few = TreeSettings(dict.fromkeys(ROLES, "scripted"), turns=2, limit=3)
    for index in range(1, 5):
        grow_all(run, few, shard=Shard(index, 4))
    assert run.file("trees-4-of-4.jsonl").read_bytes() == b""
    assert merge([run], run) == 3


def test_trees_that_were_tried_again_are_merged_again_with_their_rows(run, monkeypatch):
    lost = run.personas("train")[0]

    scripted = Scripted.complete

    async def unreachable(chat, request):
        if request.role == "user" and lost.profile in request.messages[0].content:
            raise ChatError("no route to the model")
        return await scripted(chat, request)

    with monkeypatch.context() as patch:
        patch.setattr(Scripted, "complete", unreachable)
        for index in (1, 2):
            grow_all(run, SETTINGS, shard=Shard(index, 2), accept_failures=True)
    merged = merge([run], run)
    fewer = write_training_rows(run)
    assert merged < 20
    assert run.file("failed.jsonl").exists()
    for index in (1, 2):
        grow_all(run, SETTINGS, shard=Shard(index, 2), retry_failed=True)
    assert merge([run], run) == 20
    assert write_training_rows(run)["pairs"] > fewer["pairs"]
    assert not run.file("failed.jsonl").exists()
