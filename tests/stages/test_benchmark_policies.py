"""Policies around a model in the benchmark and in trees: resumable, booked, and never selected by their judge."""

import json

import pytest

from aloe_hub.chat.base import Chat
from aloe_hub.chat.ledger import Ledger
from aloe_hub.chat.scripted import Scripted
from aloe_hub.chat.traffic import Limits
from aloe_hub.errors import RunStopped, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import policy_file
from aloe_hub.report import read_runs
from aloe_hub.shipped import shipped
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.stages.trees import TreeSettings, grow_all, models_by_role
from aloe_hub.types import Transcript, Tree
from tests.fakes import Recording, Stopping, opening

INFERRED = "inferred(scripted:plain,by=scripted)"
NESTED = "reminder(rps(self-critic(scripted:tailored),k=2,inferrer=scripted))"


def replies(run, policy):
    rows = read_rows(run.file(f"transcripts/{policy_file(policy)}"), Transcript.from_row)
    return [[turn.reply for turn in one.turns] for one in rows]


def test_a_policy_is_benchmarked_by_its_command(run, aloe):
    for policy in (INFERRED, "reminder(scripted:plain)", "inferred(scripted)"):
        assert aloe("evaluate", "--run", run.path, "--policy", policy, "--turns", 3)[0] == 0
    assert len(replies(run, INFERRED)) == 4
    found = {one.policy: one.scores.avg for one in read_runs([run.path]).runs[0].policies}
    # The scripted plain policy is none the better for what it is told; bare scripted is.
    assert found["inferred(scripted)"] > found["reminder(scripted:plain)"]
    status, _, said = aloe("evaluate", "--run", run.path, "--policy", "inferred(scripted,k=3)")
    assert (status, len(said.splitlines())) == (2, 1)
    assert "inferred takes no k=; its options are by" in said


@pytest.mark.parametrize("policy", [INFERRED, NESTED])
def test_a_stopped_benchmark_of_a_policy_goes_on_and_ends_with_the_same_bytes(run, policy, embedder):
    files = [run.file(f"{folder}/{policy_file(policy)}") for folder in ("transcripts", "scores")]
    evaluate_all(run, [policy], BenchmarkSettings(turns=4))
    reference = [path.read_bytes() for path in files]
    for path in files:
        path.unlink()
    stopping = Stopping(30)

    def opened(model):
        return stopping if model == "scripted" else Scripted(model.removeprefix("scripted:"))

    with pytest.raises(KeyboardInterrupt):
        evaluate_all(run, [policy], BenchmarkSettings(turns=4), traffic=opening(opened, Limits(1)))
    assert run.file(f"transcripts/{policy_file(policy)}.partial").exists()
    evaluate_all(run, [policy], BenchmarkSettings(turns=4), traffic=opening(opened, Limits(3)))
    assert [path.read_bytes() for path in files] == reference


def test_a_reply_is_the_same_as_the_bare_model_says_where_only_a_note_was_added(run):
    evaluate_all(run, ["scripted:plain", "reminder(cot(scripted:plain))"], BenchmarkSettings(turns=3))
    assert replies(run, "reminder(cot(scripted:plain))") == replies(run, "scripted:plain")


def test_every_call_of_a_policy_is_in_the_ledger_under_its_model_and_step(run, tmp_path):
    model, other = "http://127.0.0.1:9/v1#m", "http://127.0.0.1:9/v1#n"
    settings = BenchmarkSettings(turns=2, limit=1)
    policy = f"self-critic(inferred({model},by={other}))"
    with Ledger(tmp_path / "calls.jsonl") as ledger:
        evaluate_all(run, [policy], settings, traffic=opening(lambda name: Scripted(), ledger=ledger))
    rows = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text().splitlines()]
    steps = [f"self-critic/{step}/inferred/{part}" for step in ("draft", "critique", "rewrite") for part in ("infer", "reply")]
    assert [row["within"] for row in rows] == steps * 2
    assert [(row["role"], row["model"]) for row in rows[:2]] == [("inferrer", other), ("policy", model)]
    assert len({row["seed"] for row in rows}) == 12
    assert set(ledger.by_role) == {(step, other if step.endswith("infer") else model) for step in steps}


@pytest.mark.parametrize(("policy", "calls"), [("scripted", 6), ("self-critic(inferred(scripted))", 2 * (1 + 6 + 1))])
def test_the_calls_of_a_policy_count_where_a_budget_is_planned_with(run, monkeypatch, policy, calls):
    planned: list[int] = []

    def affords(ledger: Ledger, calls: int) -> bool:
        planned.append(calls)
        return len(planned) < 2

    monkeypatch.setattr(Ledger, "affords", affords)
    traffic = opening(lambda name: Scripted(), ledger=Ledger(budget=1))
    with pytest.raises(RunStopped):
        evaluate_all(run, [policy], BenchmarkSettings(turns=2), traffic=traffic)
    assert planned[1] - planned[0] == calls


def test_the_judge_selects_no_reply_that_it_scores(run):
    for policy in ("best-of(scripted:plain,by=scripted)", "reminder(rps(scripted,by=cot(scripted)))"):
        with pytest.raises(UsageError, match=r"its replies are selected by scripted, which is the judge .*; give another by="):
            evaluate_all(run, [policy], BenchmarkSettings(turns=2))
    assert not run.file("transcripts").exists()


@pytest.mark.parametrize(
    ("judge", "by"),
    [
        ("http://127.0.0.1:80/v1#m", "http://LOCALHOST/v1/#m"),
        ("https://example.org/v1#m", "https://example.org:443/v1#m"),
        ("hub:org/model", "hub:Org/Model:novita"),
        ("local:org/model", "hub:org/model"),
        ("local:pocket", "local:./there/../pocket-link"),
        ("reminder(hub:org/model)", "hub:org/model"),
        ("scripted", "scripted:judge-1"),
    ],
)
def test_the_judge_by_another_spelling_selects_nothing_either(run, judge, by, tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    (tmp_path / "pocket-link").symlink_to(shipped("pocket"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="which is the judge that scores them"):
        evaluate_all(run, [f"best-of(scripted:plain,by={by})"], BenchmarkSettings(turns=2, judge=judge))


def test_both_replies_of_a_fork_are_sampled_from_a_policy(run):
    models = models_by_role({}, None, policy="inferred(scripted)")
    settings = TreeSettings(models, turns=2, limit=3)
    grow_all(run, settings)
    trees = list(read_rows(run.file("trees.jsonl"), Tree.from_row))
    assert {reply.source for tree in trees for exchange in tree.exchanges for reply in exchange.replies} == {"policy"}
    assert any(exchange.replies[0] != exchange.replies[1] for tree in trees for exchange in tree.exchanges)
    assert settings.calls_a_tree == 2 * (1 + 2 * 2 + 2)
    assert settings.recorded["world"]


def test_the_policys_sampling_reaches_its_model_and_not_another_one(run):
    model, other = Recording(Scripted()), Recording(Scripted())
    chats: dict[str, Chat] = {"local:org/m": model, "local:org/n": other, "scripted": Scripted()}
    settings = BenchmarkSettings(turns=1, limit=1, temperature=0.25, sampling={"policy": {"max_tokens": 64}})
    evaluate_all(run, ["inferred(local:org/m,by=local:org/n)"], settings, traffic=opening(chats.__getitem__))
    assert {(one.sampling.temperature, one.sampling.max_tokens) for one in model.requests} == {(0.25, 64)}
    assert {(one.sampling.temperature, one.sampling.max_tokens) for one in other.requests} == {(0.0, 512)}
