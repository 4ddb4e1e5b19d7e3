"""`aloe round`: what each round samples, trains and measures, when it ends, kill -9, and one line where it cannot go on."""

import re
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from aloe_hub.chat.traffic import Traffic
from aloe_hub.cli.app import main
from aloe_hub.errors import AloeError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.demonstrations import demonstrations
from aloe_hub.stages.trees import tree_id_of
from aloe_hub.types import Tree, persona_and_split
from tests.dialects import speaking
from tests.preloaded import PYTHON

ROOT = Path(__file__).parents[2]
CODE = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.cli.test_rounds import told
sys.exit(told(sys.argv[2], sys.argv[3:]))
"""
JUDGE = "scripted:biased?noise=0.5"  # one that is in doubt, and so tells apart replies that are alike
SHORT = ("--base", "pocket", "--limit", "4", "--turns", "2", "--dev-profiles", "2", "--replies", "3", "--judge", JUDGE)
RISING = ("scripted:plain", "scripted:facts", "scripted:tailored", "scripted:parrot")


def told(names, arguments):
    """`aloe round` whose training ends at once, and whose policies are, round by round, those of the world in `names`."""
    from aloe_hub.stages import rounds
    from aloe_hub.training import train as training

    def policy_of(base, adapter):
        return names.split()[0 if adapter is None else int(Path(adapter).parents[1].name)]

    def train(run, settings, *, resume, on_progress):
        folder = run.path / "adapters" / settings.method
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "started_from").write_text(str(settings.adapter))
        return SimpleNamespace(folder=folder)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rounds, "policy_of", policy_of)
        patched.setattr(training, "train", train)
        return main(["round", *map(str, arguments)])


@pytest.fixture
def rounds(run, capsys):
    """Scripted rounds in `run`: status, output and errors."""

    def call(names, *arguments):
        capsys.readouterr()
        status = told(" ".join(names), ["--run", run.path, *SHORT, *arguments])
        return status, *capsys.readouterr()

    return call


def files_of(folder):
    """All but what says when and by whom it was asked."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("calls.jsonl", "started_from")
    }


def personas_of(folder):
    return [persona for persona, _ in read_rows(folder / "personas.jsonl", persona_and_split)]


def test_each_round_samples_from_the_policy_of_the_last_and_starts_from_its_adapter_until_one_does_not_rise(rounds, run):
    status, output, errors = rounds(RISING, "--rounds", 3)
    assert status == 0, errors
    lines = output.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["round", "start", "1", "2", "3"]
    assert "round 3 is no better than the best before it" in output
    assert "the best on dev personas is round 2: scripted:tailored" in output
    folder = run.file("rounds")
    for number in (1, 2, 3):
        settings = RunFolder(folder / str(number)).settings()["trees"]
        assert settings["models"]["policy"] == RISING[number - 1]
        assert (settings["replies"], settings["seed"]) == (3, number)
        trees = list(read_rows(folder / f"{number}/trees.jsonl", Tree.from_row))
        assert [tree.tree_id for tree in trees] == [tree_id_of(number, tree.persona) for tree in trees]
        assert {reply.source for tree in trees for fork in tree.exchanges for reply in fork.replies} == {"policy"}
        assert (folder / f"{number}/ranked.jsonl").exists()
        before = str(folder / f"{number - 1}/adapters/rank") if number > 1 else "None"
        assert (folder / f"{number}/adapters/rank/started_from").read_text() == before
    assert main(["report", str(folder), str(folder / "1")]) == 0


def test_a_round_that_does_not_rise_is_the_last_and_more_rounds_may_be_asked_for_later(rounds, run):
    status, output, _ = rounds(("scripted:tailored", "scripted:plain"), "--rounds", 3)
    assert status == 0
    assert "the best on dev personas is the start: scripted:tailored" in output
    assert not run.file("rounds/2/trees.jsonl").exists()
    shutil.rmtree(run.file("rounds"))
    assert rounds(RISING, "--rounds", 1)[0] == 0
    one = files_of(run.file("rounds/1"))
    assert rounds(RISING, "--rounds", 2)[0] == 0
    assert files_of(run.file("rounds/1")) == one


def test_dev_personas_are_of_training_profiles_that_no_round_trains_on_and_nobody_held_out_is_met(rounds, run):
    assert rounds(RISING, "--rounds", 1)[0] == 0
    dev, trained = personas_of(run.file("rounds")), personas_of(run.file("rounds/1"))
    assert {one.profile for one in dev}.isdisjoint(one.profile for one in trained)
    assert len({one.profile for one in dev}) == 2
    assert {*dev, *trained} == set(run.personas("train"))
    assert not {*dev, *trained} & set(run.personas("test"))
    scores = list(read_rows(run.file("rounds/scores/scripted_plain.jsonl"), dict))
    assert {row["persona_id"] for row in scores} == {one.persona_id for one in dev}


@pytest.mark.torture
@pytest.mark.parametrize("seen", ["1/adapters/rank/started_from", "1/trees.jsonl.partial", "2/trees.jsonl.partial"])
def test_killed_and_started_again_it_ends_with_the_same_bytes(rounds, run, seen):
    arguments = ["--run", run.path, *SHORT, "--rounds", "3"]
    command = [*PYTHON, "-c", CODE, ROOT, " ".join(RISING), *arguments]
    process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    while process.poll() is None and not run.file(f"rounds/{seen}").exists():
        time.sleep(0.001)
    process.kill()
    process.communicate()
    status, output, errors = rounds(RISING, "--rounds", 3)
    assert status == 0, errors
    stopped = files_of(run.file("rounds"))
    shutil.rmtree(run.file("rounds"))
    assert rounds(RISING, "--rounds", 3)[1] == output
    assert files_of(run.file("rounds")) == stopped


def test_the_other_roles_are_those_of_the_runs_own_trees_unless_they_are_given(rounds, run):
    own = "scripted:biased?noise=0.25"
    assert main(["trees", "--run", str(run.path), "--limit", "1", "--turns", "1", "--judge", own]) == 0
    for given, judge in (((), own), (SHORT[-2:], JUDGE), (("--model", JUDGE), JUDGE)):
        status = told(" ".join(RISING), ["--run", run.path, *SHORT[:-2], *given, "--rounds", 1])
        assert status == 0
        assert RunFolder(run.file("rounds/1")).settings()["trees"]["models"]["judge"] == judge
        assert RunFolder(run.file("rounds")).settings()["evaluate"]["judge"] == judge
        shutil.rmtree(run.file("rounds"))


def one_line(errors):
    lines = [line for line in errors.splitlines() if line.startswith("aloe: ")]
    assert len(lines) == 1, errors
    return lines[0]


@pytest.mark.parametrize(
    ("names", "given", "status", "said"),
    [
        (("scripted:constant",), (), 1, "round 1: all replies tie in each of the 8 forks, so there is nothing to train on; more"),
        (RISING, ("--replies", 1), 2, "--replies 1: must be at least 2"),
        (RISING, ("--rounds", 0), 2, "--rounds 0: must be at least 1"),
        (RISING, ("--dev-profiles", 10), 2, "--dev-profiles 10: .* has 10 profiles to train on; set fewer aside"),
        (RISING, ("--set", "loss=3"), 2, "loss"),
        (
            RISING,
            ("--set", "loss_type=cut"),
            2,
            "loss_type cut: is read from what a judge says when it scores .*--rank-by scores",
        ),
        (RISING, ("--set", "objectives={style=1.0}"), 2, "objectives: is read from .*; add --rank-by scores"),
        (RISING, ("--demonstrations", 2), 2, "--demonstrations 2: the judge scripted:biased.* reads none; name a language model"),
    ],
)
def test_what_cannot_go_on_says_so_in_one_line(rounds, names, given, status, said):
    found, _, errors = rounds(names, *given)
    assert found == status, errors
    assert re.search(said, one_line(errors))


def test_rounds_that_were_begun_otherwise_are_refused(rounds):
    assert rounds(RISING, "--rounds", 1)[0] == 0
    status, _, errors = rounds(RISING, "--rounds", 1, "--replies", 4)
    assert status == 1
    assert "round.replies is 3 there and 4 now" in one_line(errors)


def test_an_error_of_the_training_names_the_round(rounds, monkeypatch):
    def failing(plan, *others):
        raise AloeError("the loss (nan) is not finite")

    monkeypatch.setattr("aloe_hub.cli.round_steps._trained", failing)
    status, _, errors = rounds(RISING, "--rounds", 1)
    assert (status, one_line(errors)) == (1, "aloe: error: round 1: the loss (nan) is not finite")


def test_from_the_second_round_on_the_judge_is_shown_forks_on_which_the_policy_agrees(rounds, run, monkeypatch):
    """The judge of the world behind an endpoint, which answers the last message alone."""
    asked = []

    class Judge:
        async def complete(self, request):
            asked.append(request.messages)
            return await Traffic().open(JUDGE).complete(replace(request, messages=request.messages[-1:]))

    def likelihood_of(policy):
        assert policy == RISING[1]  # which the first round trained
        return lambda messages, replies: [float(len(reply)) for reply in replies]

    monkeypatch.setattr("aloe_hub.training.likelihood.likelihood_of", likelihood_of)
    with speaking() as server:
        server.scripted = Judge()  # type: ignore[assignment]
        shown = ("--judge", server.name("clean"), "--demonstrations", 1)
        status, _, errors = rounds(RISING, "--rounds", 2, *shown)
        assert status == 0, errors
        lengths = {len(messages) for messages in asked}
        assert lengths == {1, 3}
        assert not run.file("rounds/1/demonstrations.jsonl").exists()
        made = run.file("rounds/2/demonstrations.jsonl").read_bytes()
        assert {messages[:2] for messages in asked if len(messages) == 3} == {demonstrations(RunFolder(run.file("rounds/2")))}
        asked.clear()
        assert rounds(RISING, "--rounds", 2, *shown)[0] == 0
        assert (asked, run.file("rounds/2/demonstrations.jsonl").read_bytes()) == ([], made)
        status, _, errors = rounds(RISING, "--rounds", 2, *shown[:-1], 2)
        assert (status, "round.demonstrations is 1 there and 2 now" in one_line(errors)) == (1, True)


def test_a_score_that_nobody_could_read_is_no_average(rounds):
    status, _, errors = rounds(RISING, "--rounds", 1, "--judge", "scripted:parrot")
    assert status == 1
    assert re.search("before the first round: .* scores of scripted:plain are missing", one_line(errors))


def test_a_model_is_trained_in_rounds(aloe, run):
    """The pocket model, in earnest: a rate that changes it, whatever it comes to."""
    quick = ("--base", "pocket", "--limit", 3, "--turns", 1, "--dev-profiles", 1, "--temperature", 1, "--judge", JUDGE)
    status, output, errors = aloe("round", "--run", run.path, *quick, "--rounds", 1, "--set", "max_steps=1", "--set", "lr=0.01")
    assert status == 0, errors
    adapter = run.file("rounds/1/adapters/rank")
    assert (adapter / "training.json").exists()
    assert f"local:pocket+{adapter}" in {
        row["policy"]
        for row in read_rows(
            run.file("rounds/transcripts") / f"local_pocket_{re.sub(r'[^A-Za-z0-9.-]+', '_', str(adapter)).strip('_')}.jsonl",
            dict,
        )
    }
    assert re.search(r"^1 +\d", output, re.MULTILINE)
