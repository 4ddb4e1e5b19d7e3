"""Recorded chats: imported, published, loaded, and imported again from the Hub."""

import json

import pytest

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.hub.cards import parts
from aloe_hub.hub.datasets import publish_dataset
from aloe_hub.rows import pairs
from aloe_hub.stages.chats.importing import import_chats
from aloe_hub.stages.chats.sources import open_source
from aloe_hub.training.data import load_rows
from aloe_hub.types import Tree
from tests.hub.published import Repo
from tests.stages.recorded import FORKED


@pytest.fixture
def chats(tmp_path):
    """A run of imported forks."""
    path = tmp_path / "chats.jsonl"
    path.write_text(json.dumps(FORKED["hh-rlhf"]) + "\n" + json.dumps(FORKED["hh-rlhf"] | {"user_id": "ann"}) + "\n")
    run = RunFolder(tmp_path / "run")
    import_chats(open_source(str(path)), run, language="en,de")
    return run


def test_imported_chats_are_published_loaded_and_imported_again(at_hub, chats, tmp_path):
    publish_dataset(chats, "prefs", "org/chats", licence="mit")
    front, text = parts(Repo(at_hub, "org/chats").card(), "the card")
    assert front["language"] == ["de", "en"] or front["language"] == ["en", "de"]
    assert "**Recorded chats** from files of others" in text
    assert "simulated users" not in text
    expected = [pair for tree in read_rows(chats.file("trees.jsonl"), Tree.from_row) for pair in pairs(tree)]
    rows, origin = load_rows(RunFolder(tmp_path / "none"), "org/chats", "dpo")
    assert [row["prompt"] for row in rows] == [pair["prompt"] for pair in expected]
    assert len(rows[0]["prompt"]) == 3
    again = RunFolder(tmp_path / "again")
    counts = import_chats(open_source("org/chats", "pairs"), again, language="en")
    assert (counts.conversations, counts.trees) == (2, 2)
    assert again.settings()["import"]["revision"] == origin["revision"]
    assert again.settings()["import"]["config"] == "pairs"
    found = [pair for tree in read_rows(again.file("trees.jsonl"), Tree.from_row) for pair in pairs(tree)]
    assert [pair["chosen"] for pair in found] == [pair["chosen"] for pair in expected]


def test_a_dataset_or_a_config_that_is_not_there_is_named(at_hub, chats):
    with pytest.raises(DataError, match="org/nowhere: no such dataset"):
        open_source("org/nowhere")
    publish_dataset(chats, "prefs", "org/some", licence="mit")
    with pytest.raises(DataError, match="org/some:none: no config 'none' with a split 'train'"):
        open_source("org/some", "none")
