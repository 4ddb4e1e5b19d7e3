"""Scenarios of the benchmark: who the user is in each turn, what they have revealed, and the same bytes however it is run."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from aloe_hub.chat.scripted import Scripted, revealing
from aloe_hub.chat.traffic import Limits, Traffic
from aloe_hub.errors import DataError, SettingsDiffer, UsageError
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.stages.people import FIRST, people
from aloe_hub.stages.roles import GREETINGS
from aloe_hub.types import Transcript
from tests.fakes import Recording, Stopping, opening

POLICIES = [f"scripted:{name}" for name in ("tailored", "leak", "stranger")]
SCENARIOS: dict[str, dict[str, Any]] = {
    "plain": {"turns": 4},
    "shift": {"turns": 5, "shift": 3},
    "half": {"turns": 5, "shift": 3, "shift_share": 0.5},
    "cold": {"turns": 5, "cold": True},
    "long": {"turns": 14, "limit": 2},
}
EACH = pytest.mark.parametrize("name", SCENARIOS)


def settings(name, **others):
    return BenchmarkSettings(**SCENARIOS[name] | others)


def pool_of(run, path):
    other = RunFolder(path)
    write_rows(other.file("personas.jsonl"), read_rows(run.file("personas.jsonl"), dict))
    return other


def transcripts(run, policy="tailored"):
    return list(read_rows(run.file(f"transcripts/scripted_{policy}.jsonl"), Transcript.from_row))


def contents(run):
    return {str(path.relative_to(run.path)): path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def stopping_at(call):
    """The models of a run in which the scripted world is interrupted."""
    stopping = Stopping(call)
    return lambda model: stopping if model == "scripted" else Scripted(model.partition(":")[2])


@EACH
def test_a_stopped_run_ends_with_the_same_bytes_and_so_does_one_at_another_concurrency(run, tmp_path, name):
    whole, stopped, alone = (pool_of(run, tmp_path / folder) for folder in ("whole", "stopped", "alone"))
    evaluate_all(whole, POLICIES, settings(name))
    for call in (16, 61):
        traffic = opening(stopping_at(call), Limits(concurrency=1))
        with pytest.raises(KeyboardInterrupt):
            evaluate_all(stopped, POLICIES, settings(name), traffic=traffic)
    assert not stopped.file("scores/scripted_stranger.jsonl").exists()
    evaluate_all(stopped, POLICIES, settings(name))
    evaluate_all(alone, POLICIES, settings(name), traffic=Traffic(Limits(concurrency=1)))
    assert contents(stopped) == contents(alone) == contents(whole)


@EACH
def test_a_scenario_is_recorded_and_another_one_is_refused(run, name):
    evaluate_all(run, POLICIES[:1], settings(name))
    recorded = run.settings()["evaluate"]
    assert recorded.items() >= SCENARIOS[name].items()
    assert recorded["revealed"] == "exact"
    assert ("later" in recorded) == (name == "long")
    turns = SCENARIOS[name]["turns"]
    for other in ({"cold": name != "cold"}, {"shift": 2, "shift_share": None}):
        with pytest.raises(SettingsDiffer, match=r"run.toml: evaluate\."):
            evaluate_all(run, POLICIES[:1], settings(name, turns=turns, **other))


@EACH
def test_what_is_revealed_stands_in_transcripts_and_scores(run, name):
    evaluate_all(run, POLICIES, settings(name))
    for policy in ("tailored", "leak"):
        rows = list(read_rows(run.file(f"scores/scripted_{policy}.jsonl"), dict))
        for row, transcript in zip(rows, transcripts(run, policy), strict=True):
            for share in ("revealed", "told", "recalled"):
                assert row[share] == [getattr(turn, share) for turn in transcript.turns]
            assert all(0 <= turn.recalled <= turn.told <= 1 for turn in transcript.turns)
            if "shift" not in SCENARIOS[name]:
                assert row["revealed"] == sorted(row["revealed"])
    users = [[[turn.user for turn in one.turns] for one in transcripts(run, policy)] for policy in ("tailored", "stranger")]
    assert users[0] == users[1]  # whom they meet does not hang on what they say


def test_at_a_shift_the_user_is_another_for_user_and_judge(run):
    judge = Recording()
    traffic = opening(lambda model: judge if model == "scripted" else Scripted("tailored"))
    evaluate_all(run, POLICIES[:1], settings("shift", limit=1), traffic=traffic)
    (one,) = transcripts(run)
    assert one.became
    assert one.became != one.persona
    for role in ("user", "judge"):
        prompts = [request.messages[0].content for request in judge.requests if request.role == role]
        assert [one.persona.profile in prompt for prompt in prompts] == [True, True, False, False, False]
        assert [one.became.profile in prompt for prompt in prompts] == [False, False, True, True, True]
    assert one.turns[2].revealed < one.turns[1].revealed


@pytest.mark.parametrize(("share", "kept"), [(1.0, 0), (0.5, 5)])
def test_a_shift_changes_as_much_of_a_person_as_it_says(run, share, kept):
    from aloe_hub.world.understanding import read_personality, read_profile

    for person in people(run.personas("test"), None, 4, shift=3, share=share):
        before, after = person.persona, person.became
        assert after is not None
        facts = set(read_profile(before.profile)), set(read_profile(after.profile))
        traits = set(read_personality(before.personality)), set(read_personality(after.personality))
        assert len(facts[0] & facts[1]) == kept
        assert {fact.kind for fact in facts[0]} == {fact.kind for fact in facts[1]}
        assert traits[0] != traits[1]
        assert person.turns == (before, before, after, after)


def test_nobody_to_become_is_said_before_anything_is_made(tmp_path):
    run = RunFolder(tmp_path)
    row = {"profile": "He restores old motorcycles.", "personality": "He tells stories.", "split": "test"}
    write_rows(run.file("personas.jsonl"), [row])
    with pytest.raises(DataError, match=r"--shift: persona .* cannot become another"):
        evaluate_all(run, ["scripted:plain"], settings("shift"))
    assert [path.name for path in tmp_path.iterdir()] == ["personas.jsonl"]


def test_a_cold_user_opens_with_a_bare_greeting_and_shows_little_at_a_time(run):
    evaluate_all(run, POLICIES[:1], settings("cold", turns=9))
    for one in transcripts(run):
        assert one.turns[0].user in GREETINGS
        shares = [turn.revealed for turn in one.turns]
        assert shares[0] == 0
        assert all(after - before <= 0.15 for before, after in pairwise(shares))
        assert shares[-1] > 0.7


def test_the_first_ten_turns_of_a_long_run_are_those_of_an_ordinary_one_and_there_is_more_to_tell_after_them(run, tmp_path):
    long = pool_of(run, tmp_path / "long")
    evaluate_all(run, POLICIES[:1], BenchmarkSettings())
    evaluate_all(long, POLICIES[:1], BenchmarkSettings(turns=70))
    for short, one in zip(transcripts(run), transcripts(long), strict=True):
        assert [(turn.user, turn.reply, turn.score) for turn in one.turns[:FIRST]] == [
            (turn.user, turn.reply, turn.score) for turn in short.turns
        ]
        after = [turn.revealed for turn in one.turns[FIRST:]]
        assert after[-1] == 1 > after[0] > 0.5
        assert len(set(after)) >= revealing.size(one.became) - revealing.size(one.persona) >= 10
        assert one.became.profile.startswith(one.persona.profile)
        assert one.turns[-1].recalled > 0.8


def test_a_run_without_measures_goes_on_without_them(run):
    evaluate_all(run, POLICIES[:1], settings("long"))
    before = [[turn.user for turn in one.turns] for one in transcripts(run)]
    path = run.file("run.toml")
    kept = [line for line in path.read_text().splitlines() if not line.startswith(("later", "revealed"))]
    path.write_text("\n".join(kept))
    run.file("transcripts/scripted_tailored.jsonl").unlink()
    run.file("scores/scripted_tailored.jsonl").unlink()
    evaluate_all(run, POLICIES[:1], settings("long"))
    for one, users in zip(transcripts(run), before, strict=True):
        assert one.became is None
        assert {turn.revealed for turn in one.turns} == {None}
        assert [turn.user for turn in one.turns[:FIRST]] == users[:FIRST]


def test_users_of_another_model_are_measured_only_where_an_embedder_is_named(run, monkeypatch):
    import numpy as np

    def letters(name):
        assert name == "letters"
        return lambda texts: np.array([np.eye(26)[ord(text[0].lower()) % 26] for text in texts])

    monkeypatch.setattr("aloe_hub.embedding.open_embedder", letters)
    traffic = opening(lambda model: Scripted("plain") if model == "scripted:plain" else Scripted())
    chosen = BenchmarkSettings(user="hub:org/model", turns=3, limit=2)
    evaluate_all(run, ["scripted:plain"], chosen, traffic=traffic)
    assert "revealed" not in run.settings()["evaluate"]
    assert {turn.revealed for one in transcripts(run, "plain") for turn in one.turns} == {None}
    other = pool_of(run, run.path / "other")
    evaluate_all(other, ["scripted:plain"], replace(chosen, revealed="letters"), traffic=traffic)
    assert other.settings()["evaluate"]["revealed"] == "letters"
    for one in transcripts(other, "plain"):
        shares = [turn.revealed for turn in one.turns]
        assert shares == sorted(shares)
        assert shares[-1] > 0
        assert one.turns[-1].told is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"shift": 1}, "--shift 1: must be from 2 to the last turn, 10"),
        ({"shift": 11}, "--shift 11"),
        ({"shift": 6, "shift_share": 0.0}, "--shift-share 0.0: must be more than 0"),
        ({"shift_share": 0.5}, "give --shift TURN too"),
    ],
)
def test_an_impossible_scenario_is_refused(given, said):
    with pytest.raises(UsageError, match=said):
        BenchmarkSettings(**given)


def test_scenarios_are_options_of_the_command(aloe, run):
    status, _, errors = aloe(
        "evaluate", "--run", run.path, "--policy", "scripted:plain", "--turns", 4, "--shift", 3, "--shift-share", 0.5, "--cold"
    )
    assert status == 0, errors
    assert run.settings()["evaluate"].items() >= {"shift": 3, "shift_share": 0.5, "cold": True}.items()
