"""What a judge says by each rubric: the score is read or refused, a criterion is read or missing, and neither is ever a guess."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.errors import ParseError
from aloe_hub.parsing import Judged, judged, score
from aloe_hub.rubrics import HOLDS, RUBRICS, rubric
from tests.test_parsing import ANSWERS

OURS, AUTHORS, RLPA = (rubric(name) for name in ("aloe-hub", "aloe", "rlpa"))
ANSWER = "It suits her.\nStyle: 4\nContent: 3.5\nQuality: 5\nOverreach: no\nScore: 4.2"
READ = Judged(4.2, {"style": 4, "content": 3.5, "quality": 5, "overreach": 0})
HELD = dict.fromkeys((criterion.name for criterion in RLPA.criteria), 1.0)


def lines(**values):
    return "\n".join(f"{name.capitalize()}: {value}" for name, value in values.items())


@pytest.mark.parametrize(
    "text",
    [
        ANSWER,
        "Good.\n\n**Style:** 4/5\n**Content:** 3.5/5\n**Quality:** 5/5\n**Overreach:** No\n**Score:** 4.2/5",
        "- Style: 4 (warm, as she likes it)\n- Content: 3.5 – a fact of hers\n- Quality: 5.\n- Overreach: no.\n\n### Score: 4.2",
        "<think>Style: 1\nScore: 1</think>" + ANSWER,
        'Here:\n```json\n{"style": 4, "content": 3.5, "quality": 5, "overreach": false, "score": 4.2}\n```',
        "STYLE: 4\nCONTENT: 3.5\nQUALITY: 5\nOVERREACH: FALSE\nSCORE: 4.2",
        "Style score: 4\nContent rating: 3,5\nQuality (1-5): 5\nOverreach: 0\nFinal score: 4.2",
    ],
)
def test_the_lines_are_read_in_any_typography(text):
    assert judged(text, OURS) == READ


@pytest.mark.parametrize(
    "line",
    [
        "",
        "Style: warm",
        "Style: 6",
        "Style: 0.5",
        "Style: 3 or 4",
        "Style: 3\nStyle: 4",
        "Style: 3-4",
        "> Style: 3",
        "| Style: 3",
        "Style fits.",
    ],
)
def test_a_criterion_that_cannot_be_read_is_missing_and_costs_no_score(line):
    found = judged(ANSWER.replace("Style: 4", line), OURS)
    assert found == Judged(4.2, {**READ.criteria, "style": None})


@pytest.mark.parametrize("line", ["yes or no", "yes | no", "yes/no", "y", "somewhat", "2", "none", "no, rather yes"])
def test_an_answer_that_is_neither_yes_nor_no_is_missing(line):
    assert judged(ANSWER.replace("Overreach: no", f"Overreach: {line}"), OURS).criteria["overreach"] is None


def test_an_answer_without_a_score_is_no_answer_whatever_the_criteria_say():
    with pytest.raises(ParseError, match="no score from 1 to 5"):
        judged(ANSWER.replace("Score: 4.2", ""), OURS)


def test_the_authors_score_is_a_whole_number():
    assert judged("Score: 4", AUTHORS) == Judged(4, {})
    assert judged("Score: 4.0", AUTHORS) == Judged(4, {})
    with pytest.raises(ParseError, match="whole score from 1 to 5"):
        judged("Score: 4.5", AUTHORS)
    with pytest.raises(ParseError, match="no score from 1 to 5"):
        judged("Score: 4,5 or so, say 4", AUTHORS)


def test_rlpas_score_is_1_where_all_criteria_hold_and_0_where_one_fails():
    assert judged(f"Fine.\n{lines(**dict.fromkeys(HELD, 'yes'))}", RLPA) == Judged(1, HELD)
    for name in HELD:
        answers = dict.fromkeys(HELD, "yes") | {name: "no"}
        assert judged(lines(**answers), RLPA) == Judged(0, HELD | {name: 0})


def test_one_that_fails_decides_and_what_is_unread_never_holds():
    answers = dict.fromkeys(HELD, "yes") | {"logic": "perhaps"}
    with pytest.raises(ParseError, match="no yes or no for logic"):
        judged(lines(**answers), RLPA)
    assert judged(lines(**answers | {"engagement": "no"}), RLPA) == Judged(0, HELD | {"logic": None, "engagement": 0})


def test_a_score_that_rlpas_judge_was_not_asked_for_moves_nothing():
    assert judged(f"{lines(**dict.fromkeys(HELD, 'no'))}\nScore: 1", RLPA).score == 0


@pytest.mark.parametrize("by", RUBRICS.values(), ids=RUBRICS)
@given(text=ANSWERS)
def test_whatever_is_read_lies_on_the_scale_of_its_rubric(by, text):
    with suppress(ParseError):
        found = judged(text, by)
        assert by.scale[0] <= found.score <= by.scale[1]
        assert list(found.criteria) == [criterion.name for criterion in by.criteria]
        for criterion in by.criteria:
            value = found.criteria[criterion.name]
            assert value is None or criterion.scale[0] <= value <= criterion.scale[1]


@given(before=ANSWERS, value=st.floats(1, 5).map(lambda value: round(value, 2)), holds=st.booleans(), behind=ANSWERS)
def test_whatever_surrounds_the_lines_each_is_read_or_missing_and_never_another(before, value, holds, behind):
    text = f"{before}\nStyle: {value}\nOverreach: {'yes' if holds else 'no'}\nScore: {value}\n{behind}"
    with suppress(ParseError):
        found = judged(text, OURS)
        assert found.score == score(text) == value
        assert found.criteria["style"] in (None, value)
        assert found.criteria["overreach"] in (None, holds)


@given(answers=st.fixed_dictionaries(dict.fromkeys(HELD, st.sampled_from(["yes", "no"]))), around=ANSWERS)
def test_rlpas_score_is_that_of_its_lines_or_none(answers, around):
    with suppress(ParseError):
        assert judged(f"{around}\n{lines(**answers)}", RLPA).score == float("no" not in answers.values())
    assert judged(lines(**answers), RLPA).score == float("no" not in answers.values())


def test_what_holds_or_does_not_is_on_the_scale_0_to_1():
    assert {criterion.scale for criterion in RLPA.criteria} == {RLPA.scale} == {HOLDS}
