"""`aloe train`: what is given by hand and by recipe, exit statuses, one line for a person, and several processes."""

import json
import os
import signal
import subprocess
import time

import pytest
from safetensors.torch import load_file

from tests.preloaded import PYTHON
from tests.stages.recorded import FORKED
from tests.training.small import a_base, a_grown_run, rows_to_train_on  # noqa: F401 - fixtures

WEIGHTS = "adapter_model.safetensors"
QUICK = ["--limit", "6", "--batch-size", "2", "--lr", "0.01"]


def one_line(errors):
    """The last thing said to the user: one line, no traceback."""
    assert "Traceback" not in errors
    lines = [line for line in errors.splitlines() if line.startswith("aloe: ")]
    assert len(lines) == 1, errors
    return lines[0]


def report_of(run, name):
    return json.loads((run.path / "adapters" / name / "training.json").read_text())


def test_sft_and_then_dpo_say_where_the_adapter_is_and_what_to_try(aloe, rows, base):
    status, output, errors = aloe("train", "sft", "--base", base, "--run", rows.path, *QUICK, "--set", "eval_share=0.2")
    assert status == 0, errors
    lines = output.splitlines()
    assert lines[0].startswith(f"{rows.path}/adapters/sft: trained, 3 steps")
    assert "on trees set aside" in lines[1]
    sft = rows.path / "adapters/sft"
    assert lines[2] == f"  try it: aloe evaluate --run {rows.path} --policy local:{base}+{sft}"
    status, output, errors = aloe(
        "train", "dpo", "--base", base, "--run", rows.path, "--adapter", sft, "--name", "mine", "--beta", 0.3, *QUICK,
        "--lora-r", "4",
    )  # fmt: skip
    assert status == 2
    assert "--adapter and r = 4" in one_line(errors)
    status, output, errors = aloe(
        "train", "dpo", "--base", base, "--run", rows.path, "--adapter", sft, "--name", "mine", "--beta", 0.3, *QUICK,
        "--set", "eval_share=0.2", "--set", "loss_type=ipo", "--no-tree",
    )  # fmt: skip
    assert status == 0, errors
    assert "ranking accuracy" in output
    made = report_of(rows, "mine")
    assert (made["options"]["beta"], made["options"]["loss_type"], made["settings"]["tree"]) == (0.3, ["ipo"], False)


def test_rows_of_recorded_chats_of_every_form_with_forks_train(aloe, base, tmp_path):
    (tmp_path / "chats").mkdir()
    for form, row in FORKED.items():
        (tmp_path / f"chats/{form}.jsonl").write_text(json.dumps(row) + "\n")
    assert aloe("import", tmp_path / "chats", "--run", tmp_path / "run", "--language", "en")[0] == 0
    for method in ("sft", "dpo"):
        train = ("train", method, "--base", base, "--run", tmp_path / "run", "--batch-size", 6, "--set", "max_steps=1")
        status, output, errors = aloe(*train)
        assert (status, "trained, 1 steps" in output) == (0, True), errors


def test_a_recipe_names_base_and_options_and_what_is_given_by_hand_wins(aloe, rows, base, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text(
        f'[train]\nbase = "{base}"\nlimit = 6\nbatch_size = 2\nmax_steps = 1\nlora_r = 4\n'
        "[train.sft]\nlr = 0.5\n[train.dpo]\nbeta = 0.7\n"
    )
    assert aloe("train", "sft", "--recipe", recipe, "--run", rows.path, "--lr", 0.25)[0] == 0
    made = report_of(rows, "sft")
    assert (made["options"]["learning_rate"], made["options"]["max_steps"], made["lora"]["r"]) == (0.25, 1, 4)


def test_grpo_says_what_was_rewarded_and_asks_whom_it_is_told_to(aloe, rows, base):
    quick = ["--batch-size", "4", "--set", "num_generations=2", "--set", "max_completion_length=8", "--set", "max_steps=2"]
    asked = ["--judge", "scripted", "--rubric", "aloe", "--level", "conversation", "--turns", "2", "--user", "scripted"]
    status, output, errors = aloe("train", "grpo", "--base", base, "--run", rows.path, "--limit", "6", *quick, *asked)
    assert status == 0, errors
    assert "reward 1 in the first log, " in output
    settings = report_of(rows, "grpo")["settings"]
    told = [settings[name] for name in ("judge", "user", "rubric", "level", "turns")]
    assert told == ["scripted", "scripted", "aloe", "conversation", 2]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["sft", "--run", "{run}"], 2, "--base: name the model to train"),
        (["sft", "--base", "{base}"], 2, "--run or --data: say which rows"),
        (["sft", "--base", "{tmp}/nothing", "--run", "{run}"], 2, "no such folder, and not a name on the Hub"),
        (["sft", "--base", "{base}", "--run", "{tmp}/nothing"], 1, "sft.jsonl: no such file; grow the trees first"),
        (["sft", "--base", "{base}", "--run", "{run}", "--set", "lrr=1"], 2, "unknown setting 'lrr'"),
        (["sft", "--base", "{base}", "--run", "{run}", "--set", "beta=1"], 2, "beta is a setting of dpo, rank and grpo alone"),
        (["sft", "--base", "{base}", "--run", "{run}", "--beta", "1"], 2, "beta is a setting of dpo, rank and grpo alone"),
        (["sft", "--base", "{base}", "--run", "{run}", "--lr", "1", "--set", "lr=2"], 2, "--set lr: is given by an option"),
        (["sft", "--base", "{base}", "--run", "{run}", "--set", "beta"], 2, "expected key=value"),
        (["sft", "--base", "{base}", "--run", "{run}", "--set", "lr=1", "--set", "lr=2"], 2, "--set lr: is given twice"),
        (["sft", "--base", "{base}", "--run", "{run}", "--push", "not a name"], 2, "--push 'not a name': not a name"),
        (["sft", "--base", "{base}", "--run", "{run}", "--base-repo", "org/b"], 2, "--base-repo: is for --push"),
        (
            ["sft", "--base", "{base}", "--run", "{run}", "--push", "org/a"],
            2,
            "--base-repo: the base {base} is a folder, a GGUF or pocket",
        ),
        (["sft", "--base", "{base}", "--run", "{run}", "--max-length", "50"], 1, "more than --max-length 50"),
        (["sft", "--base", "{base}", "--run", "{run}", "--name", "a/b"], 2, "--name 'a/b'"),
        (["sft", "--base", "{base}", "--run", "{run}", "--recipe", "nope"], 2, "no such recipe"),
        (["dpo", "--base", "{base}", "--run", "{run}", "--adapter", "{tmp}"], 1, "--adapter {tmp}: no adapter_config.json"),
        (["dpo", "--base", "{base}", "--run", "{run}", "--limit", "0"], 2, "--limit 0: must be at least 1"),
        (["dpo", "--base", "{base}", "--run", "{run}", "--judge", "semantic"], 2, "judge is a setting of grpo alone"),
        (["dpo", "--base", "{base}", "--run", "{run}", "--timeout", "9"], 2, "aloe train dpo: asks no model"),
        (["grpo", "--base", "{base}", "--run", "{run}", "--level", "word"], 2, "--level 'word': must be turn or conversation"),
        (["grpo", "--base", "{base}", "--run", "{run}", "--judge", "nobody"], 2, "'nobody'"),
        (["grpo", "--base", "{base}", "--run", "{run}", "--budget", "1"], 2, "--budget 1: what do the models cost?"),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else None,
)
def test_bad_input_is_one_line_and_a_status(aloe, rows, base, tmp_path, arguments, status, message):
    places = {"run": rows.path, "base": base, "tmp": tmp_path}
    found, _, errors = aloe("train", *(argument.format(**places) for argument in arguments))
    assert message.format(**places) in one_line(errors)
    assert found == status
    assert not (rows.path / "adapters").exists()


@pytest.mark.parametrize("arguments", [["rlhf"], [], ["sft", "--lr", "fast"]])
def test_wrong_usage_is_status_2(aloe, arguments):
    assert aloe("train", *arguments)[0] == 2


def test_ctrl_c_stops_with_130_and_resume_goes_on(rows, base):
    command = [*PYTHON, "-m", "aloe_hub.cli.app", "train", "sft", "--base", str(base), "--run", str(rows.path)]
    command += [*QUICK, "--set", "max_steps=40", "--set", "save_steps=2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    partial = rows.path / "adapters/sft.partial"
    while process.poll() is None and not list(partial.glob("checkpoint-*/whole.json")):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert "the same command with --resume goes on from the last checkpoint" in errors
    assert "Traceback" not in errors
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "trained, 40 steps" in done.stdout


@pytest.mark.torture  # tests/training/tree/test_processes.py shows it of the trainers
def test_two_processes_give_the_parameters_of_one_with_the_same_global_batch(aloe, rows, base):
    given = ["--base", str(base), "--run", str(rows.path), "--limit", "7", "--lr", "0.01", "--set", "eval_share=0"]
    assert aloe("train", "dpo", *given, "--name", "one", "--batch-size", 10, "--epochs", 2)[0] == 0
    assert report_of(rows, "one")["data"]["rows"] == 10  # so that the last batch of each process is full
    launch = [
        *PYTHON,
        "-m",
        "torch.distributed.run",
        "--nproc_per_node",
        "2",
        "--no-python",
        "--",
        *PYTHON,
        "-m",
        "aloe_hub.cli.app",
    ]
    command = [*launch, "train", "dpo", *given, "--name", "two", "--batch-size", "5", "--epochs", "2"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("adapters/two: trained") == 1
    assert report_of(rows, "two")["settings"]["processes"] == 2
    one, two = (load_file(rows.path / "adapters" / name / WEIGHTS) for name in ("one", "two"))
    for name, weights in one.items():
        assert (weights - two[name]).abs().max() < 1e-5
