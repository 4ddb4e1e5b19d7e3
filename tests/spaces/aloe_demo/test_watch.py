"""A simulated user with both models: as the benchmark has it, but turn by turn."""

import asyncio

from library import made_personas
from session import until
from watch import Watch, watched

from aloe_hub import scoring
from aloe_hub.errors import ParseError
from tests.spaces.aloe_demo.fake_models import Failing, Slow, Whole, fake_models

PERSONA = made_personas(1)[0]


def seen(among, turns=4):
    async def all_of_it():
        return [watch async for watch in watched(Watch.begun(PERSONA, among, turns), among, 0.0)]

    return asyncio.run(all_of_it())


def test_the_curves_grow_and_end_as_the_metric_computes_them():
    watches = seen(fake_models())
    lengths = [tuple(len(side.steps) for side in watch.sides) for watch in watches]
    assert lengths[0] == (0, 0)
    assert lengths[-1] == (4, 4)
    assert lengths == sorted(lengths)
    for side in watches[-1].sides:
        assert repr(side.numbers) == repr(
            scoring.score([[step.score for step in side.steps]], n_resamples=0).to_dict()
        )  # NaN is not itself
        assert (side.doing, side.problem, side.numbers["missing"]) == ("", "", 0)
        assert len(side.inferred) == 4
    plain, tailored = (side.numbers["al"][-1] for side in watches[-1].sides)
    assert tailored > plain


def test_both_models_meet_the_same_user_as_far_as_they_let_them():
    first, second = seen(fake_models())[-1].sides
    assert first.steps[0].user == second.steps[0].user


def test_a_judge_that_fails_leaves_a_missing_score_and_the_conversation_goes_on():
    for judge in (None, Failing(), Whole(lambda _: "lovely")):
        for side in seen(fake_models(judge=judge))[-1].sides:
            assert [step.score for step in side.steps] == [None] * 4
            assert all(step.judgement.startswith("the judge ") for step in side.steps)
            assert side.numbers["missing"] == 4


def test_a_model_that_fails_ends_its_own_conversation_with_the_reason():
    first, second = seen(fake_models(aligned=Failing(ParseError("message", " "))))[-1].sides
    assert len(first.steps) == 4
    assert second.steps == ()
    assert second.problem.startswith("the aligned model failed")
    for side in seen(fake_models(user=None))[-1].sides:
        assert side.problem == "the simulated user is not there: user: no such model"


def test_an_inferrer_that_fails_costs_no_score():
    for side in seen(fake_models(inferrer=Failing()))[-1].sides:
        assert side.inferred == (None,) * 4
        assert side.numbers["missing"] == 0


def test_a_stopped_watch_keeps_its_turns():
    async def stopped():
        stop, among = asyncio.Event(), fake_models(user=Slow(seconds=0.005))
        begun = Watch.begun(PERSONA, among, 50)
        async for watch in until(stop, watched(begun, among, 0.0)):
            if len(watch.sides[0].steps) >= 2:
                stop.set()
        return watch.stopped()

    watch = asyncio.run(stopped())
    assert {side.problem for side in watch.sides} == {"stopped here"}
    assert {side.doing for side in watch.sides} == {""}
    assert 2 <= len(watch.sides[0].steps) < 50
