"""Free messages: what the models of the world cannot know is told before they are asked, and no note says what is not so."""

import asyncio

import known
import pytest
from library import made_personas
from understood import understood

from aloe_hub.chat.scripted import Scripted
from aloe_hub.stages import roles
from aloe_hub.stages.roles import Call
from aloe_hub.types import Message, Persona
from tests.spaces.aloe_demo.fake_models import fake_models
from tests.spaces.aloe_demo.free_messages import MESSAGES

ASKED = [(text, kind, facts) for text, kind, facts in MESSAGES if kind != "refused"]


@pytest.mark.parametrize(("text", "kind"), [(text, kind) for text, kind, _ in ASKED])
def test_what_the_world_does_not_know_is_told_before_a_model_is_asked(text, kind):
    if kind == "answered":
        found = known.understandable(text, True)
        assert known.understandable(found, True) == found
    else:
        with pytest.raises(known.AnsweredByPage) as caught:
            known.understandable(text, True)
        assert caught.value.kind == (kind if kind != "question" else "unknown")


@pytest.mark.parametrize(("text", "kind", "facts"), ASKED)
def test_a_model_that_knows_english_is_asked_all_but_distress_and_no_false_fact_is_noted(text, kind, facts):
    if kind in ("distress", "insult"):
        with pytest.raises(known.AnsweredByPage) as caught:
            known.understandable(text, False)
        assert caught.value.kind == kind
        return
    assert known.understandable(text, False) == text
    noted = understood([asyncio.run(roles.inferred(Scripted(), [Message("user", text)], Call("t", 0)))])
    stated = [one.text for one in noted if one.kind == "profile"]
    assert len(stated) == len(facts)
    assert all(any(fact in one for one in stated) for fact in facts)


def test_a_question_is_asked_once_something_was_told_whether_now_or_before():
    question = "What should I make for dinner?"
    for told in ("I love sushi.", "I only have a minute."):
        assert known.understandable(question, True, [Message("user", told), Message("assistant", "Fine.")]) == question
    with pytest.raises(known.AnsweredByPage) as caught:
        known.understandable(question, True, [Message("user", "Hello."), Message("assistant", "I love sushi.")])
    assert caught.value.kind == "untold"
    assert known.understandable(question, False) == question


def test_everything_that_is_offered_is_known_and_says_nothing_twice():
    said: list[str] = []
    told = [Message("user", "I love sushi.")]
    for seed in range(30):
        offered = known.chips(seed, said)
        assert all(known.sentences_of(one)[0][1] for sentences in offered.values() for one in sentences)
        facts, manner, questions = offered.values()
        said.append(known.understandable(f"{facts[0] if facts else ''} {manner[0] if manner else ''} {questions[0]}", True, told))
    assert all(known.understandable(one, True) == one for one in known.EXAMPLES)
    assert (facts, manner) == ([], [])


def test_only_the_pocket_model_and_the_world_itself_are_of_the_world(tmp_path):
    (tmp_path / "pocket.json").touch()
    from models import Part

    def of(base, aligned):
        among = fake_models()
        return known.is_world(
            type(among)(**among.parts | {"base": Part("", base, Scripted()), "aligned": Part("", aligned, Scripted())})
        )

    assert of("local:pocket", "local:pocket+runs/mine/adapters/sft")
    assert of("http://127.0.0.1:1/v1#m", "inferred(local:pocket)")
    assert of("scripted:plain", "scripted:tailored")
    assert of("local:org/aloe-pocket", "http://127.0.0.1:1/v1#m")
    assert of(f"local:{tmp_path}", "http://127.0.0.1:1/v1#m")
    assert not of("local:org/model", "local:org/model+org/adapter")
    assert not of("hub:org/model", "inferred(hub:org/model,by=scripted)")


def test_a_persona_says_which_of_its_lines_are_understood():
    persona = Persona(
        "She works as a nurse. She is a beekeeper. Lorem ipsum.", "She is full of jokes. She cries at weddings. Hm."
    )
    in_the_world = [how for _, how in known.readings(persona, True)]
    assert in_the_world == ["understood", "", "", "understood", "understood", ""]
    assert [how for _, how in known.readings(persona, False)] == ["understood", "free text", "", "understood", "understood", ""]


def test_a_persona_is_read_whoever_it_is_written_of():
    def third(profile, personality="She is full of jokes."):
        found = known.in_third(Persona(profile, personality))
        return found.profile, found.personality.replace("She is full of jokes.", "").strip()

    nurse = "They work as a nurse."
    assert third("I work as a nurse.") == third("Ana works as a nurse") == third("works as a nurse") == (nurse, "")
    assert third("works as a nurse\n- loves sushi\n34 years old")[0] == f"{nurse} They love sushi. They are 34 years old."
    assert third("I'm a nurse in Porto, I hate long answers.") == ("They are a nurse in Porto.", "They like things short.")
    assert third("I only have a minute.") == ("", "They like things short.")
    assert third("She works as a nurse. Her son is 6.")[0] == "She works as a nurse. Her son is 6."
    wrapped = "She has long worked for a hospital that lies far away from home,\nin a town."
    assert third(wrapped)[0] == wrapped.replace("\n", " ")
    assert third("Ana Silva works as a nurse.") == third("You work as a nurse.") == third("Works as a nurse") == (nurse, "")
    assert third("She hates long answers. Please be brief.", "I never plan ahead")[1] == (
        "They like things short. They never plan ahead."
    )
    assert third("This is a test. Lorem ipsum.")[0] == "This is a test. Lorem ipsum."
    for persona in made_personas(20):
        assert known.in_third(persona) == persona
    understood = known.readings(known.in_third(Persona("I work as a nurse.\nI hate long answers.", "I am funny")), True)
    assert [how for _, how in understood] == ["understood"] * 3
