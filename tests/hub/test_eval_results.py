"""Scores in a model's repo: the numbers of the report, of the very weights that lie there, about personas that are published."""

import os
import shutil
import subprocess
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
import yaml
from huggingface_hub import HfApi, eval_result_entries_to_yaml, parse_eval_result_entries

from aloe_hub.errors import AloeError, DataError
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder, policy_file
from aloe_hub.hub.datasets import publish_dataset
from aloe_hub.hub.eval_results import RESULTS, push_results
from aloe_hub.hub.models import publish_adapter
from aloe_hub.report import read_runs
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.types import Transcript
from tests.hub.made_models import make_adapter, make_model
from tests.hub.published import Repo
from tests.preloaded import PYTHON

PERSONAS = "org/results-personas"
NUMBERS = count()  # a repo for each test


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("base") / "base")


@pytest.fixture(scope="module")
def adapter(base, tmp_path_factory) -> Path:
    return make_adapter(tmp_path_factory.mktemp("adapter") / "dpo", base)


@pytest.fixture
def repo(at_hub, base, adapter) -> Repo:
    """The adapter on the Hub, with its base and the personas."""
    api = HfApi(token=at_hub.token)
    api.create_repo("org/results-base", exist_ok=True)
    api.upload_folder(repo_id="org/results-base", folder_path=base)
    name = f"org/results-{next(NUMBERS)}"
    publish_adapter(adapter, name, base_repo="org/results-base")
    return Repo(at_hub, name, "models")


@pytest.fixture
def run(made, adapter, tmp_path, at_hub) -> RunFolder:
    """A run whose benchmark holds the adapter; its personas are published."""
    publish_dataset(made, "personas", PERSONAS)
    run = RunFolder(tmp_path / "run")
    shutil.copytree(made.path, run.path)
    assert evaluate_all(run, ["scripted:tailored", "scripted:plain"], BenchmarkSettings(turns=3)) == 0
    spoken_by(run, "scripted:tailored", f"local:{adapter.parent}/base+{adapter}")
    return run


def spoken_by(run: RunFolder, before: str, policy: str) -> None:
    """The conversations of one policy as another's, as a benchmark would have left them."""
    path = run.file(f"transcripts/{policy_file(before)}")
    transcripts = [replace(one, policy=policy) for one in read_rows(path, Transcript.from_row)]
    write_rows(run.file(f"transcripts/{policy_file(policy)}"), (one.to_row() for one in transcripts))
    write_rows(run.file(f"scores/{policy_file(policy)}"), (one.to_scores_row() for one in transcripts))


def policies(run: RunFolder) -> list[str]:
    return [one.policy for one in read_runs([run.path]).runs[0].policies]


def pushed(repo: Repo) -> list[dict]:
    found: list[dict] = yaml.safe_load(repo.read(RESULTS))
    return found


def test_the_scores_are_those_of_the_report_under_one_task_each(run, repo):
    assert push_results(run, repo.id, policies(run), PERSONAS).new
    own = next(one for one in read_runs([run.path]).runs[0].policies if one.policy.startswith("local:"))
    rows = {row["dataset"]["task_id"]: row for row in pushed(repo)}
    found = {task: row["value"] for task, row in rows.items()}
    expected = {"test": "avg", "test_ir": "ir", "test_n_ir": "n_ir", "test_r2": "r2"}
    assert found == {task: round(getattr(own.scores, key), 4) for task, key in expected.items()}
    low, high = own.scores.avg_ci
    assert f"AVG {own.scores.avg:.2f} [{low:.2f}, {high:.2f}], 95% over 2 profiles x 2 personalities" in rows["test"]["notes"]
    for row in rows.values():
        assert row["dataset"]["id"] == PERSONAS
        assert row["dataset"]["revision"] == Repo(repo.hub, PERSONAS).commits()[0]
        assert "4 personas, 3 turns, seed 0; judge scripted, users scripted: a test bed" in row["notes"]
        assert row["source"]["url"].startswith("https://")
        assert str(run.path) not in row["notes"]


def test_scores_of_another_rubric_are_tasks_of_their_own(made, adapter, repo, tmp_path):
    publish_dataset(made, "personas", PERSONAS)
    run = RunFolder(tmp_path / "rlpa")
    shutil.copytree(made.path, run.path)
    assert evaluate_all(run, ["scripted:tailored", "scripted:plain"], BenchmarkSettings(turns=3, rubric="rlpa")) == 0
    spoken_by(run, "scripted:tailored", f"local:{adapter.parent}/base+{adapter}")
    assert push_results(run, repo.id, policies(run), PERSONAS).new
    rows = {row["dataset"]["task_id"]: row for row in pushed(repo)}
    assert set(rows) == {"test_rlpa", "test_rlpa_ir", "test_rlpa_n_ir", "test_rlpa_r2"}
    assert 1 < rows["test_rlpa"]["value"] <= 100
    assert "rubric rlpa, 0 or 1, shown x 100" in rows["test_rlpa"]["notes"]


def test_scores_of_a_scenario_are_tasks_of_their_own(made, adapter, repo, tmp_path):
    publish_dataset(made, "personas", PERSONAS)
    run = RunFolder(tmp_path / "shift")
    shutil.copytree(made.path, run.path)
    assert evaluate_all(run, ["scripted:tailored"], BenchmarkSettings(turns=3, shift=2, cold=True)) == 0
    spoken_by(run, "scripted:tailored", f"local:{adapter.parent}/base+{adapter}")
    assert push_results(run, repo.id, policies(run), PERSONAS).new
    rows = {row["dataset"]["task_id"]: row for row in pushed(repo)}
    assert {"test_shift2_cold", "test_shift2_cold_ir"} <= set(rows)
    assert "test" not in rows
    assert "each user becomes another person at turn 2; users open with a bare greeting" in rows["test_shift2_cold"]["notes"]


def test_the_client_reads_them_from_the_model_page(run, repo):
    push_results(run, repo.id, policies(run), PERSONAS)
    entries = HfApi(token=repo.hub.token).model_info(repo.id).eval_results
    assert entries is not None
    assert [(entry.dataset_id, entry.task_id) for entry in entries][:1] == [(PERSONAS, "test")]
    assert len(entries) == 4


def test_they_follow_the_schema_of_huggingface_hub_and_hold_nothing_else(run, repo):
    push_results(run, repo.id, policies(run), PERSONAS)
    assert eval_result_entries_to_yaml(parse_eval_result_entries(pushed(repo))) == pushed(repo)


def test_pushing_again_makes_no_commit_and_other_scores_make_one(run, repo):
    push_results(run, repo.id, policies(run), PERSONAS)
    commits, card, files = repo.commits(), repo.card(), set(repo.files())
    Repo(repo.hub, PERSONAS).write("notes.txt", b"nothing of the personas")
    assert not push_results(run, repo.id, policies(run), PERSONAS).new
    assert repo.commits() == commits
    path = run.file(f"scores/{policy_file(next(name for name in policies(run) if name.startswith('local:')))}")
    os.utime(path, (0, 86400 * 365))
    assert push_results(run, repo.id, policies(run), PERSONAS).new
    assert repo.commits()[1:] == commits
    assert pushed(repo)[0]["date"] == "1971-01-01"
    assert (repo.card(), set(repo.files())) == (card, files)
    assert len(repo.tags()) == 1  # that of the adapter


def test_undefined_numbers_have_no_entry(run, repo):
    name = next(name for name in policies(run) if name.startswith("local:"))
    path = run.file(f"transcripts/{policy_file(name)}")
    rows = list(read_rows(path, dict))
    for turn in (turn for row in rows for turn in row["turns"]):
        turn["score"] = 3.0
    write_rows(path, rows)
    push_results(run, repo.id, [name], PERSONAS)
    assert {row["dataset"]["task_id"]: row["value"] for row in pushed(repo)} == {"test": 3.0, "test_ir": 0.0}
    for turn in (turn for row in rows for turn in row["turns"]):
        turn["score"] = None
    write_rows(path, rows)
    with pytest.raises(DataError, match="no score"):
        push_results(run, repo.id, [name], PERSONAS)


def test_the_policy_that_names_the_repo_is_the_one_unless_it_was_another_commit(run, repo, base, tmp_path):
    name = f"local:org/results-base+{repo.id}"
    spoken_by(run, "scripted:plain", name)
    assert push_results(run, repo.id, [name], PERSONAS).url.endswith(repo.id)
    old = f"{name}@{repo.commits()[0]}"
    spoken_by(run, "scripted:plain", old)
    publish_adapter(make_adapter(tmp_path / "other", base, seed=7), repo.id, base_repo="org/results-base")
    with pytest.raises(DataError, match=f"no policy there has the weights of {repo.id}"):
        push_results(run, repo.id, [old], PERSONAS)


def test_scores_go_when_other_weights_come(run, repo, adapter, base, tmp_path):
    push_results(run, repo.id, policies(run), PERSONAS)
    publish_adapter(adapter, repo.id, base_repo="org/results-base", run=run.path)
    assert RESULTS in repo.files()
    publish_adapter(make_adapter(tmp_path / "other", base, seed=8), repo.id, base_repo="org/results-base")
    assert RESULTS not in repo.files()


def test_a_policy_behind_an_endpoint_is_taken_at_its_word_when_it_is_the_only_one(run, repo):
    name = f"http://127.0.0.1:9/v1#{repo.id}"
    spoken_by(run, "scripted:plain", name)
    assert push_results(run, repo.id, [name], PERSONAS).commit
    with pytest.raises(DataError, match="no policy there has the weights"):
        push_results(run, repo.id, [name, "scripted:plain"], PERSONAS)
    with pytest.raises(DataError, match="benchmarked: scripted:plain"):
        push_results(run, repo.id, ["scripted:plain"], PERSONAS)


@pytest.mark.parametrize("model", ["local:org/results-base+{}", "http://127.0.0.1:9/v1#{}"])
def test_what_a_policy_around_a_model_scored_is_no_score_of_the_model(run, repo, model):
    name = f"inferred({model.format(repo.id)},by=scripted)"
    spoken_by(run, "scripted:plain", name)
    with pytest.raises(DataError, match="no policy there has the weights"):
        push_results(run, repo.id, [name], PERSONAS)


def test_what_is_not_on_the_hub_is_named_with_what_brings_it_there(run, repo):
    with pytest.raises(AloeError, match=r"--push-results org/nowhere: no such model on ") as found:
        push_results(run, "org/nowhere", policies(run), PERSONAS)
    assert "aloe publish adapter --adapter DIR --repo org/nowhere" in str(found.value)
    with pytest.raises(AloeError, match=r"--personas-repo org/no-personas: no such dataset on ") as found:
        push_results(run, repo.id, policies(run), "org/no-personas")
    assert f"aloe publish personas --run {run.path} --repo org/no-personas" in str(found.value)
    assert RESULTS not in repo.files() or pushed(repo)[0]["dataset"]["id"] == PERSONAS


def test_a_dataset_of_other_personas_is_refused(run, repo, other, imported):
    for which, licence in ((other, None), (imported, "other")):
        publish_dataset(which, "personas", f"org/personas-{licence}", licence=licence)
        with pytest.raises(DataError, match="its split test lacks 4 of the 4 personas of this benchmark"):
            push_results(run, repo.id, policies(run), f"org/personas-{licence}")


def test_evaluate_pushes_what_it_has_scored(hub, made, run, repo, adapter, base, environment):
    publish_dataset(made, "personas", "org/aloe-personas")  # where they are looked for, when nothing is said
    policy = f"local:{base}+{adapter}"
    spoken_by(run, "scripted:plain", policy)
    command = [*PYTHON, "-m", "aloe_hub.cli.app", "evaluate", "--run", run.path, "--turns", "3", "--policy", policy]
    command += ["--push-results", repo.id]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert f"{hub.endpoint}/{repo.id}: scores pushed as commit {repo.commits()[0][:8]}" in done.stdout
    assert pushed(repo)[0]["dataset"]["id"] == "org/aloe-personas"


def test_where_the_personas_are_is_asked_only_when_scores_are_pushed(aloe, run):
    status, _, errors = aloe("evaluate", "--run", run.path, "--policy", "scripted:plain", "--personas-repo", "org/x")
    assert status == 2
    assert "give --push-results org/adapter too" in errors
