"""Each form of recorded chats, from a record of our own to what becomes of it."""

import json
from decimal import Decimal

import pytest

from aloe_hub.errors import DataError, UsageError
from aloe_hub.rows import pairs
from aloe_hub.stages.chats.forms import NAMES, chat_in, form_named, form_of
from aloe_hub.stages.chats.outcomes import conversation_of, kind_of, transcript_of, tree_of, with_read_ratings
from aloe_hub.types import Persona, Transcript, Tree
from tests.stages.recorded import (
    AGAIN,
    FORKED,
    OTHER,
    PLAIN,
    PREFERENCES,
    PRISM,
    REPLY,
    ULTRAFEEDBACK,
    USER,
    messages,
    rated,
    several,
    transcript,
)


def rated_as(*ratings):
    said = [message | {"rating": rating} for rating in ratings for message in messages(USER, REPLY)]
    return {"messages": said}


def read(row, name=None):
    form = form_named(name) if name else form_of(row)
    assert form is not None
    return chat_in(row, form)


def tree(row):
    form = form_of(row)
    assert form is not None
    return tree_of(read(row), form.name)[0]


@pytest.mark.parametrize("name", [*FORKED, *PLAIN, "recllmsim"])
def test_a_form_is_recognised(name):
    found = form_of((FORKED | PLAIN | {"recllmsim": rated()})[name])
    assert found is form_named(name)


def test_every_form_has_an_example_here():
    assert {*FORKED, *PLAIN, "recllmsim"} == set(NAMES)


@pytest.mark.parametrize("name", PLAIN)
def test_what_has_neither_forks_nor_ratings_is_a_conversation(name):
    chat = read(PLAIN[name])
    assert kind_of(chat) == "conversation"
    assert [(one.role, one.content) for one in chat.messages] == [
        ("user", USER), ("assistant", REPLY), ("user", AGAIN), ("assistant", OTHER)]  # fmt: skip
    row = conversation_of(chat)
    assert read(row) == read(row | {"id": "another name"})
    assert read(row).messages == chat.messages


@pytest.mark.parametrize("name", FORKED)
def test_what_has_forks_is_a_tree_of_replies_from_people(name):
    assert kind_of(read(FORKED[name])) == "tree"
    found = tree(FORKED[name])
    assert Tree.from_row(json.loads(json.dumps(found.to_row()))) == found
    assert {reply.source for exchange in found.exchanges for reply in exchange.replies} == {"human"}
    chosen = next(pairs(found))["chosen"][0]["content"]
    assert chosen == (OTHER if name == "hh-rlhf" else REPLY)


@pytest.mark.parametrize("row", PREFERENCES)
def test_all_forms_of_a_preference_give_the_same_pair(row):
    (pair,) = pairs(tree(row))
    (expected,) = pairs(tree(FORKED["preference"]))
    assert {name: pair[name] for name in ("prompt", "chosen", "rejected")} == {
        name: expected[name] for name in ("prompt", "chosen", "rejected")
    }


def test_the_turns_before_a_fork_have_one_reply_and_are_in_the_prompt():
    found = tree(FORKED["hh-rlhf"])
    assert [len(exchange.replies) for exchange in found.exchanges] == [1, 2]
    (pair,) = pairs(found)
    assert [message["content"] for message in pair["prompt"]] == [USER, REPLY, AGAIN]
    assert pair["rejected"][0]["content"] == "All do."


def test_of_more_than_two_replies_the_best_and_the_worst_are_kept_and_the_others_counted():
    grown, left_out = tree_of(read(PRISM), "prism")
    assert left_out == 2
    assert [[reply.text for reply in exchange.replies] for exchange in grown.exchanges] == [
        [REPLY, "Tulips."], [OTHER, "All do."], ["You are welcome."]]  # fmt: skip
    assert grown.exchanges[0].verdicts[0].text == "recorded (prism): rated 90 and 3"


def test_the_reply_that_a_chat_went_on_from_is_kept_whatever_its_rating():
    turns = [
        *several(0, USER, ("best", 90, False), ("worst", 1, False), ("middle", 50, True)),
        *several(1, AGAIN, (OTHER, 5, True)),
    ]
    found = tree({"conversation_history": turns})
    assert [reply.text for reply in found.exchanges[0].replies] == ["best", "middle"]
    assert [message.content for message in found.spoken(1)] == [USER, "middle", AGAIN]
    (pair,) = pairs(found)
    assert (pair["chosen"][0]["content"], pair["rejected"][0]["content"]) == ("best", "middle")


def test_replies_that_are_rated_alike_are_a_tie_unless_one_was_chosen():
    found = tree({"conversation_history": several(0, USER, (REPLY, 50, True), (OTHER, 50, False))})
    assert found.exchanges[0].preferred == 0
    vote = FORKED["arena"] | {"winner": "tie"}
    assert tree(vote).exchanges[0].preferred is None
    alike = {"instruction": USER, "completions": [{"response": text, "fine-grained_score": 2} for text in (REPLY, OTHER)]}
    assert tree(alike).exchanges[0].preferred is None


def test_of_ultrafeedback_the_fine_grained_score_counts_and_then_that_of_the_aspects():
    (turn,) = read(ULTRAFEEDBACK).turns
    assert [answer.rating for answer in turn.answers] == [1.5, 4.25, 3]


def test_what_has_ratings_is_a_transcript_with_scores_of_one_assistant():
    chat = read(rated(3, user=12, ratings=(5, None, 2)))
    assert (kind_of(chat), chat.user_id, chat.ratings) == ("transcript", "User_12", 2)
    found, outside = transcript_of(chat, (1, 5))
    assert (found.policy, found.scores, found.user_id, outside) == ("model-a", (5, None, 2), "User_12", [])
    assert found.persona == Persona("age: 42; daily_interests: roses, tea", "calm, kind")
    assert Transcript.from_row(json.loads(json.dumps(found.to_row()))) == found
    assert found.to_scores_row()["user_id"] == "User_12"


def test_two_chats_of_one_person_with_one_assistant_have_two_ids():
    one, other = (transcript_of(read(rated(number)), (1, 5))[0] for number in (0, 1))
    assert one.persona == other.persona
    assert one.conversation_id != other.conversation_id


def test_a_rating_off_the_scale_is_missing_and_counted():
    found, outside = transcript_of(read(rated(ratings=(7, 4))), (1, 5))
    assert (found.scores, outside) == ((None, 4), [7])


def test_what_stands_for_a_rating_and_is_none_is_left_out_and_the_chat_is_not():
    odd = ("good", [3], float("nan"), 10**400, {"stars": 4}, " ", None, "4 ", Decimal("2.5"))
    chat, left_out = with_read_ratings(read(rated_as(*odd)), (1, 5))
    assert [turn.answers[0].rating for turn in chat.turns] == [None] * 7 + [4, 2.5]
    assert [found for _, found in left_out[:3]] == ["'good'", "[3]", "nan"]
    assert [reason for reason, _ in left_out] == ["a rating that is not a number"] * 5


@pytest.mark.parametrize(("scale", "ratings", "said"), [((0, 1), [1, 0], []), ((1, 5), [None] * 2, ["true", "false"])])
def test_true_and_false_are_thumbs_and_no_number_of_stars(scale, ratings, said):
    chat, left_out = with_read_ratings(read(rated_as(True, False)), scale)
    assert [turn.answers[0].rating for turn in chat.turns] == ratings
    assert [found for _, found in left_out] == said


def test_odd_ratings_of_forks_are_left_out_too():
    found = several(0, USER, (REPLY, True, True), (OTHER, "n/a", False), ("Tulips.", 40, False))
    chat, left_out = with_read_ratings(read({"conversation_history": found}), (1, 100))
    assert [answer.rating for answer in chat.turns[0].answers] == [None, None, 40]
    assert [found for _, found in left_out] == ["true", "'n/a'"]
    completions = [{"response": REPLY, "fine-grained_score": "N/A"}, {"response": OTHER, "overall_score": "9"}]
    chat, left_out = with_read_ratings(read({"instruction": USER, "completions": completions}), (1, 5))
    assert [answer.rating for answer in chat.turns[0].answers] == [None, 9]
    assert left_out == [("a rating that is not a number", "'N/A'")]


@pytest.mark.parametrize("winner", ["nobody", None, 1, ["tie"]])
def test_only_the_words_for_a_tie_are_ties(winner):
    with pytest.raises(DataError, match=r"`winner` is none of model_a, model_b, tie, tie \(bothbad\), both_bad"):
        read(FORKED["arena"] | {"winner": winner})
    for words in ("tie", "tie (bothbad)", "both_bad", "tie (inconsistent)"):
        assert tree(FORKED["arena"] | {"winner": words}).exchanges[0].preferred is None


def test_messages_in_a_row_are_one_and_the_last_may_wait_for_a_reply():
    said = [*messages(USER, REPLY), {"role": "user", "content": "Wait."}, {"role": "user", "content": AGAIN}]
    chat = read({"messages": [{"role": "system", "content": "Be brief."}, *said]})
    assert (chat.system, chat.unanswered, len(chat.turns)) == ("Be brief.", f"Wait.\n\n{AGAIN}", 1)
    assert [message.role for message in chat.messages] == ["system", "user", "assistant", "user"]
    assert read({"messages": messages(USER)}).unanswered == USER


@pytest.mark.parametrize("roles", [("Developer", "USER", "Assistant"), ("system", "Human", " GPT ")])
def test_roles_are_told_however_they_are_written(roles):
    said = [{"role": role, "content": text} for role, text in zip(roles, ("Be brief.", USER, REPLY), strict=True)]
    assert [message.role for message in read({"messages": said}).messages] == ["system", "user", "assistant"]


@pytest.mark.parametrize(("value", "name"), [(7.0, "7"), (7, "7"), (float("nan"), None), (True, None), ("", None), (["x"], None)])
def test_a_user_may_be_a_number_also_one_that_a_table_made_a_float(value, name):
    assert read({"messages": messages(), "user_id": value}).user_id == name


def test_people_of_whom_nothing_is_known_are_different_people():
    one, other = (tree({"user_id": name} | FORKED["preference"]) for name in ("ann", "ben"))
    assert one.persona == Persona("unknown (ann)", "unknown")
    assert one.persona.profile_id != other.persona.profile_id


def test_a_persona_beside_the_messages_is_taken():
    known = {"messages": messages(), "persona": {"profile": "She is 30.", "personality": "kind"}}
    assert (read(known).profile, read(known).personality) == ("She is 30.", "kind")


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"messages": messages(USER, REPLY, "", OTHER)}, "a message of the user without text"),
        ({"messages": [*messages(USER, REPLY), {"role": "tool", "content": "x"}]}, "a message of another role"),
        ({"messages": [*messages(USER, REPLY), {"role": "user", "content": [{"type": "image_url"}]}]}, "parts that are not text"),
        ({"conversation_history": several(0, USER, (REPLY, 9, True)) + several(1, AGAIN, (OTHER, 1, False))}, "not one reply"),
    ],
)
def test_what_cannot_be_used_ends_a_chat_and_what_was_said_before_is_kept(row, why):
    chat = read(row)
    assert why in chat.cut
    assert [turn.user for turn in chat.turns] == [USER]
    assert chat.unanswered == ""


@pytest.mark.parametrize(
    ("row", "name", "why"),
    [
        ({"messages": messages(REPLY, user="assistant", assistant="user")}, None, "it begins with a reply"),
        ({"messages": [{"role": "user", "content": " "}]}, None, "a message of the user without text"),
        ({"messages": [{"role": "user"}]}, "sharegpt", "not of the form sharegpt"),
        ({"chosen": transcript(USER, REPLY), "rejected": transcript(USER, REPLY)}, None, "or in nothing"),
        ({"chosen": messages(USER, REPLY, AGAIN, OTHER), "rejected": messages(USER, OTHER, AGAIN, REPLY)}, None, "in more than"),
        ({"chosen": "a", "rejected": "b"}, None, "it begins with a reply"),
        ({"chosen": None, "rejected": None, "prompt": None}, None, "the two conversations differ"),
        ({"instruction": "", "completions": [{"response": REPLY}]}, None, "no instruction"),
        (FORKED["arena"] | {"conversation_b": []}, None, "the two conversations differ"),
        ({"prompt": None, "completion": None}, None, "no prompt or no completion"),
    ],
)
def test_a_record_that_cannot_be_used_says_why(row, name, why):
    with pytest.raises(DataError, match=why):
        read(row, name)


def test_an_unknown_form_is_wrong_usage_that_names_the_known_ones():
    with pytest.raises(UsageError, match="--form 'csv': no such form; known: recllmsim, prism"):
        form_named("csv")
    assert form_of({"text": "hello"}) is None


def test_a_list_that_came_as_text_is_said_to_be_that():
    with pytest.raises(DataError, match="and 'messages' is text: write a list, in a cell of a table as JSON"):
        read({"messages": "[{'role': 'user'}\n {'role': 'assistant'}]"}, "messages")
