"""best-of and rps: the same number of replies, by the same selector; one under the inferred persona, one under its neighbours."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub import prompts
from aloe_hub.chat.asking import SAMPLING as USUAL
from aloe_hub.chat.asking import Call, tailored_prompt
from aloe_hub.chat.base import ChatRequest, Sampling
from aloe_hub.chat.policies.neighbours import neighbour
from aloe_hub.errors import ChatError
from aloe_hub.types import Persona, call_seed
from tests.chat.policies.asking import ASKED, CHAT, Heard, ask, opened

KNOWN = Persona("They love sushi. They run. They live alone. They paint.", "They are brief. They joke.")
STATED = f"Profile: {KNOWN.profile}\nPersonality: {KNOWN.personality}"
REPLIES = ["A salad.", "Sushi, since you live alone.", "Soup."]


def said(request):
    """The reply of each place: its seed tells which one it is."""
    return REPLIES[[call_seed(7, "reply", place) for place in range(3)].index(request.seed)]


def known(request):
    return STATED


def test_best_of_draws_k_replies_under_the_inferred_persona_and_keeps_the_nearest(embedder):
    chat, models = opened("best-of(scripted:m,k=3,inferrer=scripted:n)", m=Heard(said), n=Heard(known))
    assert ask(chat).text == REPLIES[1]
    assert {request.messages for request in models["m"].requests} == {tailored_prompt(CHAT[:-1], ASKED.content, KNOWN)}
    assert {request.within for request in models["m"].requests} == {"best-of/reply"}
    assert [request.within for request in models["n"].requests] == ["best-of/infer"]


def test_rps_draws_as_many_under_neighbours_and_selects_by_the_persona_itself(embedder):
    chat, models = opened("rps(scripted:m,k=3,inferrer=scripted:n)", m=Heard(said), n=Heard(known))
    assert ask(chat).text == REPLIES[1]
    told = [neighbour(KNOWN, call_seed(7, "neighbour", place)) for place in range(3)]
    assert len(set(told)) == 3
    assert [request.messages for request in models["m"].requests] == [
        tailored_prompt(CHAT[:-1], ASKED.content, one) for one in told
    ]
    assert [request.seed for request in models["m"].requests] == [call_seed(7, "reply", place) for place in range(3)]


def test_five_replies_are_drawn_unless_it_is_said_and_never_at_temperature_0(embedder):
    chat, models = opened("best-of(scripted:m,inferrer=scripted:n)", n=Heard(known))
    asyncio.run(chat.complete(ChatRequest(CHAT, Sampling(temperature=0.0), 7, "policy")))
    assert [request.sampling.temperature for request in models["m"].requests] == [USUAL["policy"].temperature] * 5
    assert len({request.seed for request in models["m"].requests}) == 5


def test_a_model_may_select_by_rating_each_reply_alone():
    def rates(request):
        return f"Fits.\nScore: {4 if 'Soup' in prompts.sections(request.messages[0].content)['REPLY'] else 2.5}"

    chat, models = opened(
        "best-of(scripted:m,k=3,inferrer=scripted:n,by=scripted:s)", m=Heard(said), n=Heard(known), s=Heard(rates)
    )
    assert ask(chat).text == "Soup."
    seen = [prompts.sections(request.messages[0].content) for request in models["s"].requests]
    assert [one["REPLY"] for one in seen] == REPLIES
    assert {(one["INFERRED PROFILE"], one["INFERRED PERSONALITY"], one["MESSAGE"]) for one in seen} == {
        (KNOWN.profile, KNOWN.personality, ASKED.content)
    }
    assert [request.seed for request in models["s"].requests] == [
        Call("7", 0).seed("selector", str(place), 0) for place in range(3)
    ]
    assert {(request.role, request.within) for request in models["s"].requests} == {("selector", "best-of/select")}


def test_a_selector_that_cannot_be_read_is_an_error_of_one_line():
    chat, _ = opened("rps(scripted:m,k=2,inferrer=scripted:n,by=scripted:s)", n=Heard(known))
    with pytest.raises(ChatError, match=r"^rps: its selector cannot be read: model returned no score"):
        ask(chat)


def test_while_nothing_is_known_the_first_reply_is_kept(embedder):
    nobody = Heard(lambda request: "Profile: unknown\nPersonality: unknown")
    chat, _ = opened("rps(scripted:m,k=3,inferrer=scripted:n)", m=Heard(said), n=nobody)
    assert ask(chat).text == REPLIES[0]


def test_a_blank_reply_is_not_kept_and_all_blank_is_blank(embedder):
    chat, _ = opened(
        "best-of(scripted:m,k=3,inferrer=scripted:n)",
        m=Heard(lambda request: "" if said(request) == REPLIES[1] else said(request)),
        n=Heard(known),
    )
    assert ask(chat).text in (REPLIES[0], REPLIES[2])
    chat, _ = opened("best-of(scripted:m,k=3,inferrer=scripted:n)", m=Heard(lambda request: " "), n=Heard(known))
    assert not ask(chat).text.strip()


@given(
    st.lists(st.sampled_from(["They paint.", "They run!", "Do they sing?", "They cook."]), unique=True), st.integers(0, 2**31 - 1)
)
def test_a_neighbour_says_only_what_the_persona_says_and_something_of_it(statements, seed):
    near = neighbour(Persona(" ".join(statements), ""), seed)
    assert near.personality == ""
    found = [one for one in statements if one in near.profile]
    assert sorted(near.profile) == sorted(" ".join(found))
    assert bool(found) == bool(statements)
    assert near == neighbour(Persona(" ".join(statements), ""), seed)
