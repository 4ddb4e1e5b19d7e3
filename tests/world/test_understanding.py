"""The world understands all that it says itself exactly, and free text usefully."""

import json
from importlib.resources import files
from random import Random
from statistics import mean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aloe_hub.stages.imports import read_texts
from aloe_hub.world import sentences
from aloe_hub.world.lexicon import DIMENSIONS, KINDS, POLES, TOPICS
from aloe_hub.world.speaking import personality_text, profile_text, said, statement, user_message
from aloe_hub.world.understanding import (
    Fact,
    Known,
    mentions,
    read_message,
    read_messages,
    read_personality,
    read_profile,
    topic_of,
)

SEEDS = st.integers(0, 2**31)


def persona(random):
    return Known(read_profile(profile_text(random)), read_personality(personality_text(random)))


def stated(known):
    """What is read back of an inferrer's statement."""
    profile, personality = statement(known)
    return Known(read_profile(profile), read_personality(personality))


def seed_texts(name):
    return [json.loads(line)["text"] for line in (files("aloe_hub.seeds") / name).read_text("utf-8").splitlines()]


# The world's own grammar: exactly


@settings(deadline=None)  # a busy machine is no failure
@given(SEEDS)
def test_a_profile_gives_exactly_the_ten_facts_that_were_said(seed):
    text = profile_text(Random(seed))
    facts = read_profile(text)
    assert len(facts) == 10
    assert len({fact.kind for fact in facts}) == 10
    for fact, sentence in zip(facts, sentences.split_sentences(text), strict=True):
        assert not fact.free
        assert fact.value in KINDS[fact.kind].values
        assert sentences.from_third(sentence) in {wording.replace("{v}", fact.value) for wording in KINDS[fact.kind].said}


@settings(deadline=None)  # a busy machine is no failure
@given(SEEDS)
def test_a_personality_gives_exactly_the_five_poles_that_were_said(seed):
    text = personality_text(Random(seed))
    shown = [(sentences.from_third(sentence) or "").removeprefix("you ") for sentence in sentences.split_sentences(text)]
    assert read_personality(text) == tuple(pole for phrase in shown for pole in POLES if phrase in POLES[pole].said)
    assert len(read_personality(text)) == 5


@settings(deadline=None)  # a busy machine is no failure
@given(SEEDS)
def test_what_a_message_reveals_is_understood_exactly_from_it(seed):
    random = Random(seed)
    known = persona(random)
    told: list[str] = []
    for _ in range(6):
        before = read_messages(told)
        message = user_message(random, known, told)
        understood = read_message(message)
        assert set(understood.facts) <= set(known.facts), message
        assert set(understood.traits) <= set(known.traits), message
        wordings = {sentences.to_first(said(fact, Random(n))) for fact in understood.facts for n in range(40)}
        cues = {cue for pole in understood.traits for cue in POLES[pole].cues}
        reveals = [sentence for sentence in sentences.split_sentences(message) if sentence in wordings | cues]
        assert len(reveals) == len(understood.facts) + len(understood.traits)
        assert set(before.facts).isdisjoint(understood.facts)
        assert set(before.traits).isdisjoint(understood.traits)
        told.append(message)


def test_every_fact_is_understood_in_every_wording_and_person():
    for kind in KINDS:
        for wording in KINDS[kind].said:
            for value in KINDS[kind].values[::7]:
                fact = Fact(kind, value)
                you = wording.replace("{v}", value)
                assert read_message(sentences.to_first(you)) == Known((fact,))
                for subject in sentences.SUBJECTS:
                    assert read_profile(sentences.to_third(you, subject)) == (fact,)


def test_every_pole_is_understood_in_every_wording_and_person():
    for pole in POLES:
        for wording in POLES[pole].said:
            for subject in sentences.SUBJECTS:
                assert read_personality(sentences.to_third(f"you {wording}", subject)) == (pole,)


@settings(deadline=None)  # a busy machine is no failure
@given(SEEDS, st.integers(0, 12))
def test_a_statement_of_the_inferrer_is_read_back_to_the_same(seed, turns):
    random = Random(seed)
    known = persona(random)
    told: list[str] = []
    for _ in range(turns):
        told.append(user_message(random, known, told))
    inferred = read_messages(told)
    assert stated(inferred) == inferred
    assert stated(known) == known


def test_nothing_known_is_stated_as_nothing():
    assert statement(Known()) == ("", "")
    assert stated(Known()) == Known()


@settings(deadline=None)  # a busy machine is no failure
@given(SEEDS)
def test_what_is_known_grows_by_what_is_new(seed):
    random = Random(seed)
    first, second = persona(random), persona(random)
    both = first.plus(second)
    assert both.facts[:10] == first.facts
    assert set(both.facts) == set(first.facts) | set(second.facts)
    assert both.traits[:5] == first.traits
    for pair in DIMENSIONS:
        assert len(set(pair) & set(both.traits)) <= 1
    assert first.plus(Known()) == Known().plus(first) == first.plus(first) == first


def test_of_two_poles_of_a_pair_the_first_said_counts():
    assert read_personality("She is full of jokes. She is serious through and through.") == ("playful",)
    assert read_messages(["I take things seriously. Any dinner ideas?", "Haha, what a day!"]).traits == ("serious",)


@pytest.mark.parametrize("name", TOPICS)
def test_a_topic_is_known_by_its_question_and_by_its_keywords(name):
    other = next(topic for topic in TOPICS if topic != name)
    distracting = " ".join(TOPICS[other].keywords).capitalize()
    for question in TOPICS[name].questions:
        assert topic_of(f"{distracting}. {question}") == name
    for keyword in TOPICS[name].keywords:
        assert topic_of(f"Anything about {keyword}, please?") == name


@pytest.mark.parametrize("text", ["", "Hi.", "Nice to meet you!", "?"])
def test_what_asks_about_nothing_known_has_no_topic(text):
    assert topic_of(text) is None


def test_values_are_found_wherever_they_stand_as_words():
    text = "Chess? no: chess, sushi. The hearing aid's fine; hearing is not aid. Food pantries, food pantry!"
    assert list(mentions(text)) == [("hobby", "chess"), ("food", "sushi"), ("cause", "food pantry")]


def test_questions_and_what_is_said_of_others_reveal_nothing():
    assert read_message("Am I a nurse? She works as a nurse. You like sushi. Nurse.") == Known()


# Free text: usefully

SENTENCES = [
    ("She is a 34-year-old freelance graphic designer who enjoys hiking, yoga, and painting.",
     ["34", "are a freelance graphic designer", "enjoy hiking", "enjoy yoga", "enjoy painting"]),
    ("He is married and has three grandchildren, two boys and one girl who he loves spending time with.",
     ["are married", "have three grandchildren"]),
    ("She works as a nurse and lives in a small town.", ["nurse", "live in a small town"]),
    ("Their brother keeps bees.", ["your brother keeps bees"]),
    ("They have a Ph.D. in physics.", ["have a PhD in physics"]),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "clauses"), SENTENCES)
def test_the_facts_of_a_free_sentence_are_its_clauses_or_the_world_s_own_facts(sentence, clauses):
    facts = read_profile(sentence)
    assert [fact.value for fact in facts] == clauses
    assert [fact.value for fact in facts if not fact.free] == [value for value in clauses if value in ("34", "nurse")]


@pytest.mark.parametrize(
    ("message", "facts", "traits"),
    [
        (
            "hi, I just moved to Lisbon with my two kids and I hate long answers",
            ["just moved to Lisbon with your two kids"],
            ("concise",),
        ),
        ("i work as a nurse and i have a dog, any dinner ideas?", ["nurse", "have a dog"], ()),
        ("Hello! I'm a teacher, and my dog is sick, what should I do?", ["are a teacher", "your dog is sick"], ()),
        ("My brother and I live together.", ["your brother and I live together"], ()),
        ("My daughter is 6 and allergic to peanuts", ["your daughter is 6", "your daughter is allergic to peanuts"], ()),
        ("I like your answer, I read your answer twice", [], ()),
        ("Sorry, I meant I am 31 years old", ["31"], ()),
        ("please be brief", [], ("concise",)),
        ("Explain step by step with lots of detail.", [], ("detailed",)),
        ("Please keep your answers short", [], ("concise",)),
        ("Please be here in detail. Explain the contract in detail to my boss.", [], ()),
        ("well, i'm 34 and I don't like short replies", ["are 34"], ("detailed",)),
        ("Please keep it short!", [], ("concise",)),
        ("I hate long winters.", ["hate long winters"], ()),
        ("What should I cook, I wonder?", [], ()),
    ],
)
def test_a_typed_sentence_is_read_from_its_subjects_on_without_what_it_asks(message, facts, traits):
    known = read_message(message)
    assert [fact.value for fact in known.facts] == facts
    assert known.traits == traits


def test_a_fact_in_the_world_s_own_words_is_exact_even_among_free_text():
    facts = read_profile("She collects stamps and restores old cars.")
    assert facts[0] == Fact("collects", "stamps")
    assert facts[1].free


@pytest.mark.parametrize(
    ("text", "poles"),
    [
        ("He is witty and cheerful.", {"playful", "optimistic"}),
        ("She is very detail-oriented, rational and loves to analyze things.", {"detailed", "analytical"}),
        ("They are compassionate. They are cautious.", {"warm", "cautious"}),
        ("He is rarely serious.", set()),
        ("She is not curious.", set()),
        ("She is tall.", set()),
        ("He is humorous in a quiet way.", {"playful"}),
    ],
)
def test_trait_words_of_free_text_mean_poles(text, poles):
    assert set(read_personality(text)) == poles


def understood_in_the_first_person(facts):
    for fact in facts:
        assert read_message(sentences.to_first(said(fact))) == Known((fact,))
    assert stated(Known(facts)) == Known(facts)


def test_our_seed_profiles_give_at_least_five_facts_each_that_their_users_can_tell():
    for text in seed_texts("profiles.jsonl"):
        assert len(read_profile(text)) >= 5, text
        understood_in_the_first_person(read_profile(text))


def test_our_seed_personalities_give_at_least_two_traits_on_average():
    assert mean(len(read_personality(text)) for text in seed_texts("personalities.jsonl")) >= 2


def test_a_user_with_a_seed_s_persona_tells_all_of_it():
    for profile, personality in zip(seed_texts("profiles.jsonl"), seed_texts("personalities.jsonl"), strict=True):
        known, random = Known(read_profile(profile), read_personality(personality)), Random(0)
        told: list[str] = []
        for _ in range(20):
            told.append(user_message(random, known, told))
        assert set(read_messages(told).facts) == set(known.facts)
        assert set(read_messages(told).traits) == set(known.traits)


def test_the_authors_profiles_give_at_least_five_facts_each_that_their_users_can_tell(authors):
    profiles = read_texts(authors / "profile.jsonl").texts
    assert len(profiles) > 300
    for profile in profiles:
        assert len(read_profile(profile.text)) >= 5, profile.text
        understood_in_the_first_person(read_profile(profile.text))


def test_the_authors_personalities_give_at_least_two_traits_on_average(authors):
    personalities = read_texts(authors / "personality.jsonl").texts
    assert mean(len(read_personality(personality.text)) for personality in personalities) >= 2


WORDS = st.sampled_from(
    ["I", "She", "he", "They", "her", "my", "your", "you", "is", "'s", "works", "has", "and", "who", ", and", "also", "enjoys",
     "love", "a", "34-year-old", "nurse", "Dr.", ".", "!", "?", "…", "—", "{v}", "|", "\n", "\u2028", "İ", "ß", "🎉", "I see.",
     "Haha, what a day!"]
)  # fmt: skip
TEXTS = st.text() | st.lists(WORDS | st.text(max_size=4), max_size=15).map(" ".join)


@settings(deadline=None)  # a busy machine is no failure
@given(TEXTS, TEXTS)
def test_any_text_can_be_read_and_what_is_read_can_be_stated_and_read_back(profile, personality):
    known = Known(read_profile(profile), read_personality(personality))
    assert stated(known) == known
    known = read_messages([profile, personality])
    assert stated(known) == known
    topic_of(profile)
    list(mentions(profile))
