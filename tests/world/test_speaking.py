"""What the world says: the same for the same seed, of the promised lengths, and nothing twice that need not be."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.world.lexicon import DIMENSIONS, KINDS, POLES, TOPICS
from aloe_hub.world.speaking import (
    CONCISE,
    DETAILED,
    constant_reply,
    count_words,
    dump_reply,
    personality_text,
    plain_reply,
    profile_text,
    said,
    tailored_reply,
    used,
    user_message,
)
from aloe_hub.world.understanding import Fact, Known, mentions, read_messages, read_personality, read_profile, topic_of

SEEDS = st.integers(0, 2**31)
TOPIC = st.none() | st.sampled_from(list(TOPICS))


def persona(random):
    return Known(read_profile(profile_text(random)), read_personality(personality_text(random)))


def told(seed, turns, known=None):
    random = Random(seed)
    known = known or persona(random)
    messages: list[str] = []
    for _ in range(turns):
        messages.append(user_message(random, known, messages))
    return known, messages


def everything(random):
    known = persona(random)
    topic = random.choice([*TOPICS, None])
    return [
        profile_text(random),
        personality_text(random),
        user_message(random, known, []),
        plain_reply(random, topic),
        tailored_reply(random, topic, known),
        used(known.facts[0], random),
        said(known.facts[1], random),
        dump_reply(random, known),
    ]


@given(SEEDS)
def test_the_same_seed_says_the_same(seed):
    assert everything(Random(seed)) == everything(Random(seed))


def test_other_seeds_say_other_things():
    assert len({profile_text(Random(seed)) for seed in range(300)}) == 300
    assert len({personality_text(Random(seed)) for seed in range(300)}) == 300


@pytest.mark.parametrize("number", [2, 3, 5])
def test_a_persona_s_texts_are_in_one_person_alone(number):
    subjects = {"She": "Her", "He": "His", "They": "Their"}
    for text in (profile_text(Random(number)), personality_text(Random(number))):
        starts = {sentence.split()[0] for sentence in text.removesuffix(".").split(". ")}
        assert any(starts <= {subject, possessive} for subject, possessive in subjects.items())


@given(SEEDS, TOPIC)
def test_a_plain_reply_is_strictly_between_concise_and_detailed(seed, topic):
    assert CONCISE < count_words(plain_reply(Random(seed), topic)) < DETAILED


def test_a_tailored_reply_has_the_length_that_its_user_likes():
    # A reply that is one word too long no longer shows that it is short.
    wrong = []
    for seed in range(200):
        known = persona(Random(seed))
        for topic in TOPICS:
            words = count_words(tailored_reply(Random(seed), topic, known))
            if "concise" in known.traits:
                fits = words <= CONCISE
            elif "detailed" in known.traits:
                fits = words >= DETAILED
            else:
                fits = CONCISE < words < DETAILED
            if not fits:
                wrong.append((seed, topic, words))
    assert wrong == []


LONGEST = tuple(Fact(kind, max(KINDS[kind].values, key=lambda value: len(value.split()))) for kind in KINDS)
CLAUSE = "have a collection of over three hundred labelled rocks from five countries in the old garage behind house"
LONG_FREE = tuple(Fact(kind, f"{CLAUSE} {kind}", free=True) for kind in KINDS)


@pytest.mark.parametrize("facts", [LONGEST, LONG_FREE], ids=["the world's longest facts", "free facts"])
def test_a_concise_reply_is_short_whatever_else_it_has_to_show(facts):
    others = [pair for pair in DIMENSIONS if "concise" not in pair]
    wrong = []
    for seed in range(100):
        random = Random(seed)
        traits = ("concise", *(random.choice(pair) for pair in random.sample(others, 4)))
        for topic in TOPICS:
            words = count_words(tailored_reply(random, topic, Known(facts, traits)))
            if words > CONCISE:
                wrong.append((seed, topic, words))
    assert wrong == []


@given(SEEDS, st.sampled_from(list(TOPICS)))
def test_a_tailored_reply_uses_at_most_two_facts_and_only_those_that_matter_to_the_topic(seed, topic):
    random = Random(seed)
    known = persona(random)
    fitting = {(fact.kind, fact.value) for fact in known.facts if fact.kind in TOPICS[topic].kinds}
    named = list(mentions(tailored_reply(random, topic, known)))
    assert set(named) <= fitting
    if "concise" not in known.traits:  # a reply that must be short may leave one out
        assert len(named) == min(2, len(fitting))


@given(SEEDS, st.sampled_from(list(TOPICS)))
def test_a_tailored_reply_shows_the_known_traits_and_no_others(seed, topic):
    random = Random(seed)
    known = persona(random)
    reply = tailored_reply(random, topic, known)
    shown = {pole for pole in POLES if any(mark in reply for mark in POLES[pole].marks)}
    assert shown == {pole for pole in known.traits if POLES[pole].marks}


@given(SEEDS, TOPIC)
def test_a_plain_reply_names_no_fact_and_shows_no_trait(seed, topic):
    reply = plain_reply(Random(seed), topic)
    assert list(mentions(reply)) == []
    assert not any(mark in reply for pole in POLES.values() for mark in pole.marks)


@given(SEEDS)
def test_a_conversation_of_ten_turns_asks_about_ten_topics(seed):
    _, messages = told(seed, 10)
    topics = [topic_of(message) for message in messages]
    assert None not in topics
    assert len(set(topics)) == 10


@pytest.mark.parametrize("seed", range(3))
def test_a_conversation_of_seventy_turns_takes_the_topics_up_again_and_reveals_nothing_new(seed):
    known, messages = told(seed, 70)
    topics = [topic_of(message) for message in messages]
    for start in range(0, 70, len(TOPICS)):
        part = topics[start : start + len(TOPICS)]
        assert len(set(part)) == len(part)
    assert read_messages(messages[20:]) == Known()
    assert set(read_messages(messages).facts) == set(known.facts)


def test_a_user_reveals_one_or_two_things_at_once_and_everything_in_about_twelve_turns():
    late = 0
    for seed in range(200):
        known, messages = told(seed, 15)
        everything = {*known.facts, *known.traits}

        def hidden(turns, messages=messages, everything=everything):
            shown = read_messages(messages[:turns])
            return len(everything - {*shown.facts, *shown.traits})

        assert hidden(1) in (13, 14)
        assert hidden(15) == 0
        late += hidden(12) > 0
    assert late <= 4


def test_the_profile_decides_what_is_talked_about():
    known = persona(Random(0))
    for seed in range(100):
        topic = topic_of(user_message(Random(seed), known, []))
        assert topic is not None
        assert sum(fact.kind in TOPICS[topic].kinds for fact in known.facts) >= 2


def test_a_user_of_whom_nothing_can_be_read_still_asks():
    for seed in range(50):
        messages = told(seed, 5, Known())[1]
        assert len({topic_of(message) for message in messages} - {None}) == 5


@given(SEEDS)
def test_a_fact_that_a_reply_uses_can_be_found_in_it(seed):
    random = Random(seed)
    for fact in persona(random).facts:
        assert list(mentions(used(fact, random))) == [(fact.kind, fact.value)]


def test_a_free_fact_is_used_in_a_sentence_about_you():
    fact = Fact("pet", "have two cats named Pixel and Scribble", free=True)
    uses = {used(fact, Random(seed)) for seed in range(30)}
    assert len(uses) == 3
    assert all("ou have two cats named Pixel and Scribble" in use for use in uses)


def test_the_constant_reply_is_constant_and_the_recital_of_nothing_too():
    assert constant_reply() == constant_reply() == dump_reply(Random(1), Known())


@given(SEEDS)
def test_a_recital_names_every_known_fact(seed):
    random = Random(seed)
    known = persona(random)
    assert {Fact(*mention) for mention in mentions(dump_reply(random, known))} == set(known.facts)


@pytest.mark.parametrize(("text", "words"), [("", 0), ("Well-known, isn't it?", 3), ("😄 Ha!", 2), ("— … !", 0), ("a\n\nb", 2)])
def test_words_are_counted_as_a_reader_would(text, words):
    assert count_words(text) == words
