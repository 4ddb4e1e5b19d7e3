"""A simulated user with both models: as the benchmark has it, but turn by turn."""

import asyncio
import json

from library import made_personas
from watch import Watch, watched

from aloe_hub import scoring
from aloe_hub.errors import ParseError
from tests.spaces.aloe_demo.fake_models import Failing, Slow, Whole, fake_models

PERSONA = made_personas(1)[0]


def seen(among, turns=4):
    async def all_of_it():
        return [watch async for watch in watched(Watch(PERSONA, turns), among, 0.0, asyncio.Event())]

    return asyncio.run(all_of_it())


def answers(watch, side):
    return [step.answers[side] for step in watch.steps]


def test_the_curves_grow_and_end_as_the_metric_computes_them():
    watches = seen(fake_models())
    lengths = [len(watch.steps) for watch in watches]
    assert (lengths[0], lengths[-1]) == (0, 4)
    assert lengths == sorted(lengths)
    last = watches[-1]
    assert (last.doing, last.problems, len([step.inferred for step in last.steps])) == ("", ("", ""), 4)
    for side in (0, 1):
        numbers = last.numbers(side)
        assert repr(numbers) == repr(scoring.score([last.scores(side)], n_resamples=0).to_dict())  # NaN is not itself
        assert numbers["missing"] == 0
    plain, tailored = (last.scores(side)[-1] for side in (0, 1))
    assert tailored > plain


def test_both_models_are_asked_the_same_and_each_after_its_own_replies():
    base, aligned = (
        Whole(lambda request: f"base {len(request.messages)}"),
        Whole(lambda request: f"aligned {len(request.messages)}"),
    )
    watch = seen(fake_models(base=base, aligned=aligned), turns=3)[-1]
    for side, chat, name in ((0, base, "base"), (1, aligned, "aligned")):
        said = [message.content for message in chat.requests[-1].messages]
        assert said[::2] == [step.user for step in watch.steps]
        assert said[1::2] == [f"{name} 1", f"{name} 3"]
        assert [answer.text for answer in answers(watch, side)][:2] == said[1::2]


def test_a_judge_that_fails_leaves_a_missing_score_and_the_conversation_goes_on():
    for judge in (None, Failing(), Whole(lambda _: "lovely")):
        watch = seen(fake_models(judge=judge))[-1]
        for side in (0, 1):
            assert watch.scores(side) == [None] * 4
            assert all(answer.judgement.startswith("the judge ") for answer in answers(watch, side))
            assert watch.numbers(side)["missing"] == 4


def test_a_model_that_fails_ends_its_own_conversation_with_the_reason():
    watch = seen(fake_models(aligned=Failing(ParseError("message", " "))))[-1]
    assert (len(watch.scores(0)), watch.scores(1)) == (4, [])
    assert watch.problems[1].startswith("the aligned model failed")
    other = seen(fake_models(base=Failing()))[-1]
    assert ([len(other.scores(side)) for side in (0, 1)], other.problems[1]) == ([0, 4], "")
    alone = seen(fake_models(user=None))[-1]
    assert alone.problems == ("the simulated user is not there: user: no such model",) * 2


def test_replies_are_seen_while_they_grow_and_only_whole_ones_are_scored(monkeypatch):
    monkeypatch.setattr("session.REDRAW", 0)
    base = Slow(Whole(lambda _: "one two three"), 0.001)
    grown = [answer for watch in seen(fake_models(base=base), turns=1) for answer in answers(watch, 0) if answer]
    growing = list(dict.fromkeys(answer.text for answer in grown if not answer.done))  # the other model has news, too
    assert growing[:2] == ["one ", "one two "]
    assert not any(answer.judgement for answer in grown if not answer.done)
    assert (grown[-1].text, grown[-1].done) == ("one two three", True)


def test_an_inferrer_that_fails_costs_no_score():
    watch = seen(fake_models(inferrer=Failing()))[-1]
    assert [step.inferred for step in watch.steps] == [None] * 4
    assert [watch.numbers(side)["missing"] for side in (0, 1)] == [0, 0]


def test_a_stopped_watch_keeps_its_turns():
    async def stopped():
        stop, among = asyncio.Event(), fake_models(user=Slow(seconds=0.005))
        async for watch in watched(Watch(PERSONA, 50), among, 0.0, stop):
            if len(watch.steps) >= 2:
                stop.set()
        return watch.stopped()

    watch = asyncio.run(stopped())
    assert (watch.problems, watch.doing) == (("stopped here",) * 2, "")
    assert 2 <= len(watch.steps) < 50


def test_a_watch_that_was_written_is_the_watch_that_is_read():
    for watch in seen(fake_models(aligned=Failing()), turns=2):
        assert Watch.from_row(json.loads(json.dumps(watch.to_row()))) == watch
