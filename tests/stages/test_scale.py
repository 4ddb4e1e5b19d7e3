"""Trees as tasks of datatrove: whatever ran them and whatever was killed, the merged run is what one process makes."""

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from aloe_hub.chat.scripted import Scripted
from aloe_hub.errors import ChatError
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.local_hub.process import client_environment, running
from aloe_hub.stages import scale
from aloe_hub.stages.merge import merge
from aloe_hub.stages.scale import GrowTrees, LocalExecutor
from aloe_hub.stages.training_rows import write_training_rows
from aloe_hub.stages.trees import ROLES, Shard, TreeSettings, grow_all
from aloe_hub.types import call_seed

SETTINGS = TreeSettings(dict.fromkeys(ROLES, "scripted"), turns=4)
SCRIPT = Path(__file__).parents[2] / "scripts" / "scale_trees.py"
CANARY = "hf_" + "canary" * 6  # in parts: a scanner for secrets is right to look for the whole


def files_of(run: RunFolder) -> dict[str, bytes]:
    return {name: run.file(name).read_bytes() for name in ("trees.jsonl", "pairs.jsonl", "sft.jsonl", "distill.jsonl")}


@pytest.fixture
def alone(run, tmp_path) -> dict[str, bytes]:
    """What one process makes of the same pool."""
    folder = RunFolder(Path(shutil.copytree(run.path, tmp_path / "alone")))
    grow_all(folder, SETTINGS)
    write_training_rows(folder)
    return files_of(folder)


def wait_until(condition) -> None:
    for _ in range(1200):
        if condition():
            return
        time.sleep(0.05)
    pytest.fail("waited for a minute")


def script(run, *options, env=None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, SCRIPT, "--run", run.path, "--tasks", "3", "--workers", "2", "--turns", "4", *options]
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=env)


def tasks(folder, run, *, workers=1) -> LocalExecutor:
    return LocalExecutor([GrowTrees(folder, SETTINGS)], tasks=3, workers=workers, logging_dir=str(run.file("scale-3")))


def merged(run) -> dict[str, bytes]:
    merge([run], run)
    write_training_rows(run)
    return files_of(run)


def test_tasks_on_this_machine_make_what_one_process_makes(run, alone):
    done = script(run, "--executor", "local", "--recipe", "demo", "--model", "scripted")  # whose seed is 0, as here
    assert (done.returncode, done.stdout) == (0, f"20 trees in {run.path}: 67 preference pairs and 67 SFT rows\n")
    assert files_of(run) == alone
    [stats] = json.loads(run.file("scale-3/stats.json").read_text())
    assert (stats["stats"]["trees"]["total"], stats["stats"]["failed"]) == (20, 0)
    again = script(run, "--executor", "local")
    assert (again.returncode, again.stdout) == (0, done.stdout)
    assert "all 3 tasks have already been completed" in again.stderr


@pytest.mark.torture
def test_tasks_on_ray_make_what_one_process_makes(run, alone):
    # What Ray leaves behind (logs, a token, sockets, whose paths must be short) lies in a home that ends with the test. The empty
    # file is read in place of asking the metadata service of a cloud which cloud this is.
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="ray") as home:
        Path(home, "ray_bootstrap_config.yaml").write_text("{}")
        env = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        done = script(run, "--executor", "ray", env=env | {"HOME": home, "TMPDIR": home, "RAY_TMPDIR": home})
        assert done.returncode == 0, done.stderr
        assert files_of(run) == alone
        wait_until(lambda: not any(home in command for command in commands()))


def commands() -> list[str]:
    """The command lines of all processes."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(process.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:  # it has ended
            continue
    return found


# Stand-ins for a cluster that is not there: the script that datatrove gives to Slurm is run, task by task, as Slurm would run it.
SLURM = {
    "sbatch": """#!/bin/bash
script=${@: -1}
last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\).*/\\1/p' "$script")
for rank in $(seq 0 "$last"); do SLURM_ARRAY_TASK_ID=$rank SLURM_NODELIST=here bash "$script" >> {log} 2>&1; done
echo "Submitted batch job 1"
""",
    "srun": """#!/bin/bash
while [[ $1 == -* ]]; do [[ $1 == -n ]] && shift; shift; done
exec "$@"
""",
    "scontrol": """#!/bin/bash
echo here
""",
}


def test_the_tasks_that_slurm_is_given_make_what_one_process_makes(run, alone, tmp_path):
    log = tmp_path / "slurm.log"
    for name, text in SLURM.items():
        (tmp_path / name).write_text(text.replace("{log}", str(log)))
        (tmp_path / name).chmod(stat.S_IRWXU)
    path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = script(run, "--executor", "slurm", "--partition", "cpu", env=os.environ | {"PATH": path})
    assert done.returncode == 0, done.stderr + log.read_text()
    assert files_of(run) == alone
    assert "#SBATCH --array=0-2%2" in run.file("scale-3/launch_script.slurm").read_text()


# Hugging Face Jobs that are not there: what would be sent is run here, with the variables and secrets of a job.
JOBS = """
import os, runpy, subprocess, sys, time
from types import SimpleNamespace
import huggingface_hub
jobs, sleep = {}, time.sleep
def run_uv_job(script, *, script_args, env, secrets, **options):
    job = subprocess.Popen([sys.executable, script, *script_args], env=os.environ | env | secrets)
    jobs[str(job.pid)] = job
    return SimpleNamespace(id=str(job.pid), url="")
def inspect_job(*, job_id, **options):
    code = jobs[job_id].poll()
    return SimpleNamespace(status=SimpleNamespace(stage="RUNNING" if code is None else "ERROR" if code else "COMPLETED"))
huggingface_hub.run_uv_job, huggingface_hub.inspect_job = run_uv_job, inspect_job
time.sleep = lambda seconds: sleep(min(seconds, 0.1))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_jobs_that_share_nothing_but_a_hub_make_what_one_process_makes(run, alone, tmp_path):
    with running(tmp_path / "hub") as hub:
        env = client_environment(hub, os.environ) | {"ALOE_API_KEY": CANARY}
        command = [SCRIPT, "--run", run.path, "--tasks", "3", "--workers", "2", "--turns", "4", "--executor", "jobs"]
        command += ["--remote", "hf://datasets/local/mine/run"]
        create = "from huggingface_hub import create_repo; create_repo('local/mine', repo_type='dataset', private=True)"
        subprocess.run([sys.executable, "-c", create], env=env, check=True)
        done = subprocess.run(
            [sys.executable, "-c", JOBS, *map(str, command)], capture_output=True, text=True, check=False, env=env
        )
    assert done.returncode == 0, done.stderr
    assert files_of(run) == alone
    assert not [path for path in (tmp_path / "hub").rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]


def fail(error: Exception, key: str) -> None:
    """As an endpoint fails: with its key on the lines of the traceback."""
    raise error if key else ValueError


def unreachable(error: Exception, *lost):
    """`Scripted.complete` of a world in which the users of some personas cannot be reached."""
    scripted = Scripted.complete

    async def complete(chat, request):
        text = request.messages[0].content
        if request.role == "user" and any(persona.profile in text and persona.personality in text for persona in lost):
            key = CANARY
            fail(error, key)
        return await scripted(chat, request)

    return complete


def test_a_task_with_failed_trees_has_failed_the_others_are_done_and_running_again_mends_it(run, alone, monkeypatch):
    lost = run.personas("train")[1]  # of the second shard
    with monkeypatch.context() as patch:
        patch.setattr(Scripted, "complete", unreachable(ChatError("no route to the model"), lost))
        executor = tasks(run.path, run)
        executor.run()
        assert executor.get_incomplete_ranks() == [1]
        assert (run.file("trees-1-of-3.jsonl").exists(), run.file("trees-3-of-3.jsonl").exists()) == (True, True)
        assert "shard 2/3: 1 of 7 trees failed" in run.file("scale-3/logs/task_00001.log").read_text()
        assert "no route to the model" in run.file("failed-2-of-3.jsonl.partial").read_text()
        [stats] = json.loads(run.file("scale-3/stats.json").read_text())
        assert (stats["stats"]["trees"]["total"], stats["stats"]["failed"]["total"]) == (19, 1)
    calls = []
    counted = Scripted.complete

    async def count(chat, request):
        calls.append(request.seed)
        return await counted(chat, request)

    monkeypatch.setattr(Scripted, "complete", count)
    executor = tasks(run.path, run)
    executor.run()
    assert executor.get_incomplete_ranks() == []
    assert len(calls) == 4 * 6  # one tree of four turns
    assert merged(run) == alone


def test_failures_that_are_accepted_leave_a_task_done(run, monkeypatch):
    monkeypatch.setattr(Scripted, "complete", unreachable(ChatError("no route to the model"), run.personas("train")[1]))
    step = GrowTrees(run.path, SETTINGS, accept_failures=True)
    executor = LocalExecutor([step], tasks=3, workers=1, logging_dir=str(run.file("scale-3")))
    executor.run()
    assert executor.get_incomplete_ranks() == []
    assert merge([run], run) == 19


def test_what_no_one_foresaw_is_logged_without_the_values_of_variables(run, monkeypatch, capfd):
    monkeypatch.setattr(Scripted, "complete", unreachable(RuntimeError("a bug"), run.personas("train")[1]))
    executor = tasks(run.path, run)
    executor.run()
    assert executor.get_incomplete_ranks() == [1]
    log = run.file("scale-3/logs/task_00001.log").read_text()
    assert "RuntimeError('a bug')" in log
    assert "in complete" in log  # where it came from
    assert CANARY not in log + capfd.readouterr().err


# A task as a scheduler would start it: one process for one rank, which writes down its calls. It kills itself, if told to, in the
# middle of its fourth tree.
TASK = """
import asyncio, os, signal, sys
from pathlib import Path
from aloe_hub.stages import scale
from aloe_hub.chat.scripted import Scripted
from aloe_hub.chat.traffic import Limits
from aloe_hub.stages.trees import ROLES, TreeSettings
folder, marks, journal, calls, to_be_killed = sys.argv[1:]
scale.SECONDS = 0.01
scripted, log, begun = Scripted.complete, open(calls, "w", buffering=1), 0
async def complete(chat, request):
    global begun
    begun += request.role == "user" and "[CONVERSATION]" not in request.messages[0].content
    if to_be_killed and begun == 4 and request.role == "judge":
        while not Path(journal).exists() or Path(journal).read_bytes().count(b"\\n") < 3:
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    print(request.seed, file=log)
    return await scripted(chat, request)
Scripted.complete = complete
step = scale.GrowTrees(folder, TreeSettings(dict.fromkeys(ROLES, "scripted"), turns=4), limits=Limits(1))
scale.LocalExecutor([step], tasks=3, workers=1, logging_dir=marks)._run_for_rank(1)
"""


@pytest.mark.parametrize("kind", ["path", "address"])
def test_a_task_that_was_killed_goes_on_and_grows_no_finished_tree_again(run, alone, tmp_path, kind):
    there = RunFolder(Path(shutil.copytree(run.path, tmp_path / "there")))
    there.claim("trees", SETTINGS.recorded)
    folder = there.path if kind == "path" else f"file://{there.path}"
    journal, calls = there.file("trees-2-of-3.jsonl.partial"), tmp_path / "calls"
    command = [sys.executable, "-c", TASK, folder, there.file("scale-3"), journal, calls]
    killed = subprocess.run([*command, "yes"], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    finished = [json.loads(line)["tree_id"] for line in journal.read_text().splitlines()]
    assert len(finished) == 3
    done = subprocess.run([*command, ""], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = {int(seed) for seed in calls.read_text().split()}
    assert made
    assert not made & {call_seed(tree_id, turn, "user", "", 0) for tree_id in finished for turn in range(4)}
    assert not list(there.path.glob("*.partial"))
    tasks(folder, there, workers=2).run()
    assert merged(there) == alone


def test_a_journal_far_away_is_sent_there_when_the_task_fails(run, tmp_path, monkeypatch):
    there = RunFolder(Path(shutil.copytree(run.path, tmp_path / "there")))
    with monkeypatch.context() as patch:
        patch.setattr(Scripted, "complete", unreachable(ChatError("no route to the model"), run.personas("train")[1]))
        tasks(f"file://{there.path}", there).run()
    assert there.file("trees-2-of-3.jsonl.partial").read_text().count("\n") == 6
    assert there.file("failed-2-of-3.jsonl.partial").read_text().count("\n") == 1
    tasks(f"file://{there.path}", there).run()
    assert not list(there.path.glob("*.partial"))


def test_a_copy_that_could_not_be_sent_is_sent_later(run, tmp_path, monkeypatch):
    there, send, tries = tmp_path / "there", scale._send, []
    there.mkdir()

    def fails_once(*arguments):
        tries.append(arguments)
        if len(tries) == 1:
            raise OSError("the line is down")
        send(*arguments)

    monkeypatch.setattr(scale, "SECONDS", 0.01)
    monkeypatch.setattr(scale, "_send", fails_once)
    with scale.at_hand(f"file://{there}", Shard(1, 3)) as copy:
        copy.file("trees-1-of-3.jsonl.partial").write_text("{}\n")
        wait_until((there / "trees-1-of-3.jsonl.partial").exists)
    assert len(tries) > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--turns", "5"], "trees.turns is 4 there and 5 now; give the same settings, or another --run folder"),
        (["--model", "gpt"], "model 'gpt': unknown scheme 'gpt'"),
        (["--recipe", "nothing"], "--recipe 'nothing': no such recipe"),
        (["--turns", "0"], "--turns 0"),
        (["--run", "nowhere"], "personas.jsonl: no such file; make the pool first"),
        (["--tasks", "0"], "argument --tasks: '0': expected 1 or more"),
        (["--executor", "slurm", "--partition", "cpu"], "--executor slurm: [Errno 2] No such file or directory: 'sbatch'"),
        (["--executor", "slurm"], "--partition goes with --executor slurm"),
        (["--remote", "hf://buckets/me/mine"], "--remote goes with --executor jobs"),
    ],
)
def test_what_is_invalid_is_one_line_and_starts_no_task(run, options, message):
    run.claim("trees", SETTINGS.recorded)
    done = script(run, *options, env=os.environ | {"PATH": ""})
    assert done.returncode in (1, 2)
    assert message in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(run.path.glob("trees-*"))
