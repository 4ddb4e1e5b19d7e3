"""datasets: two configs with two splits, pushed; a tag on the first state; then more rows in one config."""

import only_local  # noqa: F401
from datasets import Dataset, DatasetDict
from huggingface_hub import HfApi


def rows(count: int, *, offset: int = 0) -> Dataset:
    prompts = [[{"role": "user", "content": f"prompt {number}"}] for number in range(offset, offset + count)]
    return Dataset.from_dict({"prompt": prompts, "turn": list(range(offset, offset + count))})


api = HfApi()
DatasetDict({"train": rows(50), "test": rows(5)}).push_to_hub("org/prefs", "pairs", set_default=True, private=True)
DatasetDict({"train": rows(20, offset=100)}).push_to_hub("org/prefs", "trees")
api.create_tag("org/prefs", tag="v1", repo_type="dataset")
DatasetDict({"train": rows(70), "test": rows(5)}).push_to_hub("org/prefs", "pairs")  # drops its own `default: true`: datasets 5.2
files = api.list_repo_files("org/prefs", repo_type="dataset")
assert sum(name.endswith(".parquet") for name in files) == 3, files
assert api.dataset_info("org/prefs").private
