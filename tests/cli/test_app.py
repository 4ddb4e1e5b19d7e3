"""The command line: exit statuses, one line for a person, nothing lost."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from aloe_hub.chat.base import ChatReply
from aloe_hub.chat.scripted import Scripted
from aloe_hub.chat.traffic import Traffic
from aloe_hub.stages import preview

ALOE = [sys.executable, "-m", "aloe_hub.cli.app"]
COMMANDS = ("personas", "import", "trees", "merge", "train", "evaluate", "report", "publish", "hub", "serve", "demo", "space")


def one_line(errors: str) -> str:
    """The last thing said to the user: one line, no traceback."""
    assert "Traceback" not in errors
    lines = [line for line in errors.splitlines() if line.startswith("aloe: ")]
    assert len(lines) == 1, errors
    return lines[0]


def test_help_loads_no_heavy_library():
    code = (
        "import sys; from aloe_hub.cli.app import main; main(['--help']); "
        "heavy = ('torch', 'transformers', 'datasets', 'gradio', 'numpy', 'matplotlib', 'jinja2', 'starlette', 'uvicorn');"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(aloe, command):
    status, output, _ = aloe(command, "--help")
    assert status == 0
    assert f"Example: aloe {command}" in " ".join(output.split())


def test_no_command_at_all_shows_the_help(aloe):
    status, output, errors = aloe()
    assert status == 2
    assert "Usage: aloe" in output + errors


def test_the_version_is_printed(aloe):
    from aloe_hub import __version__

    assert aloe("--version") == (0, f"aloe-hub {__version__}\n", "")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["trees", "--run", "{tmp}/nothing"], 1, "no such file; make the pool first"),
        (["trees", "--run", "{run}", "--turns", "0"], 2, "--turns 0: must be at least 1"),
        (["trees", "--run", "{run}", "--limit", "-5"], 2, "--limit -5: must be at least 1"),
        (["trees", "--run", "{run}", "--model", "gpt4:turbo"], 2, "unknown scheme 'gpt4'"),
        (["trees", "--run", "{run}", "--model", ""], 2, "unknown scheme ''"),
        (["trees", "--run", "{run}", "--model", "scripted:oracle"], 2, "no such policy"),
        (["trees", "--run", "{run}", "--model", "litellm:gpt-5"], 2, "expected litellm:PROVIDER/MODEL"),
        (["trees", "--run", "{run}", "--model", "hub:org"], 2, "expected hub:org/model or hub:org/model:provider"),
        (["trees", "--run", "{run}", "--model", "http://127.0.0.1:9/v1"], 2, "Expected http://127.0.0.1:9/v1#model"),
        (["trees", "--run", "{run}", "--model", "http://#m"], 2, "no address of a server"),
        (["trees", "--run", "{run}", "--model", "http://me:secret@host/v1#m"], 2, "a key is given by ALOE_API_KEY"),
        (["trees", "--run", "{run}", "--concurrency", "0"], 2, "--concurrency 0: must be at least 1"),
        (["trees", "--run", "{run}", "--attempts", "0"], 2, "--attempts 0: must be at least 1"),
        (["trees", "--run", "{run}", "--timeout", "0"], 2, "--timeout 0: must be more than 0"),
        (["trees", "--run", "{run}", "--requests-per-minute", "-1"], 2, "--requests-per-minute -1: must be more than 0"),
        (["trees", "--run", "{run}", "--budget", "0"], 2, "--budget 0: must be more than 0"),
        (["trees", "--run", "{run}", "--budget", "5"], 2, "Give --prices FILE.toml"),
        (["trees", "--run", "{run}", "--prices", "{tmp}/none.toml"], 2, "none.toml: cannot be read"),
        (["trees", "--run", "{run}", "--dry-run", "--sample", "0"], 2, "--sample 0: must be at least 1"),
        (["trees", "--run", "{run}", "--model", "local:{tmp}/nothing"], 2, "no such folder, and not a name on the Hub"),
        (["trees", "--run", "{run}", "--shard", "3/2"], 2, "--shard '3/2'"),
        (["trees", "--run", "{run}", "--split", "dev"], 1, "no persona in split 'dev'"),
        (["trees", "--run", "{run}", "--recipe", "nope"], 2, "no such recipe; known: demo, paper"),
        (["personas", "--run", "{tmp}/p", "--profiles", "-1"], 2, "--profiles -1"),
        (["personas", "--run", "{tmp}/p", "--pairings", "0"], 2, "--pairings 0"),
        (["personas", "--run", "{tmp}/p", "--profile-threshold", "7"], 2, "--profile-threshold 7.0"),
        (["personas", "--run", "{tmp}/p", "--embedder", ""], 2, "embedder ''"),
        (["personas", "--run", "{tmp}/p", "--patience", "0"], 2, "--patience 0: must be at least 1"),
        (["personas"], 2, "--run: name the run folder"),
        (["personas", "--run", "{tmp}/p", "--texts", "{tmp}"], 2, "--texts: is measured in a --dry-run only"),
        (["import", "{tmp}/nothing", "--run", "{tmp}/i"], 1, "nothing: no such file or folder; or name a dataset on the Hub"),
        (["evaluate", "--run", "{run}"], 2, "--policy: give at least one"),
        (["evaluate", "--run", "{run}", "--policy", "scripted:nobody"], 2, "no such policy"),
        (["report", "{tmp}/nothing"], 1, "no such folder"),
        (["report", "{run}/profiles.jsonl"], 1, "no such folder"),
        (["merge", "{run}", "--run", "{tmp}/m"], 1, "no trees were grown here"),
        (["demo", "--run", "{run}/profiles.jsonl"], 1, "not a folder"),
    ],
)
def test_bad_input_is_one_line_and_a_status(aloe, run, tmp_path, arguments, status, message):
    arguments = [argument.format(run=run.path, tmp=tmp_path) for argument in arguments]
    found, _, errors = aloe(*arguments)
    assert message in one_line(errors)
    assert found == status


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["trees"], ["trees", "--run", "x", "--turns", "many"], ["trees", "--speed", "9"]]
)
def test_wrong_usage_is_status_2(aloe, arguments):
    status, _, errors = aloe(*arguments)
    assert status == 2
    assert "Traceback" not in errors


def test_debug_shows_the_traceback(tmp_path):
    done = subprocess.run([*ALOE, "report", str(tmp_path / "no"), "--debug"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("{oops\n", "line 1: not JSON"),
        ("[1, 2]\n", "line 1: expected a JSON object"),
        ('{"split": "train", "personality": "She is kind."}\n', "line 1: the row has no 'profile'"),
        ('{"split": "train", "profile": "", "personality": "She is kind."}\n', "line 1: a persona without text"),
        ('{"split": "train", "profile": "She is a cook.", "personality": 3}\n', "line 1: a persona without text"),
    ],
)
def test_a_broken_pool_names_the_file_and_the_line(aloe, run, content, message):
    run.file("personas.jsonl").write_text(content)
    status, _, errors = aloe("trees", "--run", run.path)
    assert status == 1
    assert "personas.jsonl" in one_line(errors)
    assert message in one_line(errors)


def test_the_same_persona_twice_is_refused_with_its_line(aloe, run):
    lines = run.file("personas.jsonl").read_text().splitlines(keepends=True)
    run.file("personas.jsonl").write_text("".join([*lines, lines[2]]))
    status, _, errors = aloe("trees", "--run", run.path)
    assert status == 1
    assert f"line {len(lines) + 1}: the same persona as line 3" in one_line(errors)


def test_a_score_out_of_scale_is_refused(aloe, run):
    assert aloe("evaluate", "--run", run.path, "--policy", "scripted:plain")[0] == 0
    path = run.file("transcripts/scripted_plain.jsonl")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[1]["turns"][2]["score"] = 7.5
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    status, _, errors = aloe("report", run.path)
    assert status == 1
    assert "7.5" in one_line(errors)


def test_other_settings_are_refused_and_the_difference_is_named(aloe, run):
    assert aloe("trees", "--run", run.path, "--limit", 3)[0] == 0
    before = run.file("trees.jsonl").read_bytes()
    status, _, errors = aloe("trees", "--run", run.path, "--limit", 3, "--seed", 5)
    assert status == 1
    assert "trees.seed is 0 there and 5 now" in one_line(errors)
    assert run.file("trees.jsonl").read_bytes() == before


def test_a_full_disk_is_one_line_and_nothing_is_lost(aloe, run):
    partial = run.file("trees.jsonl.partial")
    partial.symlink_to("/dev/full")
    status, _, errors = aloe("trees", "--run", run.path)
    assert status == 1
    assert "No space left on device" in one_line(errors)
    partial.unlink()
    assert aloe("trees", "--run", run.path)[0] == 0


def test_a_folder_that_may_not_be_written_is_one_line(aloe, texts):
    status, _, errors = aloe(
        "import", texts, "--run", "/proc/aloe", "--pairings", 2, "--test-profiles", 2, "--test-personalities", 2
    )
    assert status == 1
    assert "cannot be written" in one_line(errors)


def test_ctrl_c_stops_with_130_and_the_same_command_goes_on(run):
    command = [*ALOE, "trees", "--run", str(run.path), "--turns", "60", "--concurrency", "2"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    partial = Path(run.file("trees.jsonl.partial"))
    while process.poll() is None and not (partial.exists() and partial.stat().st_size):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; run the same command again" in one_line(errors)
    kept = partial.read_text().count("\n")
    assert 0 < kept < 20
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "20 trees" in done.stdout


def test_two_processes_never_write_one_run(run):
    command = [*ALOE, "trees", "--run", str(run.path), "--turns", "150", "--concurrency", "2"]
    first = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while first.poll() is None and not run.file("trees.jsonl.partial").exists():
        time.sleep(0.02)
    second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 1
    assert "another process is writing this run" in one_line(second.stderr)
    first.kill()
    first.wait()


def test_json_goes_to_standard_output_alone(aloe, run):
    aloe("evaluate", "--run", run.path, "--policy", "scripted:tailored")
    status, output, _ = aloe("report", run.path, "--json")
    assert status == 0
    assert json.loads(output)
    assert run.file("report.html").exists()


def vectors_of(texts):
    """Of any texts: random, but the same for the same number of them."""
    rows = np.random.default_rng(0).standard_normal((len(texts), 32), dtype=np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Unreadable:
    """The scripted world, but for a judge that never comes to the point."""

    async def complete(self, request):
        if request.role == "judge":
            return ChatReply("Both have [their] charm.")
        return await Scripted().complete(request)


@pytest.fixture
def unreadable_judge(monkeypatch):
    monkeypatch.setattr(Traffic, "open", lambda self, model: Unreadable())


def test_a_benchmark_whose_judge_is_not_read_writes_all_and_fails_with_an_answer_quoted(aloe, run, unreadable_judge):
    for _ in range(2):  # the same command again says the same
        status, _, errors = aloe("evaluate", "--run", run.path, "--policy", "scripted:plain", "--turns", 2)
        assert status == 1
        assert "8 of 8 scores of scripted:plain are missing" in one_line(errors)
        assert "'Both have [their] charm.'" in one_line(errors)
        assert "--structured" in one_line(errors)
    assert run.file("scores/scripted_plain.jsonl").exists()


def test_trees_whose_judge_is_not_read_are_written_and_fail_with_an_answer_quoted(aloe, run, unreadable_judge):
    status, _, errors = aloe("trees", "--run", run.path, "--turns", 2, "--limit", 3)
    assert status == 1
    assert "6 of 6 forks are missing" in one_line(errors)
    assert "'Both have [their] charm.'" in one_line(errors)
    assert run.file("trees.jsonl").exists()
    assert run.file("pairs.jsonl").exists()


def test_a_dry_run_of_the_pool_asks_nobody_and_writes_nothing(aloe, texts, tmp_path, monkeypatch):
    monkeypatch.setattr(preview, "open_embedder", lambda name: vectors_of)
    monkeypatch.setattr(Traffic, "open", None)
    status, output, _ = aloe("personas", "--dry-run", "--run", tmp_path / "p", "--texts", texts)
    assert status == 0
    assert f"profiles: 12 texts of {texts}/profile.jsonl" in output
    assert "calibrated by them, for a pool of 331: --profile-threshold 0." in output
    assert "a threshold would keep: 0.5: " in output
    assert not (tmp_path / "p").exists()
