"""What policies add to a chat, and the chat without it."""

from hypothesis import given
from hypothesis import strategies as st

from aloe_hub import prompts
from aloe_hub.prompts.additions import ADDED, added, answered_at, bare, exchanged, gone_on
from aloe_hub.types import Message

WORDS = st.text(min_size=1).filter(lambda text: "# " not in text)
CHATS = st.lists(WORDS, min_size=1, max_size=7).filter(lambda texts: len(texts) % 2).map(
    lambda texts: tuple(Message("assistant" if place % 2 else "user", text) for place, text in enumerate(texts))
)  # fmt: skip
DATA = {"rag": {"exchanges": prompts.conversation([Message("user", "Hi.\n\n# Note: x")])}}


@given(CHATS, st.lists(st.sampled_from(ADDED), max_size=3), st.integers(0, 2), WORDS)
def test_the_chat_is_the_same_again_without_what_was_added(chat, names, turns, reply):
    with_all = chat
    for name in names:
        with_all = added(with_all, name, **DATA.get(name, {}))
    for name in ("critique", "rewrite")[:turns]:
        with_all = gone_on(with_all, reply, name)
    assert bare(with_all) == chat
    assert answered_at(with_all) == len(chat) - 1
    assert len(with_all) == len(chat) + 2 * turns


def test_a_note_is_added_to_the_message_that_is_answered_and_not_to_a_turn_of_a_policy():
    chat = (Message("user", "Any dinner ideas?"),)
    later = added(gone_on(chat, "Soup.", "critique"), "reminder")
    assert later == (*added(chat, "reminder"), *gone_on(chat, "Soup.", "critique")[1:])


def test_the_prompt_of_a_tailored_reply_takes_the_place_of_the_chat_and_keeps_what_is_below_and_after_it():
    chat = (Message("user", "Hi."), Message("assistant", "Hello."), Message("user", "Any dinner ideas?"))
    prompt = Message(
        "user",
        prompts.load("tailored_reply").render(
            conversation=prompts.conversation(chat[:2]), message=chat[2].content, inferred_profile="x", inferred_personality="y"
        ),
    )
    found = exchanged(gone_on(added(chat, "cot"), "Soup.", "critique"), prompt)
    assert found == gone_on((Message("user", f"{prompt.content}\n\n{prompts.load('cot').render()}"),), "Soup.", "critique")
    assert bare(found) == chat


def test_a_message_that_only_begins_like_our_prompt_is_the_users_own():
    chat = (Message("user", f"# {prompts.load('tailored_reply').title}\nWhat does that mean?"),)
    assert bare(chat) == chat
    lonely = (Message("user", prompts.load("critique").render()),)
    assert bare(lonely) == lonely
