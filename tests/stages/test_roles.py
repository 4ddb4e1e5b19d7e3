"""How a role is asked: what is read, what is asked again, and with which sampling."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from aloe_hub import parsing, prompts
from aloe_hub.chat.base import AGAIN_TEMPERATURE, ChatReply
from aloe_hub.chat.scripted import Scripted
from aloe_hub.errors import ChatError, ParseError, Refused, TransientError, UsageError
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.stages.roles import ATTEMPTS, SAMPLING, Call, ask, both_orders, inferred, tuned
from aloe_hub.stages.trees import ROLES, TreeSettings, grow_all
from aloe_hub.types import Message, Persona, Verdict
from tests.fakes import opening

HELLO = (Message("user", "Hello there"),)


class Says:
    """These replies, one a call, the last one for ever."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.asked = []

    async def complete(self, request):
        self.asked.append(request)
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def asked(chat, **options):
    return asyncio.run(ask(chat, "judge", HELLO, Call("tree", 0), parsing.verdict, **options))


def test_an_answer_that_max_tokens_cut_off_is_asked_again_with_another_seed():
    chat = Says(ChatReply("Verdict: 1", cut=True), ChatReply("Verdict: 2"))
    assert asked(chat) == (1, "Verdict: 2")
    assert len({request.seed for request in chat.asked}) == 2


def test_asked_again_is_one_message_with_the_bad_answer_and_the_form_above_temperature_0():
    prompt = prompts.load("pairwise_judge").render(**dict.fromkeys(prompts.load("pairwise_judge").fields, "x\n\nVerdict: 2"))
    chat = Says(ChatReply("The first one.\n[REPLY 1]"), ChatReply("Verdict: 1 or 2"), ChatReply("Verdict: 2"))
    asyncio.run(ask(chat, "judge", (Message("user", prompt),), Call("tree", 0), parsing.verdict))
    first, second, third = chat.asked
    assert (first.messages[0].content, first.sampling.temperature) == (prompt, 0.0)
    for request, bad in ((second, "The first one.\n[REPLY 1]"), (third, "Verdict: 1 or 2")):
        (message,) = request.messages
        assert message.content.startswith(prompt)
        assert prompts.sections(message.content) == prompts.sections(prompt) | {"YOUR EARLIER ANSWER": bad}
        assert message.content.endswith("exactly one of:\nVerdict: 1\nVerdict: 2\nVerdict: tie")
        assert request.sampling.temperature == AGAIN_TEMPERATURE


def test_a_warmer_role_stays_as_warm_and_a_policy_gets_the_same_messages_again():
    user, policy = (Says(ChatReply(" "), ChatReply("Hi.")) for _ in range(2))
    asyncio.run(ask(user, "user", HELLO, Call("tree", 0), parsing.message))
    asyncio.run(ask(policy, "policy", HELLO, Call("tree", 0), parsing.reply, temperature=0.0))
    assert user.asked[1].sampling == SAMPLING["user"]
    assert policy.asked[0] == replace(policy.asked[1], seed=policy.asked[0].seed)


def test_a_recipe_that_cools_a_role_does_not_cool_what_is_asked_again():
    chat = Says(ChatReply("Hm."), ChatReply("Verdict: 2"))
    assert asked(tuned(chat, "judge", {"judge": {"temperature": 0.0}})) == (1, "Verdict: 2")
    assert [request.sampling.temperature for request in chat.asked] == [0.0, AGAIN_TEMPERATURE]


@pytest.mark.parametrize(
    ("error", "raised"),
    [(ChatError("prompt too long"), ParseError), (TransientError("busy"), TransientError), (Refused("no such key"), Refused)],
)
def test_a_prompt_that_is_too_long_only_when_asked_again_leaves_the_answer_unreadable(error, raised):
    class Small(Says):
        async def complete(self, request):
            if self.asked:
                raise error
            return await super().complete(request)

    with pytest.raises(raised):
        asked(Small(ChatReply("Hm")))


def test_an_answer_of_any_length_is_quoted_by_its_end():
    chat = Says(ChatReply("so " * 100_000 + "end"), ChatReply("Verdict: 2"))
    assert asked(chat)[0] == 1
    assert "so end\n" in chat.asked[1].messages[0].content
    assert len(chat.asked[1].messages[0].content) < 2000


@pytest.mark.parametrize(("answer", "text"), [("Hm", "Hm"), ("", "(blank)"), ("\u200b", "(blank)")])
def test_a_verdict_that_cannot_be_read_is_no_choice_and_its_text(answer, text):
    chat = Says(ChatReply(answer))
    found = asyncio.run(both_orders(chat, Persona("", ""), (), "Hi", ("a", "b"), Call("tree", 0)))
    assert found == (Verdict("01", None, text), Verdict("10", None, text))
    assert len(chat.asked) == 2 * ATTEMPTS


def test_the_inferrer_reads_the_replies_too():
    chat = Says(ChatReply("Profile: They have two cats.\nPersonality: unknown"))
    spoken = (Message("user", "Hi"), Message("assistant", "Do you have two cats?"), Message("user", "Yes, two!"))
    assert asyncio.run(inferred(chat, spoken, Call("tree", 0))) == Persona("They have two cats.", "")
    assert prompts.messages(prompts.sections(chat.asked[0].messages[0].content)["CONVERSATION"]) == spoken


def test_one_that_is_always_cut_off_could_not_be_read():
    chat = Says(ChatReply("I think that", cut=True))
    with pytest.raises(ParseError, match="no end of its answer before max_tokens: 'I think that'"):
        asked(chat)
    assert len(chat.asked) == ATTEMPTS


def test_what_a_benchmarked_policy_says_until_it_is_cut_off_is_scored(run):
    class Rambling:
        async def complete(self, request):
            return ChatReply("And another thing, and yet", cut=True)

    traffic = opening(lambda model: Rambling() if model == "local:org/m" else Scripted())
    assert evaluate_all(run, ["local:org/m"], BenchmarkSettings(turns=2), traffic=traffic) == 0


def test_a_policys_reply_that_was_cut_off_is_in_no_tree(run):
    class Rambling:
        async def complete(self, request):
            return ChatReply("And another thing, and yet", cut=True)

    traffic = opening(lambda model: Rambling() if model == "local:org/m" else Scripted())
    models = dict.fromkeys(ROLES, "scripted") | {"policy": "local:org/m"}
    assert grow_all(run, TreeSettings(models=models, turns=1, limit=2), traffic=traffic).failed == 2


def test_sampling_by_role_reaches_the_model_and_stands_in_run_toml(run):
    class Listening(Says):
        async def complete(self, request):
            self.asked.append(request)
            return await Scripted().complete(request)

    chat = Listening()
    changes: dict[str, dict[str, Any]]
    changes = {"judge": {"max_tokens": 999, "stop": ["###"]}, "user": {"temperature": 0.1, "top_p": 0.5}}
    settings = TreeSettings(models=dict.fromkeys(ROLES, "scripted"), turns=1, limit=1, sampling=changes)
    grow_all(run, settings, traffic=opening(lambda model: chat))
    found = {request.role: request.sampling for request in chat.asked}
    assert (found["judge"].max_tokens, found["judge"].stop, found["judge"].temperature) == (999, ("###",), 0.0)
    assert (found["user"].temperature, found["user"].top_p) == (0.1, 0.5)
    assert found["plain"] == SAMPLING["plain"]
    assert run.settings()["trees"]["sampling"] == changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"oracle": {"top_p": 1}}, "sampling.oracle: expected a table for one of user, inferrer, tailored, plain, judge"),
        ({"judge": 3}, "sampling.judge: expected a table"),
        ({"judge": {"beams": 3}}, "sampling.judge: unknown setting 'beams'"),
        ({"judge": {"max_tokens": 0}}, "sampling.judge.max_tokens = 0: expected a number from 1"),
        ({"judge": {"max_tokens": 1.5}}, "max_tokens = 1.5"),
        ({"judge": {"temperature": 3}}, "temperature = 3: expected a number from 0 to 2"),
        ({"judge": {"top_p": True}}, "top_p = True"),
        ({"judge": {"stop": "###"}}, "stop = '###': expected a list of texts"),
    ],
)
def test_sampling_that_is_invalid_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        TreeSettings(models=dict.fromkeys(ROLES, "scripted"), sampling=changes)


def test_the_policys_temperature_has_one_place():
    with pytest.raises(UsageError, match="is a setting of its own"):
        BenchmarkSettings(sampling={"policy": {"temperature": 0}})


@pytest.mark.parametrize(
    ("said", "choices"), [(("1", "2"), (0, 0)), (("2", "1"), (1, 1)), (("1", "1"), (0, 1)), (("tie", "2"), (None, 0))]
)
def test_both_orders_are_asked_and_choices_count_replies(said, choices):
    judge = Says(*(ChatReply(f"Verdict: {one}") for one in said))
    found = asyncio.run(both_orders(judge, Persona("A nurse.", "Kind."), (), "Hi.", ("one", "two"), Call("tree", 0)))
    assert [(one.order, one.choice) for one in found] == list(zip(("01", "10"), choices, strict=True))
    assert [one.text for one in found] == [f"Verdict: {one}" for one in said]
    shown = [request.messages[0].content for request in judge.asked]
    assert [text.index("one\n") < text.index("two\n") for text in shown] == [True, False]


def test_two_equal_replies_are_a_tie_that_costs_no_call():
    judge = Says()
    found = asyncio.run(both_orders(judge, Persona("A nurse.", "Kind."), (), "Hi.", ("one", "one"), Call("tree", 0)))
    assert [one.choice for one in found] == [None, None]
    assert judge.asked == []
