"""What our README tells a user to type, literally; everything loaded is compared with the run's own files.

python load_back.py RUN OTHER TAG        org/aloe-prefs holds OTHER on main, and RUN at TAG
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

import evaluate
from datasets import get_dataset_config_names, load_dataset
from huggingface_hub import hf_hub_download

from aloe_hub import scoring

run, other, tag = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]


def own(folder, name, **where):
    rows = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    return [row for row in rows if all(row.pop(key) == value for key, value in where.items())]


def same(loaded, expected):
    found = list(loaded)
    assert len(found) == len(expected) > 0, (len(found), len(expected))
    assert found == expected


# --- the datasets

pairs = load_dataset("org/aloe-prefs")
assert list(pairs) == ["train"]
same(pairs["train"], own(other, "pairs"))
trees = load_dataset("org/aloe-prefs", "trees", streaming=True)
same(trees["train"], own(other, "trees"))
same(load_dataset("org/aloe-prefs", "sft", split="train"), own(other, "sft"))
same(load_dataset("org/aloe-prefs", "distill", split="train"), own(other, "distill"))
at_tag = load_dataset("org/aloe-prefs", revision=tag)
same(at_tag["train"], own(run, "pairs"))
same(load_dataset("org/aloe-prefs", "trees", revision=tag, split="train"), own(run, "trees"))
held_out = load_dataset("org/aloe-personas", split="test")
same(held_out, own(run, "personas", split="test"))
same(load_dataset("org/aloe-personas")["train"], own(run, "personas", split="train"))
for pool in ("profiles", "personalities"):
    same(load_dataset("org/aloe-personas", pool, split="train"), own(run, pool))
assert sorted(get_dataset_config_names("org/aloe-prefs")) == ["distill", "pairs", "sft", "trees"]

# Trees of which every fork is a tie. `datasets` 5.2 loads no split without rows, unless it is streamed.
assert list(load_dataset("org/ties", streaming=True, split="train")) == []
same(load_dataset("org/ties", "trees", split="train"), own(run.parent / "ties", "trees"))

# The lines of the cards themselves.
for repo, names in (
    ("org/aloe-prefs", ("pairs", "sft", "trees", "distill")),
    ("org/aloe-personas", ("personas_train", "personas_test")),
):
    card = Path(hf_hub_download(repo, "README.md", repo_type="dataset")).read_text()
    (lines,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    found: dict[str, Any] = {}
    exec(lines, found)
    for name in names:
        folder, (file, _, split) = (other if repo.endswith("prefs") else run), name.partition("_")
        same(found[name], own(folder, file, **({"split": split} if split else {})))

# --- the metric

scores: list[list[float | None]] = [[2, 3, None, 5], [1, 3, 3, 4], [2, None, 4, 4]]
settings: dict[str, Any] = {"cluster_ids": ["cook", "cook", "nurse"], "n_resamples": 100}
expected = str(scoring.score(scores, **settings).to_dict())
aloe = evaluate.load("org/aloe")
assert str(aloe.compute(predictions=scores, **settings)) == expected
aloe = evaluate.load("aloe")
assert str(aloe.compute(predictions=scores, **settings)) == expected
print("ALL THE SAME")
