"""datasets: everything loaded back as a user would, with empty caches."""

import only_local  # noqa: F401
import pytest
from datasets import get_dataset_config_names, load_dataset

prompt = [{"role": "user", "content": "prompt 0"}]
assert sorted(get_dataset_config_names("org/prefs")) == ["pairs", "trees"]
pairs = load_dataset("org/prefs", "pairs")
assert (pairs["train"].num_rows, pairs["test"].num_rows) == (70, 5)
assert pairs["train"][0] == {"prompt": prompt, "turn": 0}
assert load_dataset("org/prefs", "trees", split="train")[-1]["turn"] == 119
assert load_dataset("org/prefs", revision="v1", split="train").num_rows == 50
streamed = list(load_dataset("org/prefs", "pairs", streaming=True, split="test"))
assert [row["turn"] for row in streamed] == [0, 1, 2, 3, 4]
assert streamed[0]["prompt"] == prompt
with pytest.raises(Exception, match="v2"):
    load_dataset("org/prefs", revision="v2")
