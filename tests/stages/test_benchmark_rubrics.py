"""The benchmark by each rubric, from the judge's prompt to the report, with the scripted judge."""

import json

import pytest

from aloe_hub import prompts
from aloe_hub.chat.scripted import Scripted
from aloe_hub.chat.traffic import Limits
from aloe_hub.errors import DataError, SettingsDiffer
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.report import read_runs
from aloe_hub.rubrics import RUBRICS, rubric
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.types import Transcript
from tests.fakes import Recording, Saying, Stopping, opening

POLICIES = ["scripted:tailored", "scripted:plain"]
JUDGE = "local:org/judge"
FILES = ("transcripts/scripted_tailored.jsonl", "scores/scripted_tailored.jsonl")
ALL = pytest.mark.parametrize("name", RUBRICS)


def transcripts(run, policy="tailored"):
    return list(read_rows(run.file(f"transcripts/scripted_{policy}.jsonl"), Transcript.from_row))


def turns(run):
    return [turn for one in transcripts(run) for turn in one.turns]


@ALL
def test_each_is_recorded_with_its_criteria_and_reported_on_its_scale(run, name):
    by = rubric(name)
    assert evaluate_all(run, POLICIES, BenchmarkSettings(turns=4, rubric=name)) == 0
    assert run.settings()["evaluate"]["rubric"] == name
    assert {one.rubric for one in transcripts(run)} == {name}
    for turn in turns(run):
        assert by.scale[0] <= turn.score <= by.scale[1]
        assert list(turn.criteria) == [criterion.name for criterion in by.criteria]
        assert None not in turn.criteria.values()
    (found,) = read_runs([run.path]).runs
    assert found.rubric is by
    best, plain = found.policies
    assert best.policy == "scripted:tailored"
    assert list(best.criteria) == [criterion.name for criterion in by.criteria]
    factor = 100 if name == "rlpa" else 1
    assert best.scores.avg == pytest.approx(factor * sum(turn.score for turn in turns(run)) / len(turns(run)))
    assert best.scores.avg > plain.scores.avg
    (paired,) = found.comparisons
    assert paired.result.difference == pytest.approx(best.scores.avg - plain.scores.avg)


def test_a_score_of_rlpa_is_1_where_all_criteria_hold(run):
    evaluate_all(run, POLICIES[:1], BenchmarkSettings(turns=5, rubric="rlpa"))
    assert {turn.score for turn in turns(run)} == {0, 1}
    assert all(turn.score == min(turn.criteria.values()) for turn in turns(run))


def test_the_authors_judge_is_shown_no_history_and_gives_whole_numbers(run):
    judge = Recording(Scripted())
    traffic = opening(lambda model: judge if model == JUDGE else Scripted())
    evaluate_all(run, POLICIES[:1], BenchmarkSettings(judge=JUDGE, turns=3, rubric="aloe"), traffic=traffic)
    asked = [request.messages[-1].content for request in judge.requests if request.role == "judge"]
    assert asked
    assert all(set(prompts.sections(prompt)) == {"PROFILE", "PERSONALITY", "MESSAGE", "REPLY"} for prompt in asked)
    assert all(turn.score % 1 == 0 for turn in turns(run))


def test_the_score_of_aloe_hub_is_what_it_was_without_criteria(run):
    evaluate_all(run, POLICIES[:1], BenchmarkSettings(turns=4))
    now = [one.scores for one in transcripts(run)]
    for name in FILES:
        run.file(name).unlink()
    toml = run.file("run.toml")
    toml.write_text(toml.read_text().replace('rubric = "aloe-hub"\n', ""))  # as 0.1 left it
    evaluate_all(run, POLICIES[:1], BenchmarkSettings(turns=4))
    assert [one.scores for one in transcripts(run)] == now
    assert all(turn.criteria == {} and "Style:" not in turn.judgement for turn in turns(run))


@ALL
def test_a_stopped_benchmark_ends_with_the_same_bytes(run, name):
    settings = BenchmarkSettings(turns=3, rubric=name)
    evaluate_all(run, POLICIES[:1], settings)
    reference = [run.file(file).read_bytes() for file in FILES]
    for file in FILES:
        run.file(file).unlink()
    stopping = Stopping(21)
    traffic = opening(lambda model: stopping if model == "scripted" else Scripted("tailored"), Limits(1))
    with pytest.raises(KeyboardInterrupt):
        evaluate_all(run, POLICIES[:1], settings, traffic=traffic)
    assert run.file(f"{FILES[0]}.partial").stat().st_size
    evaluate_all(run, POLICIES[:1], settings)
    assert [run.file(file).read_bytes() for file in FILES] == reference


@ALL
def test_the_scores_alone_give_the_same_report(run, name):
    evaluate_all(run, POLICIES, BenchmarkSettings(turns=2, rubric=name))
    (reference,) = read_runs([run.path]).runs
    for path in run.file("transcripts").iterdir():
        path.unlink()
    (found,) = read_runs([run.path]).runs
    for one, other in zip(found.policies, reference.policies, strict=True):
        assert repr((one.scores, one.criteria)) == repr((other.scores, other.criteria))  # NaN is not equal to itself


def test_a_run_takes_one_rubric(run):
    evaluate_all(run, POLICIES[:1], BenchmarkSettings(turns=2))
    with pytest.raises(SettingsDiffer, match=r"evaluate\.rubric is 'aloe-hub' there and 'rlpa' now"):
        evaluate_all(run, POLICIES[1:], BenchmarkSettings(turns=2, rubric="rlpa"))


@pytest.mark.parametrize("folder", ["transcripts", "scores"])
def test_scores_of_another_rubric_in_the_folder_are_refused_with_file_and_line(run, folder):
    evaluate_all(run, POLICIES[:1], BenchmarkSettings(turns=2))
    path = run.file(f"{folder}/scripted_plain.jsonl")
    (transcript, *_) = transcripts(run)
    rows = {"transcripts": transcript.to_row(), "scores": transcript.to_scores_row()}
    write_rows(path, [rows[folder] | {"policy": "scripted:plain", "rubric": "aloe"}])
    with pytest.raises(DataError, match=r"plain\.jsonl, line 1: scored by rubric 'aloe', and run\.toml says 'aloe-hub'"):
        read_runs([run.path])


def test_a_journal_of_another_rubric_is_refused(run):
    evaluate_all(run, POLICIES[:1], BenchmarkSettings(turns=2))
    row = json.loads(run.file(FILES[0]).read_text().splitlines()[0])
    write_rows(run.file("transcripts/scripted_plain.jsonl.partial"), [row | {"policy": "scripted:plain", "rubric": "rlpa"}])
    with pytest.raises(DataError, match="scored by rubric 'rlpa' and not by 'aloe-hub'"):
        evaluate_all(run, POLICIES[1:], BenchmarkSettings(turns=2))


def test_a_criterion_that_cannot_be_read_is_missing_and_the_score_stays(run):
    judge = Saying(lambda request: "Style: warm\nContent: 4\nQuality: 4\nOverreach: no\nScore: 4")
    traffic = opening(lambda model: judge if model == JUDGE else Scripted())
    evaluate_all(run, POLICIES[:1], BenchmarkSettings(judge=JUDGE, turns=2), traffic=traffic)
    assert {turn.score for turn in turns(run)} == {4}
    (policy,) = read_runs([run.path]).runs[0].policies
    assert list(policy.criteria) == ["content", "quality", "overreach"]
    assert policy.criteria["overreach"].avg == 0
    assert policy.scores.missing == 0


def test_a_judge_of_rlpa_that_leaves_one_out_is_asked_again_and_then_its_score_is_missing(run):
    judge = Recording(Saying(lambda request: "Naturalness: yes\nRelevance: yes"))
    traffic = opening(lambda model: judge if model == JUDGE else Scripted())
    evaluate_all(run, POLICIES[:1], BenchmarkSettings(judge=JUDGE, turns=1, rubric="rlpa"), traffic=traffic)
    assert {turn.score for turn in turns(run)} == {None}
    assert len(judge.requests) == 3 * len(turns(run))
    assert "no yes or no for logic, engagement, informativeness was found" in judge.requests[-1].messages[-1].content


def test_the_command_takes_it_by_hand_or_from_a_recipe(run, aloe, tmp_path):
    recipe = tmp_path / "mine.toml"
    recipe.write_text('[evaluate]\nturns = 1\nrubric = "rlpa"\npolicies = ["scripted:plain"]\n')
    assert aloe("evaluate", "--run", run.path, "--recipe", recipe)[0] == 0
    assert run.settings()["evaluate"]["rubric"] == "rlpa"
    status, _, said = aloe("evaluate", "--run", run.path, "--recipe", recipe, "--rubric", "aloe")
    assert (status, "evaluate.rubric is 'rlpa' there and 'aloe' now" in said) == (1, True)
    status, _, said = aloe("evaluate", "--run", run.path, "--recipe", recipe, "--rubric", "helm")
    assert (status, "--rubric 'helm': no such rubric; known: aloe-hub, aloe, rlpa" in said) == (2, True)
