"""inferred: ALOE's inferrer, then the prompt of a tailored reply."""

import asyncio
from dataclasses import replace

import pytest

from aloe_hub import prompts
from aloe_hub.chat.asking import SAMPLING as USUAL
from aloe_hub.chat.asking import Call, tailored_prompt
from aloe_hub.chat.base import ChatRequest, Sampling
from aloe_hub.errors import ChatError
from aloe_hub.types import Message, Persona, call_seed
from tests.chat.policies.asking import ASKED, CHAT, SAMPLING, Heard, ask, opened

KNOWN = Persona("They love sushi.", "They are brief.")
STATED = f"Profile: {KNOWN.profile}\nPersonality: {KNOWN.personality}"


def test_another_model_infers_and_the_reply_is_asked_for_with_what_it_said():
    chat, models = opened("inferred(scripted:m,by=scripted:n)", n=Heard(lambda request: STATED))
    assert ask(chat).text == f"said {call_seed(7, 'reply', 0)}"
    (inferring,) = models["n"].requests
    assert prompts.messages(prompts.sections(inferring.messages[0].content)["CONVERSATION"]) == CHAT
    assert (inferring.role, inferring.sampling, inferring.within) == ("inferrer", USUAL["inferrer"], "inferred/infer")
    assert inferring.seed == Call("7", 0).seed("inferrer", "", 0)
    (replying,) = models["m"].requests
    assert replying.messages == tailored_prompt(CHAT[:-1], ASKED.content, KNOWN)
    assert (replying.role, replying.sampling, replying.within) == ("policy", SAMPLING, "inferred/reply")


def test_without_another_the_model_infers_for_itself_with_the_fields_that_its_server_wants():
    model = Heard(lambda request: STATED if request.role == "inferrer" else "Hi.")
    chat, _ = opened("inferred(scripted:m)", m=model)
    ask(chat)
    assert [request.within for request in model.requests] == ["inferred/infer", "inferred/reply"]

    fields = Sampling(max_tokens=9, extra_body='{"thinking": false}')
    for name, sent in (("inferred(scripted:m)", fields.extra_body), ("inferred(scripted:m,by=scripted:n)", "")):
        other = Heard(model.say)
        chat, models = opened(name, m=Heard(model.say), n=other)
        asyncio.run(chat.complete(ChatRequest(CHAT, fields, 7, "policy")))
        (inferring,) = [one for chat in models.values() for one in chat.requests if one.role == "inferrer"]
        assert inferring.sampling == replace(USUAL["inferrer"], extra_body=sent)


def test_an_inferrer_that_cannot_be_read_is_asked_again_and_then_an_error_of_one_line():
    chat, models = opened("inferred(scripted:m,by=scripted:n)", n=Heard(lambda request: "Who knows?"))
    with pytest.raises(ChatError, match=r"^inferred: its inferrer cannot be read: model returned no .*'Who knows\?'$"):
        ask(chat)
    assert len(models["n"].requests) == 3
    assert len({request.seed for request in models["n"].requests}) == 3
    assert not models["m"].requests


def test_what_a_policy_around_it_adds_stands_below_the_prompt_and_its_turns_follow():
    def says(request):
        return STATED if request.role == "inferrer" else "Hi."

    chat, models = opened("self-critic(reminder(inferred(scripted:m)))", m=Heard(says))
    ask(chat)
    replies = [request for request in models["m"].requests if request.role == "policy"]
    inferring = [request for request in models["m"].requests if request.role == "inferrer"]
    (prompt,) = tailored_prompt(CHAT[:-1], ASKED.content, KNOWN)
    first = Message("user", f"{prompt.content}\n\n{prompts.load('reminder').render()}")
    assert [request.messages[0] for request in replies] == [first] * 3
    assert [len(request.messages) for request in replies] == [1, 3, 5]
    # Each step infers from the chat as it was said, and nothing else.
    assert {prompts.sections(request.messages[0].content)["CONVERSATION"] for request in inferring} == {
        prompts.conversation(CHAT)
    }


def test_a_system_message_is_nothing_that_the_user_said():
    chat, models = opened("inferred(scripted:m,by=scripted:n)", n=Heard(lambda request: STATED))
    ask(chat, [Message("system", "Be kind."), *CHAT])
    assert models["m"].requests[0].messages == tailored_prompt(CHAT[:-1], ASKED.content, KNOWN)
