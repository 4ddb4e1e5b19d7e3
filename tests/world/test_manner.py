"""Which wordings a user has: two sides of a split that together are all there are, and both understood."""

from random import Random

import pytest

from aloe_hub.errors import UsageError
from aloe_hub.world import sentences
from aloe_hub.world.lexicon import KINDS, POLES
from aloe_hub.world.manner import WORDINGS, Manner
from aloe_hub.world.speaking import personality_text, profile_text, said, user_message
from aloe_hub.world.understanding import Fact, Known, read_messages, read_personality, read_profile

SIDES = {wording: Manner(wording) for wording in WORDINGS}


@pytest.mark.parametrize("wordings", [*(kind.said for kind in KINDS.values()), *(pole.cues for pole in POLES.values())])
def test_each_kind_and_pole_has_wordings_on_both_sides_and_none_on_two(wordings):
    train, held_out = (SIDES[side].of(wordings) for side in ("train", "held-out"))
    assert train
    assert held_out
    assert (*train, *held_out) == wordings == Manner().of(wordings)


def told(manner, seed):
    """What somebody says in ten turns, and who they are."""
    random = Random(seed)
    known = Known(read_profile(profile_text(random)), read_personality(personality_text(random)))
    messages: list[str] = []
    for _ in range(10):
        messages.append(user_message(random, known, messages, manner=manner))
    return known, messages


@pytest.mark.parametrize("side", WORDINGS)
def test_a_user_of_one_side_says_nothing_in_a_wording_of_the_other(side):
    cues = {cue for pole in POLES.values() for cue in SIDES[side].of(pole.cues)}
    for seed in range(20):
        known, messages = told(SIDES[side], seed)
        facts = {
            sentences.to_first(wording.replace("{v}", fact.value))
            for fact in known.facts
            for wording in SIDES[side].of(KINDS[fact.kind].said)
        }
        anywhere = {sentences.to_first(said(fact, Random(n))) for fact in known.facts for n in range(40)}
        anywhere |= {cue for pole in POLES.values() for cue in pole.cues}
        reveals = {sentence for message in messages for sentence in sentences.split_sentences(message)} & anywhere
        assert reveals
        assert reveals <= facts | cues


@pytest.mark.parametrize("side", WORDINGS)
def test_what_a_user_of_either_side_tells_is_understood(side):
    for seed in range(20):
        known, messages = told(SIDES[side], seed)
        understood = read_messages(messages)
        assert set(understood.facts) <= set(known.facts)
        assert set(understood.traits) <= set(known.traits)
        assert len(understood.facts) + len(understood.traits) >= len(messages)


def test_nobody_s_manner_is_that_of_whom_no_option_was_given_for():
    for seed in range(20):
        assert told(Manner(), seed) == told(Manner.read(()), seed)
        assert told(Manner(), seed)[1] != told(SIDES["held-out"], seed)[1]


def test_the_first_wording_is_said_where_none_is_drawn():
    assert said(Fact("job", "nurse"), manner=SIDES["train"]) == said(Fact("job", "nurse"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([("words", "train")], "model 'scripted:user?words=train': no such option; known: wording"),
        ([("wording", "new")], r"model 'scripted:user\?wording=new': expected wording=train or held-out"),
    ],
)
def test_options_that_there_are_not_are_refused(options, message):
    with pytest.raises(UsageError, match=message.replace("user?words", r"user\?words")):
        Manner.read(options)
