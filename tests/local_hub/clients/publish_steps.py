"""A publisher that may be cut off anywhere and is simply run again: files of both kinds, tags, and repos that come and go."""

import random
import sys
from pathlib import Path
from typing import Any

import only_local  # noqa: F401
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

STEPS, EDITION = map(int, sys.argv[1:])


def content(step: int, size: int) -> bytes:
    return random.Random(f"{step} {size} {EDITION}").randbytes(size)


api = HfApi()
print("started", flush=True)
for step in range(STEPS):
    repo: dict[str, Any] = {"repo_id": f"org/r{step % 3}", "repo_type": "dataset"}
    api.create_repo(**repo, exist_ok=True)
    operations: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationAdd(f"data/{step}.parquet", content(step, 400_000)),
        CommitOperationAdd(f"text/{step}.txt", content(step, 20_000)),
        CommitOperationAdd("latest.txt", f"{step} {EDITION}".encode()),
    ]
    if step >= 3 and api.file_exists(filename=f"text/{step - 3}.txt", **repo):
        operations.append(CommitOperationDelete(f"text/{step - 3}.txt"))
    made = api.create_commit(operations=operations, commit_message=f"step {step} of {EDITION}", **repo)
    if step == STEPS - 1:
        api.create_tag(tag="end", revision=made.oid, exist_ok=True, **repo)
    api.delete_repo(f"org/short-lived{step}", missing_ok=True)
    api.create_repo(f"org/short-lived{step}", exist_ok=True)
    api.delete_repo(f"org/short-lived{step}")
for number in range(min(3, STEPS)):
    mine = [step for step in range(STEPS) if step % 3 == number]
    repo = {"repo_id": f"org/r{number}", "repo_type": "dataset"}
    wanted = {".gitattributes", "latest.txt", f"text/{mine[-1]}.txt"} | {f"data/{step}.parquet" for step in mine}
    assert set(api.list_repo_files(**repo)) == wanted, api.list_repo_files(**repo)
    for step in mine:
        assert Path(api.hf_hub_download(filename=f"data/{step}.parquet", **repo)).read_bytes() == content(step, 400_000)
print("finished", flush=True)
