"""What a report says of rubrics: each run's own, a table of criteria, and a warning where runs differ."""

import json

import pytest

from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.jsonl import write_rows
from aloe_hub.report import read_runs, to_json, write_html
from aloe_hub.types import Persona, Transcript, Turn
from tests.report.test_report import one, printed

PERSONAS = [Persona(f"profile {i}", f"personality {j}") for i in range(2) for j in range(2)]
WARNING = "These runs were scored by different rubrics (aloe-hub, rlpa): their scores cannot be compared."
OURS = {"style": 4, "content": 3, "quality": None, "overreach": 1}


def write(folder, rubric, score, criteria):
    turns = tuple(Turn("hello", "hi", score, "as it is", criteria) for _ in range(2))
    rows = [Transcript(persona, "local:org/model", turns, rubric).to_row() for persona in PERSONAS]
    write_rows(folder / "transcripts" / "local_org_model.jsonl", rows)
    (folder / "run.toml").write_text(f'[evaluate]\nrubric = "{rubric}"\njudge = "scripted"\n')
    return folder


@pytest.fixture
def two(tmp_path):
    ours = write(tmp_path / "ours", "aloe-hub", 3.5, OURS)
    return ours, write(tmp_path / "theirs", "rlpa", 1, {"naturalness": 1, "logic": 1})


def test_criteria_are_means_and_percentages_and_one_that_was_never_read_is_left_out(two):
    (policy,) = one(two[0]).policies
    assert {name: found.avg for name, found in policy.criteria.items()} == {"style": 4, "content": 3, "overreach": 100}
    (policy,) = one(two[1]).policies
    assert policy.scores.avg == 100
    assert policy.avg_bounds is None


def test_runs_of_different_rubrics_are_shown_apart_below_a_warning(two, tmp_path):
    report = read_runs(two)
    text = " ".join(printed(report).split())
    assert text.startswith(WARNING)
    assert "rubric aloe-hub, 1 to 5" in text
    assert "rubric rlpa, 0 or 1, shown x 100" in text
    write_html(report, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert f'<p class="notice">{WARNING}</p>' in page
    assert page.count("<caption><span>Policies, the highest average first.") == 2


def test_runs_of_one_rubric_get_no_warning(two):
    assert read_runs([two[0], two[0]]).warning is None
    assert "cannot be compared" not in printed(read_runs([two[0]]))


def test_json_names_rubric_scale_and_criteria(two):
    ours, theirs = json.loads(to_json(read_runs(two)))["runs"]
    assert (ours["rubric"], ours["scale"]) == ("aloe-hub", [1, 5])
    assert (theirs["rubric"], theirs["scale"]) == ("rlpa", [0, 100])
    assert ours["policies"][0]["criteria"]["overreach"]["avg"] == 100
    assert theirs["policies"][0]["al"] == [100, 100]


def test_a_criterion_off_its_scale_is_named_by_file_and_line(tmp_path):
    write(tmp_path, "aloe-hub", 3.5, OURS | {"style": 6})
    with pytest.raises(DataError, match=r"local_org_model\.jsonl, line 1: style is 6, and not from 1 to 5"):
        read_runs([tmp_path])


def test_an_unknown_rubric_in_run_toml_is_named(tmp_path):
    write(tmp_path, "helm", 3, {})
    with pytest.raises(UsageError, match=r"run\.toml: evaluate\.rubric 'helm': no such rubric; known: aloe-hub, aloe, rlpa"):
        read_runs([tmp_path])
