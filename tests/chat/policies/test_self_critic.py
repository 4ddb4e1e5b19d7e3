"""self-critic: answer, criticism, new answer; a chat that goes on, with a seed for each step."""

from functools import partial

from aloe_hub import prompts
from aloe_hub.types import Message, call_seed
from tests.chat.policies.asking import CHAT, SAMPLING, Heard, ask, opened

SAYS = {"self-critic/draft": "A draft.", "self-critic/critique": "It is dull. It is long.", "self-critic/rewrite": '"Better."'}


def says(request):
    return SAYS[request.within]


def blank_at(step, request):
    return " " if request.within == step else "Yes."


def test_it_answers_criticises_and_rewrites_in_one_chat():
    chat, models = opened("self-critic(scripted:m)", m=Heard(says))
    reply = ask(chat)
    assert reply.text == "Better."
    assert (reply.tokens_in, reply.tokens_out) == (30, 6)
    draft, critique, rewrite = models["m"].requests
    assert draft.messages == CHAT
    criticise, anew = (Message("user", prompts.load(name).render()) for name in ("critique", "rewrite"))
    assert critique.messages == (*CHAT, Message("assistant", "A draft."), criticise)
    assert rewrite.messages == (*critique.messages, Message("assistant", "It is dull. It is long."), anew)
    assert [one.seed for one in (draft, critique, rewrite)] == [
        call_seed(7, step, 0) for step in ("draft", "critique", "rewrite")
    ]
    assert {(one.role, one.sampling) for one in models["m"].requests} == {("policy", SAMPLING)}


def test_what_was_added_to_the_message_stays_where_it_is_in_every_step():
    chat, models = opened("self-critic(reminder(scripted:m))")
    ask(chat)
    reminded = f"{CHAT[-1].content}\n\n{prompts.load('reminder').render()}"
    assert [request.messages[len(CHAT) - 1].content for request in models["m"].requests] == [reminded] * 3
    assert [len(request.messages) for request in models["m"].requests] == [5, 7, 9]
    assert models["m"].requests[2].within == "self-critic/rewrite/reminder"


def test_a_blank_step_is_a_blank_reply_for_whoever_asked_to_ask_again():
    for calls, blank in enumerate(SAYS, 1):
        model = Heard(partial(blank_at, blank))
        chat, _ = opened("self-critic(scripted:m)", m=model)
        assert not ask(chat).text.strip()
        assert len(model.requests) == calls
