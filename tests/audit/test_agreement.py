"""Agreement of a judge with people: against the libraries, against published figures, on odd scores."""

import csv
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from typer.testing import CliRunner

from aloe_hub.audit.agreement import Measured, agreement
from aloe_hub.audit.scores_file import read_scores
from aloe_hub.cli.app import app
from aloe_hub.errors import DataError
from aloe_hub.results.audited import AGREEMENT

RUBRIC = Path(__file__).parents[3] / "shared" / "data" / "llm-rubric"
marks = st.integers(1, 5)


def audit(*arguments: str) -> Any:
    done = CliRunner().invoke(app, ["audit", *arguments, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    return json.loads(done.stdout)


def measured(name: str, human: Sequence[float], judge: Sequence[float], **more: Any) -> Measured:
    found = agreement(human, judge, **more).measures[name]
    assert found is not None
    return found


@pytest.mark.skipif(not RUBRIC.exists(), reason="the published ratings of LLM-Rubric are not here")
def test_the_published_row_of_an_llm_judge_against_people_is_reproduced_to_its_last_digit(tmp_path):
    with (RUBRIC / "gpt-3.5-turbo-16k.tsv").open() as file:
        expected = {
            row["text_id"]: sum(answer * float(row[f"answer{answer}_prob"]) for answer in (1, 2, 3, 4))
            for row in csv.DictReader(file, delimiter="\t")
            if row["criterion"] == "Q0"
        }
    with (RUBRIC / "human.tsv").open() as file:
        people = [
            (row["text_id"], row["Q0"], expected[row["text_id"]], row["annotator_id"])
            for row in csv.DictReader(file, delimiter="\t")
        ]
    table = tmp_path / "scores.tsv"
    table.write_text("item\thuman\tjudge\trater\n" + "".join("\t".join(map(str, row)) + "\n" for row in people))
    found = audit("--scores", str(table))
    assert found["n"] == 223
    printed = {name: round(found[name]["value"], 6) for name in ("rmse", "pearson", "spearman", "kendall")}
    assert printed == {"rmse": 0.918676, "pearson": 0.177301, "spearman": 0.086675, "kendall": 0.065928}
    assert found["kappa"] is None
    assert found["alpha"] is None
    assert found["intervals_over"] == {"people": 13}


@given(st.lists(st.tuples(marks, marks), min_size=2, max_size=40))
def test_quadratic_kappa_is_that_of_scikit_learn(pairs):
    human, judge = zip(*pairs, strict=True)
    ours = measured("kappa", human, judge, n_resamples=2)
    if len({*human, *judge}) == 1:
        assert np.isnan(ours.value)
    else:
        theirs = cohen_kappa_score(human, judge, labels=range(1, 6), weights="quadratic")
        assert ours.value == pytest.approx(theirs, abs=1e-12)


def test_alpha_is_that_of_a_worked_example():
    # Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability": two observers, binary data, ten units: 0.095.
    first, second = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert round(measured("alpha", first, second, n_resamples=2).value, 3) == 0.095


def test_intervals_cover_the_truth_as_often_as_they_say():
    rng, truth, covered, rounds = np.random.default_rng(0), 0.6, 0, 30
    for seed in range(rounds):
        human = rng.normal(size=80)
        judge = truth * human + np.sqrt(1 - truth**2) * rng.normal(size=80)
        low, high = measured("pearson", human.tolist(), judge.tolist(), n_resamples=80, seed=seed).interval
        covered += low <= truth <= high
    assert covered >= 0.85 * rounds


def test_people_are_drawn_whole_where_they_are_known():
    # Each person gives one score again and again: twelve scores say no more than three.
    human, judge, people = [1] * 4 + [3] * 4 + [5] * 4, [2] * 4 + [3] * 4 + [3] * 4, [1] * 4 + [2] * 4 + [3] * 4
    by_person = measured("rmse", human, judge, raters=people).interval
    by_item = measured("rmse", human, judge).interval
    assert by_person[1] - by_person[0] > 1.5 * (by_item[1] - by_item[0])


def test_scores_that_do_not_vary_leave_correlations_undefined_and_not_the_rest(tmp_path):
    table = tmp_path / "scores.csv"
    table.write_text("item,human,judge\na,3,4\nb,3,4\nc,3,4\n")
    found = audit("--scores", str(table))
    assert found["rmse"] == {"value": 1.0, "interval": [1.0, 1.0]}
    assert found["pearson"] == {"value": None, "interval": None}
    assert found["kappa"]["value"] == 0


def test_a_table_is_printed_with_all_measures(tmp_path):
    table = tmp_path / "scores.jsonl"
    table.write_text('{"item": "a", "human": 1, "judge": 1.5}\n{"item": "b", "human": 4, "judge": 3.5}\n')
    printed = CliRunner().invoke(app, ["audit", "--scores", str(table)], catch_exceptions=False).stdout
    assert "2 pairs of scores of 2 items" in printed
    assert "Kendall τ" in printed
    assert "not on one discrete scale" in printed


def test_the_same_table_in_three_forms_reads_alike(tmp_path):
    rows = [("a", 1, 2, "x"), ("b", 3, 3, "y"), ("c", 5, 4, "x")]
    names = ("item", "human", "judge", "rater")
    texts = {
        "csv": "\ufeff" + "\r\n".join(",".join(map(str, row)) for row in (names, *rows)),
        "tsv": "\n".join("\t".join(map(str, row)) for row in (names, *rows)),
        "jsonl": "\n".join(json.dumps(dict(zip(names, row, strict=True))) for row in rows),
    }
    for form, text in texts.items():
        (tmp_path / form).write_text(text, encoding="utf-8")
    found = [read_scores(tmp_path / form) for form in texts]
    assert found[0] == found[1] == found[2]
    assert (found[0].human, found[0].raters) == ([1, 3, 5], ["x", "y", "x"])


def test_a_table_is_read_as_other_programs_write_it(tmp_path):
    rows = [{"item": "a", "human": 1, "judge": 2}, {"item": "b", "human": 3, "judge": 3}]
    written = {
        "semicolons": b"item;human;judge\na;1;2\nb;3;3\n",
        "utf-16": "item\thuman\tjudge\na\t1\t2\nb\t3\t3\n".encode("utf-16"),
        "capitals": b"\n Item , Human,Judge\ra,1,2\rb,3,3\r",
        "list.json": json.dumps(rows, indent=1).encode(),
        "lines.jsonl.gz": gzip.compress("\n".join(map(json.dumps, rows)).encode()),
    }
    for name, content in written.items():
        (tmp_path / name).write_bytes(content)
        read = read_scores(tmp_path / name)
        assert (name, read.items, read.human, read.judge) == (name, ["a", "b"], [1, 3], [2, 3])


def test_resamples_are_fewer_where_pairs_are_many(monkeypatch):
    drawn: list[int] = []

    def resamples(of: Any, number: int, seed: int) -> Any:
        drawn.append(number)
        yield of

    monkeypatch.setattr("aloe_hub.audit.measured.resamples", resamples)
    for pairs in (200, 40_000, 400_000):
        agreement((np.arange(pairs) % 2 + 0.5).tolist(), (np.arange(pairs) % 3).tolist())
    assert list(dict.fromkeys(drawn)) == [1000, 500, 100]


def test_lines_without_a_score_are_left_out_and_counted(tmp_path):
    table = tmp_path / "scores.csv"
    table.write_text("human,judge\n1,2\n,3\n4,nan\n5,5\n")
    read = read_scores(table)
    assert (read.human, read.judge, read.missing) == ([1, 5], [2, 5], 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: 0 columns named 'human'"),
        ("human,model\n1,2\n", "line 1: 0 columns named 'judge' among ['human', 'model']"),
        ("human,human,judge\n1,1,2\n", "line 1: 2 columns named 'human'"),
        ("human,judge\n1,2\n3,good\n", "line 3: judge 'good' is not a number"),
        ("human,judge\n1,2\n3,inf\n", "line 3: judge 'inf' is not a finite number"),
        ("human,judge\n1,2\n3\n", "line 3: 1 cells, the header has 2"),
        ("human,judge\n1,2\n", "1 line(s) with both scores"),
        ('{"human": 1}\n', "line 1: has no 'judge'"),
        ("human;judge\n4,5;2\n", "line 2: human '4,5' is not a number; write it with a decimal point"),
        ("human,judge\n1,1e200\n", "line 2: judge '1e200' is not a finite number that can be squared"),
        ("human,judge\n1,\n", "0 line(s) with both scores, 1 without"),
        ('[\n["a", 1, 2]]', 'line 2: expected an object in the list, found ["a", 1, 2]'),
        ('{"item": [1], "human": 1, "judge": 2}\n', "line 1: item [1] is neither text nor a number"),
        ('{"human": true, "judge": 2}\n', "line 1: human True is not a number"),
        ("item,human,judge\na,1,2\n,3,4\n", "line 3: some lines have 'item', others do not"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_its_place(tmp_path, text, said):
    table = tmp_path / "scores"
    table.write_text(text)
    with pytest.raises(DataError) as error:
        read_scores(table)
    assert said in str(error.value)


def test_every_measure_is_there_for_discrete_scores():
    found = agreement([1, 2, 3, 5], [1, 2, 4, 4], n_resamples=50)
    assert [name for name in AGREEMENT if found.measures[name] is not None] == list(AGREEMENT)
