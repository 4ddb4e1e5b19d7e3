"""How a role is asked: what is read, what is asked again, and with which sampling."""

import asyncio

import pytest
from fakes import opening

from aloe_hub import parsing
from aloe_hub.chat.base import ChatReply
from aloe_hub.chat.scripted import Scripted
from aloe_hub.errors import ParseError, UsageError
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.stages.roles import ATTEMPTS, SAMPLING, Call, ask
from aloe_hub.stages.trees import ROLES, TreeSettings, grow_all
from aloe_hub.types import Message

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
def test_sampling_that_cannot_be_meant_is_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        TreeSettings(models=dict.fromkeys(ROLES, "scripted"), sampling=changes)


def test_the_policys_temperature_has_one_place():
    with pytest.raises(UsageError, match="is a setting of its own"):
        BenchmarkSettings(sampling={"policy": {"temperature": 0}})
