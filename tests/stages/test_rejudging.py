"""Trees and conversations that another judge judges again: the same words, other verdicts, and no reply asked for."""

import json
import shutil

import pytest

from aloe_hub.chat.scripted import Scripted
from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.stages.rejudging import rejudge_trees, settings_of
from aloe_hub.stages.trees import ROLES, TreeSettings, grow_all
from aloe_hub.types import Persona, Transcript, Tree
from tests.fakes import Recording, opening

SCRIPTED = dict.fromkeys(ROLES, "scripted")
POLICY = "scripted:tailored"


@pytest.fixture
def other(tmp_path, run):
    """A run folder with the personas of `run`."""
    folder = RunFolder(tmp_path / "other")
    folder.path.mkdir()
    shutil.copy(run.file("personas.jsonl"), folder.path)
    return folder


def trees_of(run):
    return list(read_rows(run.file("trees.jsonl"), Tree.from_row))


def talks_of(run):
    return list(read_rows(run.file("transcripts/scripted_tailored.jsonl"), Transcript.from_row))


def roles_asked(recording):
    return {request.role for request in recording.requests}


def test_trees_keep_every_word_and_get_the_verdicts_of_the_judge_that_was_given(run, other):
    grow_all(run, TreeSettings(SCRIPTED, turns=3, limit=4))
    settings = settings_of(run.path, "trees", TreeSettings, {"judge": "scripted:judge-1"})
    recording = Recording(Scripted("judge-1"))
    grown = rejudge_trees(other, settings, traffic=opening(lambda model: recording))
    assert (grown.wanted, grown.finished) == (4, True)
    assert roles_asked(recording) == {"judge"}
    before, after = trees_of(run), trees_of(other)
    words = [[(one.user, one.inferred, one.replies, one.spoken) for one in tree.exchanges] for tree in after]
    assert words == [[(one.user, one.inferred, one.replies, one.spoken) for one in tree.exchanges] for tree in before]
    afresh = other.path.parent / "afresh"
    afresh.mkdir()
    shutil.copy(run.file("personas.jsonl"), afresh)
    grow_all(RunFolder(afresh), TreeSettings(SCRIPTED | {"judge": "scripted:judge-1"}, turns=3, limit=4))
    assert after == trees_of(RunFolder(afresh))
    assert other.settings()["trees"]["rejudge"] == str(run.path)


def test_conversations_keep_every_word_and_what_was_measured_and_are_scored_as_if_that_judge_had_heard_them(run, other, tmp_path):
    evaluate_all(run, [POLICY], BenchmarkSettings(turns=3))
    settings = settings_of(run.path, "evaluate", BenchmarkSettings, {"judge": "scripted:judge-1"})
    recording = Recording(Scripted("judge-1"))
    assert evaluate_all(other, [POLICY], settings, traffic=opening(lambda model: recording)) == 0
    assert roles_asked(recording) == {"judge"}
    before, after = talks_of(run), talks_of(other)
    assert [talk.scores for talk in before] != [talk.scores for talk in after]
    afresh = RunFolder(tmp_path / "afresh")
    afresh.path.mkdir()
    shutil.copy(run.file("personas.jsonl"), afresh.path)
    evaluate_all(afresh, [POLICY], BenchmarkSettings(turns=3, judge="scripted:judge-1"))
    assert after == talks_of(afresh)
    assert after[0].turns[-1].revealed == before[0].turns[-1].revealed
    name = "scores/scripted_tailored.jsonl"
    assert other.file(name).read_text() == afresh.file(name).read_text()


def test_the_commands_judge_again_and_go_on_with_rows(run, other, aloe):
    assert aloe("trees", "--run", run.path, "--turns", 2, "--limit", 3)[0] == 0
    assert aloe("evaluate", "--run", run.path, "--policy", POLICY, "--turns", 2)[0] == 0
    assert aloe("trees", "--run", other.path, "--rejudge", run.path, "--judge", "scripted:judge-1")[0] == 0
    command = ("evaluate", "--run", other.path, "--rejudge", run.path, "--policy", POLICY, "--judge", "scripted:judge-1")
    assert aloe(*command)[0] == aloe(*command)[0] == 0
    assert {json.loads(line)["turn"] for line in other.file("pairs.jsonl").read_text().splitlines()} <= {0, 1}
    assert other.settings()["evaluate"]["judge"] == "scripted:judge-1"
    assert other.settings()["evaluate"]["turns"] == 2


@pytest.mark.parametrize(
    ("stage", "kind", "given", "message"),
    [
        ("trees", TreeSettings, {"turns": 5}, "--turns is as that run had it; leave it out"),
        ("evaluate", BenchmarkSettings, {"shift_share": 0.5}, "--shift-share is as that run had it; leave it out"),
    ],
)
def test_all_but_the_judge_is_as_it_was(run, stage, kind, given, message):
    with pytest.raises(UsageError, match=message):
        settings_of(run.path, stage, kind, given)


def test_a_run_that_has_nothing_to_judge_is_refused(run, other):
    with pytest.raises(DataError, match=r"no table \[trees\]"):
        settings_of(run.path, "trees", TreeSettings, {})
    evaluate_all(run, [POLICY], BenchmarkSettings(turns=2))
    settings = settings_of(run.path, "evaluate", BenchmarkSettings, {"judge": "scripted:judge-1"})
    with pytest.raises(DataError, match="no finished conversations of scripted:plain there"):
        evaluate_all(other, ["scripted:plain"], settings)


def test_conversations_with_other_personas_are_refused(run, other):
    evaluate_all(run, [POLICY], BenchmarkSettings(turns=2))
    rows = [json.loads(line) for line in other.file("personas.jsonl").read_text().splitlines()]
    made = [Persona(f"{row['profile']} She has a cat.", row["personality"]).to_row() | {"split": row["split"]} for row in rows]
    other.file("personas.jsonl").write_text("".join(json.dumps(row) + "\n" for row in made))
    settings = settings_of(run.path, "evaluate", BenchmarkSettings, {"judge": "scripted:judge-1"})
    with pytest.raises(DataError, match="did not talk with persona"):
        evaluate_all(other, [POLICY], settings)
