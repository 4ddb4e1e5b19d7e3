"""Whose rubric is whose: what each asks for, and on which scale."""

import pytest

from aloe_hub import prompts
from aloe_hub.errors import UsageError
from aloe_hub.rubrics import FIVE, HOLDS, RUBRICS, as_shown, of_run, rubric, shown


def test_an_unknown_rubric_is_named_with_those_there_are():
    with pytest.raises(UsageError, match=r"--rubric 'helm': no such rubric; known: aloe-hub, aloe, rlpa"):
        rubric("helm")


@pytest.mark.parametrize("by", RUBRICS.values(), ids=RUBRICS)
def test_the_prompt_asks_for_every_line_that_is_read(by):
    form = prompts.load(by.prompt).template.rpartition("\n\n")[2]
    for criterion in by.criteria:
        assert f"\n{criterion.name.capitalize()}: {'y' if criterion.scale == HOLDS else 'x'}\n" in form
    assert ("\nScore: x\n" in form) == (not by.follows)
    assert ("whole number" in form) == by.whole


def test_the_authors_judge_sees_no_history():
    assert "conversation" not in prompts.load(rubric("aloe").prompt).fields


def test_what_holds_is_shown_as_a_percentage_and_a_score_of_five_as_it_is():
    assert (shown(HOLDS), as_shown([0, None, 1], HOLDS, "score")) == ((0, 100), [0, None, 100])
    assert (shown(FIVE), as_shown([1, 4.5], FIVE, "score")) == (FIVE, [1, 4.5])
    with pytest.raises(ValueError, match="score is 5, and not from 0 to 1"):
        as_shown([1, 5], HOLDS, "score")


def test_a_run_that_began_without_a_choice_ends_with_the_prompt_it_began_with():
    assert of_run("aloe-hub", None) == of_run("aloe-hub", {"rubric": "aloe-hub"}) == rubric("aloe-hub")
    before = of_run("aloe-hub", {"turns": 3})
    assert (before.name, before.prompt, before.criteria) == ("aloe-hub", "benchmark_judge_0_1", ())
