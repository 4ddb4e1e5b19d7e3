"""What the pocket model reads: answered as asked, personal only on request, and without what is held out."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.world import corpus, speaking
from aloe_hub.world.corpus import ASKED_FOR, REQUESTS, UNASKED, Said
from aloe_hub.world.judging import judge
from aloe_hub.world.lexicon import ASKED, KINDS, POLES
from aloe_hub.world.understanding import mentions, read_messages, topic_of

SEEDS = st.integers(0, 2**31)
EVERY_REQUEST = {request for requests in REQUESTS.values() for request in requests}


def dialogues(seed: int, number: int = 5, **how) -> list[list[Said]]:
    random = Random(seed)
    return [corpus.dialogue(random, 8, **how) for _ in range(number)]


def request_in(message: str) -> str | None:
    return next((kind for kind in REQUESTS if message.endswith(REQUESTS[kind])), None)


@given(SEEDS)
def test_the_same_seed_gives_the_same_dialogue(seed):
    assert dialogues(seed, 1) == dialogues(seed, 1)


@given(SEEDS)
def test_nothing_held_out_is_ever_said(seed):
    told = [said for dialogue in dialogues(seed) for said in dialogue] + corpus.recall_drill(Random(seed))
    for said in told:
        for text in said:
            assert not [mention for mention in mentions(text) if corpus.is_held_out(*mention)]


def test_a_quarter_of_the_names_is_held_out_and_nothing_else():
    for name, kind in KINDS.items():
        share = sum(corpus.is_held_out(name, value) for value in kind.values) / len(kind.values)
        assert 0.2 < share < 0.3 if name in corpus.NAMES else share == 0, name


def test_every_way_to_say_a_fact_and_every_cue_comes_up():
    said = " ".join(said.user for dialogue in dialogues(2, 400) for said in dialogue)
    assert [cue for pole in POLES.values() for cue in pole.cues if cue not in said] == []


@given(SEEDS)
def test_an_answer_is_personal_only_where_it_was_asked_for(seed):
    for dialogue in dialogues(seed):
        for said in dialogue:
            facts = {kind for kind, value in mentions(said.assistant)}
            asked = request_in(said.user)
            if asked in (None, "style") and not said.user.endswith(tuple(f"{name}?" for name in ASKED.values())):
                assert not facts


@given(SEEDS)
def test_an_answer_uses_no_fact_that_was_not_told(seed):
    for dialogue in dialogues(seed):
        for turn, said in enumerate(dialogue, 1):
            told = {(fact.kind, fact.value) for fact in read_messages(said.user for said in dialogue[:turn]).facts}
            assert set(mentions(said.assistant)) <= told


@given(SEEDS)
def test_the_ablation_never_holds_a_request(seed):
    for dialogue in dialogues(seed, mix=UNASKED):
        assert not [said for said in dialogue if said.user.endswith(tuple(EVERY_REQUEST))]


@given(SEEDS)
def test_a_drill_asks_for_each_fact_that_was_told_and_answers_with_it(seed):
    first, *_ = drill = corpus.recall_drill(Random(seed))
    values = {fact.value for fact in read_messages([first.user]).facts}
    assert len(values) == len(drill)
    assert {value for said in drill for value in values if value in said.assistant} == values


@pytest.mark.parametrize("kind", ["facts", "style", "both"])
def test_an_answer_on_request_scores_above_a_plain_one(kind):
    """The judge of the world is the measure of what the corpus teaches: the persona is what was told."""
    random, gains = Random(3), []
    for dialogue in dialogues(3, 40):
        known = read_messages(said.user for said in dialogue)
        profile, personality = speaking.statement(known)
        topic = topic_of(dialogue[-1].user)
        if topic is None:
            continue
        earlier = tuple(map(tuple, dialogue))
        asked, plain = (
            judge(profile, personality, earlier[:-1], dialogue[-1].user, corpus.answer(random, topic, known, kind)).score
            for kind in (kind, "plain")
        )
        gains.append(asked - plain)
    assert sum(gains) / len(gains) > 0.3


def test_every_kind_of_turn_comes_up_about_as_often_as_the_mix_says():
    said = [said for dialogue in dialogues(1, 300) for said in dialogue]
    for kind in REQUESTS:
        assert abs(sum(request_in(one.user) == kind for one in said) / len(said) - ASKED_FOR[kind]) < 0.04


def test_dialogues_of_one_stream_differ():
    assert all(one != other for one, other in pairwise(dialogues(5, 20)))
