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


def test_imported_chats_are_published_loaded_and_imported_again(at_hub, client, tmp_path):
    path, run = tmp_path / "chats.jsonl", RunFolder(tmp_path / "run")
    path.write_text("".join(json.dumps(FORKED["hh-rlhf"] | {"user_id": name}) + "\n" for name in ("ann", "ben")))
    import_chats(open_source(str(path)), run, language="en,de")
    write_training_rows(run)
    publish_dataset(run, "prefs", "org/chats", licence="mit")
    front, text = parts(Repo(at_hub, "org/chats").card(), "the card")
    assert sorted(front["language"]) == ["de", "en"]
    assert "**Recorded chats** from files of others" in text
    assert "simulated" not in text
    assert "English" not in text
    assert "ALL THE SAME" in client("import_chats.py", run.path, tmp_path / "again", "org/chats")
