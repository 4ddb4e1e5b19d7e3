"""reminder, cot and rag: one call with the same seed, and a note below the message that is answered."""

import asyncio

import pytest

from aloe_hub import prompts
from aloe_hub.chat.base import ChatReply, ChatRequest, heard
from aloe_hub.chat.policies import open_policy
from aloe_hub.model_string import ModelString
from aloe_hub.types import Message
from tests.chat.policies.asking import ASKED, CHAT, RUN, SAMPLING, SHOES, SUSHI, Heard, ask, opened
from tests.fakes import words_as_vectors


@pytest.mark.parametrize("name", ["reminder", "cot"])
def test_a_note_stands_below_the_message_and_nothing_else_is_changed(name):
    chat, models = opened(f"{name}(scripted:m)")
    assert ask(chat).text == "said 7"
    (request,) = models["m"].requests
    assert request.messages == (*CHAT[:-1], Message("user", f"{ASKED.content}\n\n{prompts.load(name).render()}"))
    assert (request.seed, request.role, request.sampling, request.within) == (7, "policy", SAMPLING, name)


def test_rag_shows_the_nearest_exchanges_nearest_first(embedder):
    chat, models = opened("rag(scripted:m,k=1)")
    ask(chat, [*CHAT[:-1], Message("user", "Which shoes for a run?")])
    (request,) = models["m"].requests
    assert request.messages[:-1] == CHAT[:-1]
    shown = prompts.messages(prompts.sections(request.messages[-1].content)["EARLIER EXCHANGES"])
    assert shown == (RUN, SHOES)
    assert (request.seed, request.within) == (7, "rag")


def test_rag_shows_what_there_is_where_k_is_more(embedder):
    chat, models = opened("rag(scripted:m)")
    ask(chat, [*CHAT[:-1], SUSHI])
    shown = prompts.messages(prompts.sections(models["m"].requests[0].messages[-1].content)["EARLIER EXCHANGES"])
    assert shown == CHAT[:4]


def test_rag_adds_nothing_before_there_is_an_exchange(embedder):
    chat, models = opened("rag(scripted:m)")
    system = Message("system", "Be kind.")
    ask(chat, [system, ASKED])
    assert models["m"].requests[0].messages == (system, ASKED)


def test_rag_looks_up_what_the_user_said_and_not_what_another_policy_added(monkeypatch):
    looked_up = []

    def embedded(text):
        looked_up.append(text)
        return words_as_vectors(text)

    monkeypatch.setattr("aloe_hub.chat.policies.nearness.embedder", lambda: embedded)
    chat, models = opened("cot(reminder(rag(scripted:m,k=1)))")
    ask(chat)
    assert looked_up[0] == ASKED.content
    (request,) = models["m"].requests
    notes = [line for line in request.messages[-1].content.splitlines() if line.startswith("# Note")]
    assert notes == [f"# {prompts.load(name).title}" for name in ("cot", "reminder", "rag")]
    assert request.within == "cot/reminder/rag"


def test_it_is_heard_while_the_model_speaks():
    class Speaking(Heard):
        async def stream(self, request, say):
            self.requests.append(request)
            for piece in ("Hel", "lo"):
                say(piece)
            return ChatReply("Hello")

    model = Speaking()
    pieces: list[str] = []
    chat = open_policy(ModelString.parse("reminder(scripted)"), lambda name: model)
    reply = asyncio.run(heard(chat, ChatRequest(CHAT, SAMPLING, 7, "policy"), pieces.append))
    assert (reply.text, pieces) == ("Hello", ["Hel", "lo"])
    assert "keep the user in mind" in model.requests[0].messages[-1].content


def test_the_real_embedder_finds_the_exchange_that_the_message_is_about():
    chat, models = opened("rag(scripted:m,k=1)")
    ask(chat, [*CHAT[:-1], Message("user", "What footwear suits jogging?")])
    shown = prompts.messages(prompts.sections(models["m"].requests[0].messages[-1].content)["EARLIER EXCHANGES"])
    assert shown == (RUN, SHOES)
