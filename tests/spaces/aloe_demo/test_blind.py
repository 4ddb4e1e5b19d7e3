"""Blind votes: who stands first is a coin's doing, a row holds no id, the judge is asked in both orders."""

import asyncio
from collections import Counter

import pytest
from blind import Order, judged, vote_row
from talk import Said, Talk, Turn

from aloe_hub import prompts
from aloe_hub.types import Persona
from tests.spaces.aloe_demo.fake_models import Failing, Whole, fake_models

TALK = Talk(
    (
        Turn("hello", (Said("base one", True), Said("aligned one", True)), picked=0, inferred=Persona("", "")),
        Turn("more", (Said("base two", True), Said("aligned two", True)), inferred=Persona("They sing.", "")),
    )
)


def test_the_coin_puts_each_model_first_about_as_often():
    counted = Counter(Order.drawn().first for _ in range(400))
    assert min(counted.values()) > 130
    assert [Order(1).side(0), Order(1).side(1), Order(0).side(0), Order(0).side(1)] == [1, 0, 0, 1]


@pytest.mark.parametrize(("chosen", "names"), [(0, ("base two", "aligned two")), (1, ("aligned two", "base two"))])
def test_a_row_has_the_columns_of_pairs_without_ids_and_the_path_that_was_continued(chosen, names):
    row = vote_row(TALK, chosen)
    assert list(row) == ["turn", "prompt", "chosen", "rejected"]
    assert [message["content"] for message in row["prompt"]] == ["hello", "base one", "more"]
    assert (row["turn"], row["chosen"][0]["content"], row["rejected"][0]["content"]) == (1, *names)


def test_the_judge_is_asked_in_both_orders_about_whom_the_inferrer_understood():
    def prefers_aligned(request):
        sections = prompts.sections(request.messages[0].content)
        assert sections["PROFILE"] == "They sing."
        return f"Verdict: {1 if sections['REPLY 1'] == 'aligned two' else 2}"

    judge = Whole(prefers_aligned)
    assert asyncio.run(judged(TALK, 1, fake_models(judge=judge))) == ("agrees", "")
    assert asyncio.run(judged(TALK, 0, fake_models(judge=judge))) == ("differs", "")
    assert len(judge.requests) == 4


def test_a_judge_that_always_takes_the_first_has_no_preference_and_one_that_fails_is_unread():
    assert asyncio.run(judged(TALK, 1, fake_models(judge=Whole(lambda _: "Verdict: 1")))) == ("no preference", "")
    agreement, why = asyncio.run(judged(TALK, 1, fake_models(judge=Failing())))
    assert (agreement, why.startswith("the judge failed: http")) == ("unread", True)


def test_a_judge_whose_verdict_cannot_be_read_is_unread_and_not_without_a_preference():
    assert asyncio.run(judged(TALK, 1, fake_models(judge=Whole(lambda _: "Both have their charm.")))) == ("unread", "")


def test_a_judge_that_says_a_tie_has_no_preference():
    assert asyncio.run(judged(TALK, 1, fake_models(judge=Whole(lambda _: "Verdict: tie")))) == ("no preference", "")
