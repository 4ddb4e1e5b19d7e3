"""Whole runs over real HTTP: byte for byte those of one process, whatever breaks on the way."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from aloe_hub.chat.traffic import Limits, Traffic
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.serve.server import running
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.stages.imports import import_authors
from aloe_hub.stages.pairing import Pairing
from aloe_hub.stages.trees import ROLES, TreeSettings, grow_all, tree_id_of
from aloe_hub.types import call_seed
from tests import tiny
from tests.chat.faulty import Faults
from tests.chat.faulty import running as broken

ALOE = [sys.executable, "-m", "aloe_hub.cli.app"]
ONLINE = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"} | {"COLUMNS": "200"}


@pytest.fixture(scope="module")
def scripted():
    with running("scripted") as served:
        yield served


def settings(model="scripted", **changes):
    given: dict[str, Any] = {"models": dict.fromkeys(ROLES, model), "turns": 3} | changes
    return TreeSettings(**given)


def copied(run, path):
    """Another run folder with the same pool."""
    path.mkdir()
    (path / "personas.jsonl").write_bytes(run.file("personas.jsonl").read_bytes())
    return RunFolder(path)


def hasty(**changes):
    return Traffic(Limits(**({"timeout": 2.0, "first_wait": 0.02} | changes)))


def test_trees_grown_through_faults_are_those_of_one_process(run, tmp_path, scripted):
    grow_all(run, settings())
    over = copied(run, tmp_path / "over")
    with broken(scripted.base_url, Faults(share=0.25, seed=1)) as proxy:
        grown = grow_all(over, settings(f"{proxy.base_url}#scripted"), traffic=hasty())
    assert grown.failed == 0
    assert over.file("trees.jsonl").read_bytes() == run.file("trees.jsonl").read_bytes()
    faults = {kind: count for kind, count in proxy.done.kinds.items() if kind != "forwarded"}
    assert len(faults) == 11  # every way of breaking a call was met
    assert 0.15 < sum(faults.values()) / proxy.done.kinds.total() < 0.35


def test_roles_may_be_played_by_different_servers_and_processes(run, tmp_path, scripted):
    grow_all(run, settings())
    over = copied(run, tmp_path / "over")
    with running("scripted") as other:
        models = dict.fromkeys(ROLES, "scripted") | {"user": scripted.name, "judge": other.name}
        grow_all(over, settings(models=models), traffic=hasty())
    assert over.file("trees.jsonl").read_bytes() == run.file("trees.jsonl").read_bytes()


def test_a_benchmark_over_http_has_the_scores_of_one_process(run, tmp_path, scripted):
    evaluate_all(run, ["scripted:tailored"], BenchmarkSettings(turns=4))
    over = copied(run, tmp_path / "over")
    with running("scripted:tailored") as policy:
        evaluate_all(over, [policy.name], BenchmarkSettings(scripted.name, scripted.name, turns=4), traffic=hasty())
    (here,), (there,) = ([path.read_text() for path in folder.file("scores").iterdir()] for folder in (run, over))
    assert [json.loads(line)["scores"] for line in here.splitlines()] == [
        json.loads(line)["scores"] for line in there.splitlines()
    ]


def aloe(*arguments, **environment):
    """(exit status, what was said) of a command in a process of its own."""
    done = subprocess.run(
        [*ALOE, *map(str, arguments)], capture_output=True, text=True, check=False, env=ONLINE | environment, timeout=300
    )
    return done.returncode, done.stdout + done.stderr


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_tree_that_fails_for_good_does_not_stop_the_others(run, scripted):
    """Here the server refuses one persona for ever."""
    victim = run.personas("train")[3]
    tree = tree_id_of(0, victim)
    refused = {
        call_seed(tree, turn, "judge", order, attempt) for turn in range(3) for order in ("01", "10") for attempt in range(3)
    }
    with broken(scripted.base_url, OnlySeeds(frozenset(refused))) as proxy:
        model = f"{proxy.base_url}#scripted"
        arguments = ("trees", "--run", run.path, "--turns", 3, "--model", model, "--attempts", 2)
        status, said = aloe(*arguments)
        assert status == 1
        assert "1 of 20 trees failed" in said
        (failed,) = rows(run.file("failed.jsonl.partial"))
        assert failed["tree_id"] == tree
        assert "500 injected" in failed["reason"]
        asked = proxy.done.kinds.total()
        assert aloe(*arguments)[0] == 1
        assert proxy.done.kinds.total() == asked  # said again, not tried again
        status, said = aloe(*arguments, "--accept-failures")
        assert (status, proxy.done.kinds.total()) == (0, asked)
        assert "19 trees in" in said
    model_is_back = aloe(*arguments[:-1], 1, "--retry-failed")
    assert model_is_back[0] == 1  # the proxy is gone: nothing answers
    assert "cannot be reached" in model_is_back[1]


class OnlySeeds(Faults):
    """Always 500 for these calls, never for others."""

    seeds: Collection[int]

    def __init__(self, seeds):
        super().__init__(share=1, kinds=("500",))
        object.__setattr__(self, "seeds", seeds)

    def of(self, body, times):
        return "500" if json.loads(body)["seed"] in self.seeds else None


def test_a_server_that_is_down_stops_the_run_and_the_same_command_goes_on(run, tmp_path, scripted):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    arguments = ("trees", "--run", run.path, "--turns", 3, "--model", f"http://127.0.0.1:{port}/v1#scripted", "--attempts", 2)
    status, said = aloe(*arguments)
    assert status == 1
    assert "cannot be reached; is the server up?" in said
    assert "Traceback" not in said
    with running("scripted", port=port):
        assert aloe(*arguments)[0] == 0
    grow_all(copied(run, tmp_path / "here"), settings())
    assert run.file("trees.jsonl").read_bytes() == (tmp_path / "here" / "trees.jsonl").read_bytes()


def test_a_model_that_the_server_does_not_have_is_told_in_its_words(run, scripted):
    status, said = aloe("trees", "--run", run.path, "--model", f"{scripted.base_url}#gpt-9")
    assert status == 1
    assert "404 model 'gpt-9' does not exist; here is 'scripted'" in said
    assert not run.file("failed.jsonl.partial").read_bytes()


def test_every_request_is_in_the_ledger_and_no_secret_anywhere(run, scripted, tmp_path):
    secret = "sk-" + "canary" * 4
    with running("scripted", key=secret) as locked, broken(locked.base_url, Faults(share=0.2, kinds=("500",))) as proxy:
        model = f"{proxy.base_url}#scripted"
        status, said = aloe("trees", "--run", run.path, "--turns", 2, "--model", model, ALOE_API_KEY=secret)
        assert status == 0
        ledger = rows(run.file("calls.jsonl"))
        assert len(ledger) == proxy.done.kinds.total()
        assert sum("error" in row for row in ledger) == proxy.done.kinds["500"]
        assert {row["role"] for row in ledger} == set(ROLES)
        assert all(row["tokens_in"] > 0 and row["seconds"] > 0 for row in ledger if "error" not in row)
        status, wrong = aloe("trees", "--run", tmp_path / "other", "--model", model)
    everything = said + wrong + "".join(path.read_text() for path in run.path.iterdir())
    assert secret not in everything


def test_the_budget_is_not_exceeded_and_a_larger_one_goes_on(run, tmp_path, scripted):
    prices = tmp_path / "prices.toml"
    prices.write_text(f'["{scripted.name}"]\ninput = 10\noutput = 30\n')
    arguments = ("trees", "--run", run.path, "--turns", 3, "--model", scripted.name, "--concurrency", 2, "--prices", prices)
    status, said = aloe(*arguments, "--dry-run", "--sample", 20)
    assert status == 0
    assert "20 trees to grow; forecast from 20" in said
    forecast = float(said.partition(" in all; the sample itself cost $")[2].split()[0])
    status, said = aloe(*arguments, "--budget", forecast / 2)
    assert status == 1
    assert "--budget" in said
    spent = sum(row["cost"] for row in rows(run.file("calls.jsonl")))
    assert forecast / 4 < spent <= forecast / 2
    done = len(rows(run.file("trees.jsonl.partial")))
    assert 0 < done < 20
    status, said = aloe(*arguments, "--budget", forecast * 1.2)
    assert status == 0
    assert sum(row["cost"] for row in rows(run.file("calls.jsonl"))) == pytest.approx(forecast, rel=0.2)
    grow_all(copied(run, tmp_path / "here"), settings())
    assert run.file("trees.jsonl").read_bytes() == (tmp_path / "here" / "trees.jsonl").read_bytes()


def test_a_budget_without_a_price_for_a_model_is_refused(run, tmp_path, scripted):
    prices = tmp_path / "prices.toml"
    prices.write_text('["hub:org/model"]\ninput = 1\noutput = 3\n')
    status, said = aloe("trees", "--run", run.path, "--model", scripted.name, "--prices", prices, "--budget", 5)
    assert status == 2
    assert f"--budget: no price for '{scripted.name}'" in said


def test_ctrl_c_leaves_a_whole_journal_and_the_same_command_goes_on(run, tmp_path, scripted):
    with broken(scripted.base_url, Faults(share=0, delay=0.005)) as proxy:
        command = [
            *ALOE,
            "trees",
            "--run",
            run.path,
            "--turns",
            "3",
            "--concurrency",
            "2",
            "--model",
            f"{proxy.base_url}#scripted",
        ]
        process = subprocess.Popen(list(map(str, command)), env=ONLINE, stderr=subprocess.PIPE, text=True)
        journal = run.file("trees.jsonl.partial")
        while not (journal.exists() and journal.read_bytes().count(b"\n") >= 3):
            assert process.poll() is None
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
        assert process.returncode == 130
        assert "run the same command again to go on where it was" in said
        assert "Traceback" not in said
        assert journal.read_bytes().endswith(b"\n")
        assert subprocess.run(list(map(str, command)), env=ONLINE, check=False, capture_output=True).returncode == 0
    grow_all(copied(run, tmp_path / "here"), settings())
    assert run.file("trees.jsonl").read_bytes() == (tmp_path / "here" / "trees.jsonl").read_bytes()


def written(folder):
    """The finished trees of a run, whole lines alone, while another process writes and renames there."""
    for name in ("trees.jsonl.partial", "trees.jsonl"):
        with suppress(FileNotFoundError):
            return [line for line in folder.file(name).read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    return []


def killed(run, tmp_path, scripted, kills, turns, delay=0.002):
    """Kill -9 `kills` times while trees are grown over HTTP; whatever a journal holds is never asked for again."""
    grow_all(run, settings(turns=turns))
    over = copied(run, tmp_path / "over")
    random, trees, hits = Random(kills), len(written(run)), 0
    moments = sorted(random.randint(1, trees * 9 // 10) for _ in range(kills))  # by progress, and not by the clock
    with broken(scripted.base_url, Faults(share=0, delay=delay)) as proxy:
        command = [
            *ALOE,
            "trees",
            "--run",
            over.path,
            "--turns",
            turns,
            "--concurrency",
            3,
            "--model",
            f"{proxy.base_url}#scripted",
        ]
        command = list(map(str, command))
        for moment in moments:
            process = subprocess.Popen(command, env=ONLINE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            while process.poll() is None and len(written(over)) < moment:
                time.sleep(0.002)
            if process.poll() is None:
                process.kill()
                hits += 1
            process.wait()
            finished = [json.loads(line)["tree_id"] for line in written(over)]
            seeds = [call_seed(tree, turn, "user", "", 0) for tree in finished for turn in range(turns)]
            before = {seed: proxy.done.asked[seed] for seed in seeds}
        assert subprocess.run(command, env=ONLINE, check=False, capture_output=True).returncode == 0
        assert {seed: proxy.done.asked[seed] for seed in seeds} == before
        assert min(before.values()) >= 1
    assert over.file("trees.jsonl").read_bytes() == run.file("trees.jsonl").read_bytes()
    return hits


def test_five_kills_over_http_change_nothing_and_no_finished_tree_is_asked_for_again(run, tmp_path, scripted):
    assert killed(run, tmp_path, scripted, kills=5, turns=4) > 0


@pytest.mark.torture
def test_a_third_partys_server_with_a_model_that_follows_no_format_ends_with_failed_trees(run, tmp_path):
    """transformers' own server, and a tiny random model: that it says nonsense is the test."""
    folder = tiny.save_model(tmp_path / "tiny")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder), "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    server = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert server.poll() is None
                time.sleep(0.1)
        model = f"http://127.0.0.1:{port}/v1#{folder}"
        status, said = aloe("trees", "--run", run.path, "--model", model, "--turns", 1, "--limit", 2)
    finally:
        server.terminate()
        server.wait()
    assert status == 1
    assert "2 of 2 trees failed" in said
    assert "Traceback" not in said
    assert all("model returned no" in row["reason"] for row in rows(run.file("failed.jsonl.partial")))
    assert {row["role"] for row in rows(run.file("calls.jsonl"))} >= {"user", "inferrer"}


@pytest.mark.torture
def test_300_trees_of_ten_turns_through_faults_are_those_of_one_process(authors, tmp_path, scripted):
    run = RunFolder(tmp_path / "run")
    import_authors(authors, run, Pairing(test_profiles=0))
    grow_all(run, settings(turns=10, limit=300))
    over = copied(run, tmp_path / "over")
    start = time.monotonic()
    with broken(scripted.base_url, Faults(share=0.25, seed=2)) as proxy:
        grown = grow_all(over, settings(f"{proxy.base_url}#scripted", turns=10, limit=300), traffic=hasty(timeout=5.0))
    assert grown.failed == 0
    assert over.file("trees.jsonl").read_bytes() == run.file("trees.jsonl").read_bytes()
    print(f"\n300 trees in {time.monotonic() - start:.0f} s: {dict(proxy.done.kinds)}; byte-identical")


@pytest.mark.torture
def test_fifty_kills_over_http_change_nothing(authors, tmp_path, scripted):
    run = RunFolder(tmp_path / "run")
    import_authors(authors, run, Pairing(pairings=1, test_profiles=0))
    hits = killed(run, tmp_path, scripted, kills=50, turns=3, delay=0.01)
    assert hits >= 45
    print(f"\n{hits} of 50 kills hit the running process; 331 trees are byte-identical, no finished one was asked for again")
