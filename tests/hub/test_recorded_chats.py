"""Recorded chats: imported, published, loaded, and imported again from the Hub."""

import json

from aloe_hub.files.run_folder import RunFolder
from aloe_hub.hub.cards import parts
from aloe_hub.hub.datasets import publish_dataset
from aloe_hub.stages.chats.importing import import_chats
from aloe_hub.stages.chats.sources import open_source
from aloe_hub.stages.training_rows import write_training_rows
from tests.hub.published import Repo
from tests.stages.recorded import FORKED


def test_chats_of_every_form_with_forks_are_published_loaded_and_imported_again(at_hub, client, tmp_path):
    run = RunFolder(tmp_path / "run")
    (tmp_path / "chats").mkdir()
    for form, row in FORKED.items():
        (tmp_path / f"chats/{form}.jsonl").write_text(json.dumps(row) + "\n")
    import_chats(open_source(str(tmp_path / "chats")), run, language="en,de")
    assert write_training_rows(run)["pairs"] == 6  # prism has two forks
    publish_dataset(run, "prefs", "org/chats", licence="mit")
    front, text = parts(Repo(at_hub, "org/chats").card(), "the card")
    assert sorted(front["language"]) == ["de", "en"]
    assert "**Recorded chats** from files of others" in text
    assert "simulated" not in text
    assert "English" not in text
    assert "ALL THE SAME" in client("import_chats.py", run.path, tmp_path / "again", "org/chats")
