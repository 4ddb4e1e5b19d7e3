"""What sets simulated users apart from people, and what does not; the people of a file."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from aloe_hub.audit.diversity import distinct, topics, vendi
from aloe_hub.audit.likeness import NAMES, among_themselves, features, likeness
from aloe_hub.audit.simulator import contradictions, findings, found_again, revelation
from aloe_hub.audit.talks import Talk, people
from aloe_hub.errors import DataError
from aloe_hub.types import Persona
from bench.audit import scripted_users
from tests.fakes import words_as_vectors

RECLLMSIM = Path(__file__).parents[3] / "shared" / "data" / "recllmsim" / "conversations.jsonl.gz"


def said(*messages, user="u", reply="Here is an idea."):
    return Talk(user, user, tuple((message, reply) for message in messages))


@pytest.mark.torture
@pytest.mark.skipif(not RECLLMSIM.exists(), reason="the conversations of RecLLMSim are not here")
def test_scripted_users_are_told_from_people_and_people_are_not_from_people():
    real = people(RECLLMSIM)
    assert (len(real), len({talk.user for talk in real})) == (1373, 87)
    apart, alike = likeness(scripted_users(60), real), among_themselves(real)
    assert apart
    assert alike
    assert apart["auc"].interval[0] > 0.95
    assert 0.35 < alike["auc"].value < 0.65


def test_two_sides_of_the_same_users_are_not_told_apart():
    found = likeness(scripted_users(60), scripted_users(60, seed=1))
    assert found
    low, high = found["auc"].interval
    assert low < 0.5 < high


def test_too_few_conversations_are_no_test():
    assert likeness(scripted_users(4), scripted_users(40)) is None


def test_features_see_form_and_not_language():
    found = dict(zip(NAMES, features(said("Bonjour ?", "Merci bien, merci bien", "Merci bien, merci bien")), strict=True))
    assert found["questions"] == pytest.approx(1 / 3)
    assert found["length over turns"] > 0
    assert found["repetition"] == pytest.approx(0.5)
    taken = dict(zip(NAMES, features(said("a", "Here is an idea.")), strict=True))["taken up"]
    assert taken == 1
    assert features(said("你好吗？", "谢谢"))[3] == 0.5


def test_the_vendi_score_counts_different_texts():
    assert vendi(np.eye(5, dtype=np.float32)) == pytest.approx(5)
    assert vendi(np.ones((5, 1), dtype=np.float32)) == pytest.approx(1)
    assert topics(np.repeat(np.eye(2, dtype=np.float32), 3, axis=0)) == {"groups": 2, "effective": pytest.approx(2)}
    assert distinct(["你好你好"], 1) == 0.5


def test_a_user_that_contradicts_itself_is_seen_to():
    nurse = Persona("She works as a nurse.", "She is funny.")
    talks = [Talk("a", "a", (("I work as a nurse.", ""), ("I work as a pilot.", "")), nurse)]
    found = contradictions(talks)
    assert found
    assert found["share"].value == 0.5


def test_the_largest_step_of_what_is_told_is_named():
    talks = [Talk(str(n), str(n), (("a", "b"),) * 3, revealed=(0.1, 0.7, 0.8)) for n in range(3)]
    found = revelation(talks)
    assert found
    assert (found["largest_step"]["turn"], found["r"][-1].value) == (2, pytest.approx(0.8))
    assert found["largest_step"]["step"].value == pytest.approx(0.6)


def test_a_user_who_speaks_of_themselves_is_found_again_and_one_who_does_not_is_not():
    personas = [Persona(f"She likes {word}.", f"She is {word}ish.") for word in ("tea", "golf", "jazz", "rust")]
    talks = [said(f"Tell me of {one.profile[10:-1]}", user=str(n)) for n, one in enumerate(personas)]
    known = [Talk(talk.talk_id, talk.user, talk.turns, one) for talk, one in zip(talks, personas, strict=True)]
    found = found_again(known, words_as_vectors)
    assert found
    assert found["top1"].value == 1
    swapped = [
        Talk(talk.talk_id, talk.user, talk.turns, one) for talk, one in zip(talks, personas[1:] + personas[:1], strict=True)
    ]
    assert found_again(swapped, words_as_vectors)["rank"].value > 1.5  # type: ignore[index]


def test_without_an_embedder_the_rest_is_measured():
    found = findings([said("I like tea.")], scripted=False, embed=None)
    assert (found["vendi"], found["found"], found["contradictions"]) == (None, None, None)
    assert found["distinct"]["1"] == 1


def test_people_are_read_from_lines_of_chats(tmp_path):
    path = tmp_path / "chats.jsonl.gz"
    messages = [("user", "Hi"), ("user", "there"), ("assistant", "Hello"), ("user", "Bye")]
    row = {"user_id": 7, "messages": [{"role": role, "content": content} for role, content in messages]}
    with gzip.open(path, "wt") as file:
        file.write(json.dumps(row) + "\n\n")
    (talk,) = people(path)
    assert (talk.user, talk.turns) == ("7", (("Hi\n\nthere", "Hello"), ("Bye", "")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"text": "Hi"}\n', "line 1: no chat; wanted: a form that aloe import reads"),
        ('{"messages": [{"role": "user"}]}\n', "line 1: a message of the user without text"),
        ("Hi\n", "line 1: not JSON"),
        ("\n", "no conversations there"),
    ],
)
def test_what_is_no_chat_is_refused_with_its_line(tmp_path, text, message):
    path = tmp_path / "chats.jsonl"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        people(path)
    with pytest.raises(DataError, match="cannot be read"):
        people(tmp_path / "none.jsonl")
