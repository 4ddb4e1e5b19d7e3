# /// script
# requires-python = ">=3.11"
# dependencies = ["aloe-hub[train]"]
# ///
"""`aloe train` on a GPU of Hugging Face Jobs. Untested: it needs an account with credit.

    hf jobs uv run --flavor a100-large --timeout 6h --secrets HF_TOKEN scripts/hf_jobs_train.py \\
        sft --base Qwen/Qwen2.5-3B-Instruct --data org/aloe-prefs --recipe qwen2.5-3b --push org/aloe-qwen2.5-3b-sft

The arguments are those of `aloe train`. A job's disk is gone when it ends, so --push is asked for before it begins.
With several GPUs in the flavor, all of them train.
"""

import sys

import torch
from accelerate.commands.launch import launch_command, launch_command_parser

if __name__ == "__main__":
    if "--push" not in sys.argv:
        sys.exit("hf_jobs_train.py: give --push org/name: what a job leaves on its disk is lost")
    processes = max(torch.cuda.device_count(), 1)
    command = [
        "--num_processes",
        str(processes),
        "--num_machines",
        "1",
        "--mixed_precision",
        "no",
        "--dynamo_backend",
        "no",
        "--quiet",
    ]
    command += ["--multi_gpu"] if processes > 1 else []
    launch_command(launch_command_parser().parse_args([*command, "-m", "aloe_hub.cli.app", "train", *sys.argv[1:]]))
