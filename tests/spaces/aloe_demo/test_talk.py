"""Two models answer one conversation: what grows, what goes on, what fails alone."""

import asyncio
import json

import pytest
from known import EXAMPLES
from models import Models
from safe import MOST_SHOWN
from talk import Talk, answered
from used import slips, uses

from aloe_hub.errors import UsageError
from aloe_hub.hub.demo_settings import DemoSettings
from tests.spaces.aloe_demo.fake_models import SAMPLING, Failing, Slow, Speaking, Whole, fake_models, last, said


def test_both_models_get_the_same_messages_and_the_inferrer_the_users_own():
    base, aligned, inferrer = (
        Whole(lambda _: "from base"),
        Whole(lambda _: "from aligned"),
        Whole(lambda _: "Profile: They sing.\nPersonality: unknown"),
    )
    talk = said(Talk(), "I sing.", "What now?", among=fake_models(base=base, aligned=aligned, inferrer=inferrer))
    spoken = [("user", "I sing."), ("assistant", "from aligned"), ("user", "What now?")]
    for chat in (base, aligned):
        assert [(message.role, message.content) for message in chat.requests[-1].messages] == spoken
    assert base.requests[-1].seed == aligned.requests[-1].seed
    assert "from" not in inferrer.requests[-1].messages[0].content
    assert [turn.inferred.profile for turn in talk.turns] == ["They sing."] * 2
    assert talk.turns[-1].done


def test_the_conversation_goes_on_from_the_reply_that_was_picked():
    among = fake_models(base=Whole(lambda _: "from base"), aligned=Whole(lambda _: "from aligned"))
    talk = said(Talk(), "one", among=among).picked(0)
    talk = said(talk, "two", among=among)
    assert [message.content for message in talk.messages] == ["one", "from base", "two", "from aligned"]
    assert [message.content for message in talk.picked(0).messages] == ["one", "from base", "two", "from base"]
    assert [message.content for message in talk.undone().messages] == ["one", "from base"]


def test_another_try_has_another_seed():
    chat = Whole(lambda request: str(request.seed))
    talk = said(Talk(), "one", among=fake_models(aligned=chat))
    again = said(talk.undone(), "one", among=fake_models(aligned=chat), tries=1)
    assert again.turns[0].said[1].text != talk.turns[0].said[1].text
    assert again.turns[0].tries == 1


def test_replies_grow_as_they_are_said_and_whoever_is_ready_does_not_wait():
    async def watched():
        slow = Speaking(("Hel", "lo"))
        talks = answered(Talk(), "hi", fake_models(base=slow, aligned=Whole(lambda _: "whole")), SAMPLING, 30, asyncio.Event())
        seen = []
        async for talk in talks:
            first, second = talk.turns[-1].said
            seen.append((first.text, first.done, second.text, second.done))
            if second.done:
                slow.go.release()
        return seen

    seen = asyncio.run(watched())
    assert seen[0] == ("", False, "", False)
    assert ("", False, "whole", True) in seen
    assert ("Hel", False, "whole", True) in seen
    assert seen[-1] == ("Hello", True, "whole", True)


def test_a_stop_ends_what_is_being_generated_and_keeps_what_there_is():
    async def stopped():
        slow, stop = Speaking(("Hel", "lo")), asyncio.Event()
        slow.go.release()
        among = fake_models(base=slow, aligned=Whole(lambda _: "whole"))
        talk = Talk()
        async for talk in answered(Talk(), "hi", among, SAMPLING, 30, stop):
            if talk.turns[-1].said[0].text:
                stop.set()
        return talk.stopped(), slow

    talk, slow = asyncio.run(stopped())
    assert slow.ended == 1
    assert talk.turns[-1].done
    assert (talk.turns[-1].said[0].text, talk.turns[-1].said[0].broken) == ("Hel", "stopped")
    assert [message.content for message in talk.messages] == ["hi", "whole"]


@pytest.mark.parametrize("aligned", [None, Failing(), Failing(RuntimeError("CUDA error")), Whole(lambda _: "  ")])
def test_a_model_that_is_missing_or_fails_says_why_and_the_other_one_answers(aligned):
    talk = said(Talk(), "one", "two", among=fake_models(aligned=aligned, base=Whole(lambda _: "from base")))
    first, second = talk.turns[-1].said
    assert (first.text, first.problem) == ("from base", "")
    assert second.done
    assert second.problem.startswith("the aligned model ")
    assert [message.content for message in talk.messages] == ["one", "from base", "two", "from base"]


def test_an_inferrer_that_fails_says_why_and_both_models_answer():
    for inferrer in (None, Failing(), Whole(lambda _: "I would rather not say")):
        turn = said(Talk(), "one", among=fake_models(inferrer=inferrer)).turns[0]
        assert turn.inferred is None
        assert turn.puzzled.startswith("the inferrer ")
        assert all(said.text for said in turn.said)


def test_a_message_that_nobody_answered_is_not_sent_again():
    among = fake_models(base=None, aligned=None)
    talk = said(Talk(), "one", among=among)
    assert talk.messages == ()
    assert said(talk, "two").messages[0].content == "two"


def test_a_reply_without_end_is_cut():
    talk = said(Talk(), "one", among=fake_models(aligned=Whole(lambda _: "".join(map(str, range(5000))))))
    assert len(talk.turns[0].said[1].text) == MOST_SHOWN
    assert talk.turns[0].said[1].broken == "as long as a reply may be"


def test_the_pocket_model_answers_the_examples_in_order_without_a_slip_and_uses_what_it_was_told():
    talk = said(Talk(), *EXAMPLES, among=Models.of(DemoSettings()))
    inferred = tuple(turn.inferred for turn in talk.turns)
    for count, turn in enumerate(talk.turns, 1):
        assert not any(slips(one.text) or one.broken or one.problem for one in turn.said)
        assert any(use.turn for use in uses(turn.said[1].text, inferred[:count]))


def test_a_full_conversation_takes_no_more():
    with pytest.raises(UsageError, match="this conversation has 2 messages"):
        asyncio.run(last(answered(said(Talk(), "one", "two"), "three", fake_models(), SAMPLING, 2, asyncio.Event())))


def test_a_talk_that_a_browser_kept_goes_on_and_anything_else_is_empty():
    talk = said(Talk(), "I have a cat. Any dinner ideas?", "And now?")
    assert Talk.from_row(json.loads(json.dumps(talk.to_row())), 30) == talk
    assert len(Talk.from_row(talk.to_row(), 1).turns) == 1
    row = talk.to_row()
    odd = [
        None,
        3,
        "x",
        {},
        {"turns": 3, "id": ""},
        row | {"turns": [{"user": 3}]},
        row | {"turns": [row["turns"][0] | {"said": []}]},
    ]
    assert all(Talk.from_row(one, 30).turns == () for one in odd)
    long = row["turns"][0] | {"user": "x" * 10**6}
    assert len(Talk.from_row(row | {"turns": [long]}, 30).turns[0].user) == MOST_SHOWN


def test_a_model_that_is_shown_the_notes_gets_them_and_the_other_does_not():
    base, aligned = Whole(lambda _: "from base"), Whole(lambda _: "from aligned")
    among = fake_models(base=base, aligned=aligned, inferrer=Whole(lambda _: "Profile: They sing.\nPersonality: unknown"))
    for noted in (False, True):
        asyncio.run(last(answered(Talk(), "hello", among, SAMPLING, 30, asyncio.Event(), noted=noted)))
        assert ["They sing." in chat.requests[-1].messages[-1].content for chat in (base, aligned)] == [False, noted]


@pytest.mark.parametrize("streams", [False, True])
def test_a_reply_that_says_the_same_again_and_again_is_stopped_and_shown_once(streams):
    pieces = ("Welcome to Lisbon. ", *["I am so glad you are here. "] * 9)
    whole = Whole(lambda _: "".join(pieces))
    model = Slow(whole, 0.001) if streams else whole
    (turn,) = said(Talk(), "Hello.", among=fake_models(base=model)).turns
    assert turn.said[0].text.strip() == "Welcome to Lisbon. I am so glad you are here."
    assert (turn.said[0].done, turn.said[0].broken, turn.said[0].problem) == (True, "it says the same again and again", "")
    assert not turn.said[1].broken
