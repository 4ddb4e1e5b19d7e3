"""Scenarios in the report: the drop at a shift, recovery, and recall against what was told; nothing where none was measured."""

import json

import pytest
from rich.console import Console

from aloe_hub.report import print_report, read_runs, to_json, write_html
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all

POLICIES = ["scripted:tailored", "scripted:plain", "scripted:memoryless"]


def reported(run, **settings):
    evaluate_all(run, POLICIES, BenchmarkSettings(**settings))
    report = read_runs([run.path])
    console = Console(record=True, width=200, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    print_report(report, console)
    page = run.path / "report.html"
    write_html(report, page)
    found = {row["policy"]: row for row in json.loads(to_json(report))["runs"][0]["policies"]}
    return found, console.export_text(), page.read_text()


def test_a_shift_is_told_with_its_drop_and_its_recovery(run):
    found, said, page = reported(run, turns=12, shift=5)
    shift, al = found["scripted:tailored"]["shift"], found["scripted:tailored"]["al"]
    assert shift["drop"] == pytest.approx(al[3] - al[4])
    assert shift["drop"] > 1
    assert shift["recovery"] is None or al[4 + shift["recovery"]] >= al[3] - 0.1 * shift["drop"]
    assert abs(found["scripted:plain"]["shift"]["drop"]) < 0.5
    for text in (said, page):
        assert "when the user became another at turn 5" in text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"turns": 4, "shift": 3}, "each user becomes another person at turn 3"),
        ({"turns": 4, "shift": 3, "shift_share": 0.5}, "50% of what makes up each user becomes another person's at turn 3"),
        ({"turns": 3, "cold": True}, "users open with a bare greeting"),
        ({"turns": 12}, "users go on telling of themselves after the first ten turns"),
    ],
)
def test_a_scenario_is_named_above_its_numbers(run, settings, words):
    _, said, page = reported(run, **settings)
    assert f"A scenario, not the ordinary benchmark: {words}" in said
    assert f"A scenario, not the ordinary benchmark: {words.replace(chr(39), '&#39;')}" in page


def test_long_conversations_show_recall_against_what_was_told(run):
    found, said, page = reported(run, turns=30, limit=2)
    for row in found.values():
        assert all(recalled <= told for recalled, told in zip(row["shares"]["recalled"], row["shares"]["told"], strict=True))
    last = {policy: row["shares"]["recalled"][-1] for policy, row in found.items()}
    assert last["scripted:plain"] == 0 < last["scripted:memoryless"] < last["scripted:tailored"]
    assert "of the profile recalled" in said
    for turn in (1, 10, 20, 30):
        assert f"k = {turn}<" in page
        assert f"({turn})" in said


def test_an_ordinary_run_shows_r_and_no_scenario(run):
    found, said, page = reported(run, turns=3)
    assert found["scripted:plain"]["shift"] is None
    assert len(found["scripted:plain"]["shares"]["revealed"]) == 3
    assert "R(k), the share of the persona" in said
    assert "recalled" not in said
    assert "became another" not in page
    assert "A scenario" not in said + page


def test_a_run_that_was_not_measured_shows_none(run):
    evaluate_all(run, POLICIES[:1], BenchmarkSettings(turns=2))
    path = run.file("transcripts/scripted_tailored.jsonl")
    bare = [json.loads(line) for line in path.read_text().splitlines()]
    for row in bare:
        row["turns"] = [{name: turn[name] for name in ("user", "reply", "score", "judgement")} for turn in row["turns"]]
    path.write_text("".join(json.dumps(row) + "\n" for row in bare))
    report = read_runs([run.path])
    assert report.runs[0].policies[0].shares == {}
    write_html(report, run.path / "report.html")
    assert "What users revealed" not in (run.path / "report.html").read_text()
