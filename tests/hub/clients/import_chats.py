"""What is published of imported chats is what they were, and can be imported again from the Hub."""

import sys
from pathlib import Path

import pytest

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.chats.importing import import_chats
from aloe_hub.stages.chats.sources import open_source
from aloe_hub.stages.training_rows import write_training_rows
from aloe_hub.training.data import load_rows

run, again, repo = RunFolder(Path(sys.argv[1])), RunFolder(Path(sys.argv[2])), sys.argv[3]
expected = list(read_rows(run.file("pairs.jsonl"), dict))
rows, origin = load_rows(again, repo, "dpo")
COLUMNS = ("prompt", "chosen", "rejected")
assert [[row[name] for name in COLUMNS] for row in rows] == [[row[name] for name in COLUMNS] for row in expected]

counts = import_chats(open_source(f"{repo}:pairs"), again, language="en")
assert (counts.conversations, counts.trees) == (len(expected), len(expected))
recorded = again.settings()["import"]
assert (recorded["dataset"], recorded["config"], recorded["revision"]) == (repo, "pairs", origin["revision"])
write_training_rows(again)
assert [[row[name] for name in COLUMNS] for row in read_rows(again.file("pairs.jsonl"), dict)] == [
    [row[name] for name in COLUMNS] for row in expected
]

for name, config, why in ((f"{repo}-not", None, "no such dataset"), (repo, "none", "no config 'none' with a split 'train'")):
    with pytest.raises(DataError, match=why):
        open_source(name, config)
print("ALL THE SAME")
