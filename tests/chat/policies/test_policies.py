"""Policies as model strings: opened by `open_chat`, in one another, offline, with the same replies whatever else is asked."""

import asyncio

import pytest

from aloe_hub.chat import open_chat, world_of
from aloe_hub.chat.base import ChatRequest
from aloe_hub.chat.policies import calls_of, selectors_of
from aloe_hub.chat.scripted import WORLD_VERSION, Scripted
from aloe_hub.errors import ChatError, UsageError
from aloe_hub.model_string import ModelString
from aloe_hub.types import Message
from tests.chat.policies.asking import CHAT, SAMPLING, ask

ALL = [
    "reminder(scripted:plain)",
    "cot(scripted:plain)",
    "rag(scripted:plain,k=1)",
    "self-critic(scripted:plain)",
    "inferred(scripted:plain,by=scripted)",
    "best-of(scripted,k=2)",
    "rps(scripted,k=2)",
    "rps(reminder(self-critic(scripted:plain)),k=2,inferrer=scripted,by=scripted)",
]


@pytest.mark.parametrize("model", ALL)
def test_a_reply_does_not_depend_on_what_is_asked_at_the_same_time(model, embedder):
    requests = [ChatRequest(CHAT[:length], SAMPLING, seed, "policy") for length in (1, 3, 5) for seed in (1, 2)]

    async def together():
        chat = open_chat(model)
        return await asyncio.gather(*(chat.complete(request) for request in reversed(requests)))

    alone = [asyncio.run(open_chat(model).complete(request)).text for request in requests]
    assert [reply.text for reply in asyncio.run(together())][::-1] == alone
    assert all(alone)


def test_the_scripted_world_answers_the_person_and_not_the_policy():
    plain = ask(open_chat("scripted:plain")).text
    for model in ("reminder(scripted:plain)", "cot(scripted:plain)", "reminder(cot(scripted:plain))", "reminder(scripted)"):
        assert ask(open_chat(model)).text == plain
    for model in ("self-critic(scripted:parrot)", "inferred(scripted:parrot,by=scripted)", "cot(scripted:parrot)"):
        assert ask(open_chat(model)).text == CHAT[-1].content


def test_told_who_the_user_is_bare_scripted_replies_to_that_user():
    for model in ("inferred(scripted)", "reminder(inferred(scripted))", "self-critic(inferred(scripted))"):
        assert "sushi" in ask(open_chat(model), CHAT[:1]).text
    assert "sushi" not in ask(open_chat("scripted"), CHAT[:1]).text


@pytest.mark.parametrize(
    ("model", "calls"),
    [
        ("scripted", 1),
        ("reminder(cot(rag(scripted)))", 1),
        ("self-critic(scripted)", 3),
        ("inferred(scripted)", 2),
        ("inferred(self-critic(scripted),by=scripted)", 4),
        ("best-of(scripted)", 6),
        ("rps(scripted,k=3,inferrer=scripted,by=scripted)", 7),
    ],
)
def test_the_calls_of_a_reply_are_those_that_it_makes(model, calls, embedder, monkeypatch):
    asked = []
    complete = Scripted.complete

    async def counted(self, request):
        asked.append(request)
        return await complete(self, request)

    monkeypatch.setattr(Scripted, "complete", counted)
    ask(open_chat(model))
    assert calls_of(ModelString.parse(model)) == calls == len(asked)


def test_who_selects_is_told_from_who_infers():
    named = ModelString.parse("reminder(rps(inferred(scripted,by=scripted:plain),inferrer=scripted:dump,by=rag(hub:org/a)))")
    assert [str(model) for model in selectors_of(named)] == ["hub:org/a"]


def test_a_run_in_which_the_world_takes_part_in_a_policy_has_its_version():
    assert world_of(["inferred(hub:org/model,by=scripted)"]) == {"world": WORLD_VERSION}
    assert world_of(["reminder(hub:org/model)"]) == {}


@pytest.mark.parametrize("model", ALL)
@pytest.mark.parametrize("chat", [CHAT[:2], [Message("system", "Be kind.")]])
def test_without_a_message_of_the_user_to_answer_it_is_an_error_for_people(model, chat, embedder):
    with pytest.raises(ChatError, match="needs a message of the user to answer"):
        ask(open_chat(model), chat)


def test_a_model_in_a_policy_is_refused_as_it_would_be_alone():
    with pytest.raises(UsageError, match="no such policy"):
        open_chat("reminder(scripted:nobody)")
