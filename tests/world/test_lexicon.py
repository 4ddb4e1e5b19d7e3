"""The lexicon's promises: what a text says is never mistaken for something else that is in it."""

from collections import Counter
from itertools import chain
from math import comb

import pytest

from aloe_hub.world import sentences
from aloe_hub.world.freetext import poles_in, words_of
from aloe_hub.world.lexicon import CLOSERS, COLOURS, DIMENSIONS, GREETINGS, KINDS, OPENERS, POLES, REACTIONS, TOPICS
from aloe_hub.world.speaking import TRAITS_OF_A_PERSONA
from aloe_hub.world.understanding import Known, mentions, read_message, read_personality, topic_of

MARKS = [mark for pole in POLES.values() for mark in pole.marks]
TIPS = [tip for topic in TOPICS.values() for tip in topic.tips]
QUESTIONS = [question for topic in TOPICS.values() for question in topic.questions]
CUES = [cue for pole in POLES.values() for cue in pole.cues]


def topics_in(text):
    return {name for name, topic in TOPICS.items() if not set(topic.keywords).isdisjoint(words_of(text))}


def doubled(texts):
    return [text for text, count in Counter(texts).items() if count > 1]


def test_there_is_enough_for_hundreds_of_profiles_and_dozens_of_personalities():
    assert len(KINDS) >= 14
    assert comb(len(DIMENSIONS), TRAITS_OF_A_PERSONA) * 2**TRAITS_OF_A_PERSONA >= 500
    assert len(TOPICS) >= 10
    assert all(len(kind.values) >= 8 for kind in KINDS.values())


def test_a_value_belongs_to_one_kind():
    assert doubled(chain.from_iterable(kind.values for kind in KINDS.values())) == []


def test_a_value_never_holds_another_one_as_a_word():
    for name, kind in KINDS.items():
        for value in kind.values:
            assert list(mentions(value)) == [(name, value)]


def test_a_kind_is_said_and_used_in_several_ways_each_with_its_value_once():
    for kind in KINDS.values():
        assert len(set(kind.said)) >= 3
        assert len(set(kind.used)) >= 3
        assert all(text.count("{v}") == 1 for text in (*kind.said, *kind.used))
        assert all(said.startswith(("you ", "your ")) for said in kind.said)
        assert all(sentences.split_sentences(used) == [used] for used in kind.used)


def test_every_tip_holds_a_keyword_of_its_topic_and_none_of_another():
    assert {tip: topics_in(tip) for tip in TIPS} == {tip: {name} for name, topic in TOPICS.items() for tip in topic.tips}


def test_no_tip_names_a_value_or_speaks_of_the_user_or_shows_a_trait():
    for tip in TIPS:
        assert list(mentions(tip)) == [], tip
        assert {"you", "your", "yours", "yourself"}.isdisjoint(words_of(tip)), tip
        assert [mark for mark in MARKS if mark in tip] == [], tip
        assert sentences.split_sentences(tip) == [tip]


@pytest.mark.parametrize("kind", KINDS)
def test_no_use_of_a_fact_holds_a_keyword_of_a_topic(kind):
    # Else naming a fact would answer a question, or take up a second topic.
    values = KINDS[kind].values if len(KINDS[kind].values) < 50 else KINDS[kind].values[:3]
    uses = [used.replace("{v}", value) for used in KINDS[kind].used for value in values]
    assert {use: topics_in(use) for use in uses if topics_in(use)} == {}


def test_no_use_of_a_fact_holds_a_mark_or_a_value_of_its_own():
    for kind in KINDS.values():
        for used in kind.used:
            assert list(mentions(used.replace("{v}", ""))) == []
            assert [mark for mark in MARKS if mark in used] == []


@pytest.mark.parametrize("phrase", [*MARKS, *OPENERS, *CLOSERS])
def test_no_mark_opener_or_closer_holds_a_keyword_of_a_topic_or_a_value(phrase):
    assert topics_in(phrase) == set()
    assert list(mentions(phrase)) == []


def test_no_opener_or_closer_holds_a_mark():
    assert [(phrase, mark) for phrase in (*OPENERS, *CLOSERS) for mark in MARKS if mark in phrase] == []


def test_no_mark_stands_inside_what_another_pole_says():
    for name, pole in POLES.items():
        others = [
            text for other in POLES if other != name for text in (*POLES[other].said, *POLES[other].cues, *POLES[other].marks)
        ]
        assert [(mark, text) for mark in pole.marks for text in others if mark in text] == []


def test_poles_come_in_pairs_with_marks_on_both_sides_or_on_none():
    assert list(chain.from_iterable(DIMENSIONS)) == list(POLES)
    for pole, other in DIMENSIONS:
        assert bool(POLES[pole].marks) == bool(POLES[other].marks)
    assert [pole for pole in POLES if not POLES[pole].marks] == ["concise", "detailed"]


def test_every_cue_means_its_pole_and_nothing_else():
    assert doubled(CUES) == []
    for name, pole in POLES.items():
        assert len(pole.cues) >= 3
        for cue in pole.cues:
            assert read_message(cue) == Known((), (name,))


def test_no_colour_means_a_trait():
    assert doubled(COLOURS) == []
    for colour in COLOURS:
        for subject in sentences.SUBJECTS:
            text = sentences.to_third(f"you {colour}", subject)
            assert poles_in(text) == [], text
            assert read_personality(text) == (), text


def test_no_word_of_free_text_means_two_poles():
    assert doubled(chain.from_iterable(pole.words for pole in POLES.values())) == []


def test_questions_are_unique_and_ask_about_their_topic():
    assert doubled(QUESTIONS) == []
    for name, topic in TOPICS.items():
        assert len(topic.questions) >= 3
        for question in topic.questions:
            assert topic_of(question) == name


def test_no_question_tells_a_fact_or_a_trait():
    for question in QUESTIONS:
        assert read_message(question) == Known(), question


@pytest.mark.parametrize("phrase", [*GREETINGS, *REACTIONS])
def test_no_greeting_or_reaction_tells_a_fact_or_a_trait(phrase):
    assert read_message(phrase) == Known()
    assert topic_of(phrase) is None


def test_no_keyword_belongs_to_two_topics():
    assert doubled(chain.from_iterable(topic.keywords for topic in TOPICS.values())) == []


def test_only_some_facts_matter_to_a_topic_and_every_kind_matters_to_one():
    for topic in TOPICS.values():
        assert set(topic.kinds) < set(KINDS)
        assert 2 <= len(topic.kinds) == len(set(topic.kinds)) <= 5
    assert set(chain.from_iterable(topic.kinds for topic in TOPICS.values())) == set(KINDS)
