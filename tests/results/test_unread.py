"""What is said once everything is written, where a judge could not be read."""

import pytest

from aloe_hub.chat.scripted import Scripted
from aloe_hub.errors import AloeError
from aloe_hub.report import print_report, read_runs, to_json, write_html
from aloe_hub.results.trees import no_verdict
from aloe_hub.results.unread import UnreadVerdicts, check_scores
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.stages.training_rows import write_training_rows
from aloe_hub.stages.trees import TreeSettings, grow_all, models_by_role
from aloe_hub.types import Verdict
from tests.fakes import Saying, opening

PLAIN = "scripted:plain"


class Mumbling:
    """The scripted world, whose judge cannot be read for every conversation in which `unread(request)`."""

    def __init__(self, unread):
        self.unread = unread
        self.mumbles = Saying(lambda request: "Hard to say [really].")

    async def complete(self, request):
        mumbles = request.role == "judge" and self.unread(request)
        return await (self.mumbles if mumbles else Scripted()).complete(request)


def judged(run, unread):
    traffic = opening(lambda model: Mumbling(unread) if model == "scripted" else Scripted("plain"))
    assert evaluate_all(run, [PLAIN], BenchmarkSettings(turns=2), traffic=traffic) == 0


def of_first(run):
    persona = run.personas("test")[0]
    return lambda request: persona.profile in request.messages[0].content and persona.personality in request.messages[0].content


def test_a_benchmark_of_which_more_than_a_tenth_is_unread_is_an_error_that_quotes_an_answer(run):
    judged(run, of_first(run))
    said = r"2 of 8 scores of scripted:plain are missing.*'Hard to say \[really\]\.'.*--structured"
    with pytest.raises(AloeError, match=said) as caught:
        check_scores(run, [PLAIN])
    assert caught.type is AloeError  # no file is at fault


def test_a_benchmark_that_was_read_is_fine(run):
    judged(run, lambda request: False)
    check_scores(run, [PLAIN])


def test_the_report_gives_the_bounds_of_avg_if_all_that_is_missing_were_1_or_5(run, tmp_path):
    import json
    from io import StringIO

    from rich.console import Console

    judged(run, of_first(run))
    report = read_runs([run.path])
    (policy,) = report.runs[0].policies
    given = policy.scores.avg * 6  # two turns of three conversations: as many scores in either turn
    assert policy.avg_bounds is not None
    low, high = policy.avg_bounds
    assert (low, high) == pytest.approx(((given + 2) / 8, (given + 10) / 8))
    assert json.loads(to_json(report))["runs"][0]["policies"][0]["avg_bounds"] == pytest.approx([low, high])
    said = StringIO()
    print_report(report, Console(file=said, width=200))
    assert f"2 scores are missing; AVG is {low:.2f} if all of them were 1, {high:.2f} if 5" in said.getvalue()
    write_html(report, tmp_path / "page.html")
    assert f"2<small>AVG {low:.2f} to {high:.2f}</small>" in (tmp_path / "page.html").read_text()


def test_without_a_missing_score_there_are_no_bounds(run):
    judged(run, lambda request: False)
    assert read_runs([run.path]).runs[0].policies[0].avg_bounds is None


def test_trees_of_which_more_than_a_tenth_of_the_forks_have_no_verdict_are_an_error_that_quotes_an_answer(run):
    settings = TreeSettings(models_by_role({}, None), turns=2, limit=2)
    traffic = opening(lambda model: Mumbling(lambda request: True))
    assert grow_all(run, settings, traffic=traffic).finished
    verdicts = UnreadVerdicts()
    write_training_rows(run, verdicts.add)
    with pytest.raises(AloeError, match=r"4 of 4 forks are missing.*'Hard to say \[really\]\.'.*--judge") as caught:
        verdicts.check()
    assert caught.type is AloeError
    trees = read_runs([run.path]).runs[0].trees
    assert trees is not None
    assert trees.count("no verdict") == 4


def test_an_answer_that_was_cut_off_after_a_verdict_is_no_tie():
    """Its text can be read as a verdict, but it is not the whole answer: no reply was chosen."""
    assert no_verdict(Verdict("01", None, "Verdict: 1\nBecause the"))
    assert not no_verdict(Verdict("01", None, "Verdict: tie"))
    assert not no_verdict(Verdict("01", None, ""))
