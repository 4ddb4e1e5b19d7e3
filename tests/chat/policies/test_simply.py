"""simply(M): the prompts of a reply, asked as a chat with what was inferred in its system message."""

import asyncio

import pytest

from aloe_hub import prompts
from aloe_hub.chat.asking import prompted, tailored_prompt
from aloe_hub.chat.base import ChatReply, ChatRequest, Sampling
from aloe_hub.chat.policies.simply import BRIEF, STRANGER
from aloe_hub.types import Message, Persona
from tests.chat.policies.asking import opened

SPOKEN = (Message("user", "I love sushi. How do I stay fit?"), Message("assistant", "Swim | twice.\nAnd walk."))
ASKED = "Any dinner ideas?"
KNOWN = Persona("They love {sushi}.\nThey use a\nwheelchair.", "They like things short.")


def tailored(known=KNOWN, spoken=SPOKEN):
    return tailored_prompt(spoken, ASKED, known)


def plain(spoken=SPOKEN):
    return prompted("plain_reply", conversation=prompts.conversation(spoken), message=ASKED)


def request_of(messages):
    """The request that the model got."""
    chat, models = opened("simply(scripted:m)")
    asyncio.run(chat.complete(ChatRequest(messages, Sampling(), 5, "tailored")))
    (request,) = models["m"].requests
    return request


def test_a_tailored_reply_is_asked_for_by_the_chat_with_what_was_inferred_in_its_system_message():
    request = request_of(tailored())
    system, *chat = request.messages
    assert chat == [*SPOKEN, Message("user", ASKED)]
    assert system.role == "system"
    assert "The user: They love {sushi}. They use a wheelchair. They like things short. Use what you know" in system.content
    assert system.content.endswith(BRIEF)
    assert (request.seed, request.within) == (5, "simply")


@pytest.mark.parametrize("messages", [plain(), tailored(Persona("unknown", "unknown")), tailored(Persona("", ""))])
def test_a_plain_reply_and_one_to_somebody_of_whom_nothing_is_known_are_asked_for_alike(messages):
    request = request_of(messages)
    assert request.messages == (Message("system", f"{STRANGER} {BRIEF}"), *SPOKEN, Message("user", ASKED))


def test_a_first_message_is_a_chat_of_its_own():
    request = request_of(plain(()))
    assert [message.role for message in request.messages] == ["system", "user"]


@pytest.mark.parametrize("messages", [(*SPOKEN, Message("user", ASKED)), prompted("inferrer", conversation="x")])
def test_any_other_request_is_passed_on_as_it_is(messages):
    request = request_of(messages)
    assert request.messages == tuple(messages)


class Cut:
    def __init__(self, text, cut=True):
        self.text, self.cut = text, cut

    async def complete(self, request):
        return ChatReply(self.text, cut=self.cut)


@pytest.mark.parametrize(
    ("said", "cut", "text", "still_cut"),
    [
        ('Have some sushi. "Swim!" It is good for', True, 'Have some sushi. "Swim!"', False),
        ("It costs 3.50 euros or so and", True, "It costs 3.50 euros or so and", True),
        ("Have some sushi. And it", False, "Have some sushi. And it", False),
        ("Line one.\nLine two? Then", True, "Line one.\nLine two?", False),
    ],
)
def test_a_reply_that_was_cut_off_ends_with_its_last_whole_sentence(said, cut, text, still_cut):
    chat, _ = opened("simply(scripted:m)", m=Cut(said, cut))
    reply = asyncio.run(chat.complete(ChatRequest(tailored(), Sampling(), 5, "tailored")))
    assert (reply.text, reply.cut) == (text, still_cut)
