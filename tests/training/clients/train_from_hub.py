"""`aloe publish prefs`, `aloe train sft` and `dpo` from that dataset, and what the Hub refuses: one process, as a user at a Hub.

    python train_from_hub.py BASE GROWN RUN

Prints one JSON object: what each command ended with, and what it said last.
"""

import contextlib
import io
import json
import os
import sys

from datasets import Dataset
from huggingface_hub import HfApi

from aloe_hub.cli import progress
from aloe_hub.cli.app import main

base, grown, run = sys.argv[1:]
owner = os.environ["HF_TOKEN"]
said: dict[str, dict[str, object]] = {}


def aloe(name, *arguments):
    output, errors = io.StringIO(), io.StringIO()
    progress.out.file, progress.err.file = output, errors
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        status = main([*arguments])
    lines = (output.getvalue() + errors.getvalue()).strip().splitlines()
    said[name] = {"status": status, "errors": [line for line in lines if line.startswith("aloe: ")], "lines": lines}


api = HfApi()
api.create_repo("org/base")
api.upload_folder(repo_id="org/base", folder_path=base)
Dataset.from_list([{"text": "hello"}]).push_to_hub("org/texts", "sft")
fork = {"prompt": "Hi.", "completions": ["Hello, you.", "What?", "Hello."], "ranks": [1, 3, 2], "scores": [4.5, 1.0, 4.0]}
Dataset.from_list([fork | {"tree_id": str(number)} for number in range(4)]).push_to_hub("org/ranked", "ranked")
aloe("publish", "publish", "prefs", "--run", grown, "--repo", "org/aloe-prefs", "--license", "other")
train = ["--base", "org/base", "--limit", "6", "--batch-size", "2", "--set", "max_steps=2", "--set", "eval_share=0.2"]
data = ["--data", "org/aloe-prefs"]
aloe("sft", "train", "sft", *train, *data, "--run", run, "--push", "org/adapter-sft")
aloe("dpo", "train", "dpo", *train, *data, "--run", run, "--adapter", "org/adapter-sft", "--push", "org/adapter-dpo")
aloe("rank", "train", "rank", *train, "--data", "org/ranked", "--run", run)
aloe("sdft", "train", "sdft", *train, *data, "--run", run, "--set", "max_completion_length=8")
aloe("unknown", "train", "sft", *train, "--run", run, "--name", "x", "--data", "org/nothing")
aloe("revision", "train", "sft", *train, "--run", run, "--name", "x", "--data", "org/aloe-prefs@nothing")
aloe("columns", "train", "sft", *train, "--run", run, "--name", "x", "--data", "org/texts")
aloe("config", "train", "dpo", *train, "--run", run, "--name", "x", "--data", "org/texts")
aloe("name", "train", "sft", *train, "--run", run, "--name", "x", "--data", "a//b")
aloe("base", "train", "sft", "--base", "org/nothing", *data, "--run", run, "--name", "x")
os.environ["HF_TOKEN"] = "hf_localreader"
aloe("refused", "train", "sft", *train, *data, "--run", run, "--name", "kept", "--push", "org/adapter-kept")
os.environ["HF_TOKEN"] = owner
aloe("pushed", "train", "sft", *train, *data, "--run", run, "--name", "kept", "--push", "org/adapter-kept")
print(json.dumps(said))
