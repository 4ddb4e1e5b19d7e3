"""The world's judge: what pays, what costs, and which strategies it must not be fooled by."""

from dataclasses import replace
from functools import cache
from random import Random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.world.judging import FEWEST_WORDS, MOST_WORDS, Judgement, judge
from aloe_hub.world.lexicon import POLES, TOPICS
from aloe_hub.world.speaking import (
    constant_reply,
    count_words,
    dump_reply,
    personality_text,
    plain_reply,
    profile_text,
    tailored_reply,
    used,
    user_message,
)
from aloe_hub.world.understanding import Known, read_message, read_messages, read_personality, read_profile, topic_of

# One persona, of whom the job, the food, the family, jokes and a soft heart have been revealed, and the rest has not.
PROFILE = "She works as a nurse. She loves sushi. She lives with her sister. She always orders chai. Her hobby is chess."
PERSONALITY = "She is full of jokes. She has a soft heart. She makes up her mind in a second."
EARLIER = (
    ("I work as a nurse. I love sushi. How do I stay fit?", "Walk half an hour every day. Spare sore muscles for two days."),
    ("I live with my sister. I could use some kindness. Haha, what a day! How can I relax tonight?", "Breathe slowly."),
)
MESSAGE = "I have been so busy that I never cook. Any dinner ideas?"
# On topic, two fitting facts, both revealed traits, of middle length.
GOOD = (
    "😄 Ha! I hear you. A warm recipe is always welcome. Have some sushi. Your sister will enjoy it. "
    "Set the dinner table early tonight. A light meal is often best."
)


def judged(reply, message=MESSAGE, earlier=EARLIER, personality=PERSONALITY):
    return judge(PROFILE, personality, earlier, message, reply)


def faults(judgement):
    return {
        name: value
        for name in ("further_topics", "contradictions", "unrevealed", "irrelevant", "repeats", "echoes", "said_before")
        if (value := getattr(judgement, name))
    }


def test_a_good_reply_has_no_fault_and_nearly_the_best_score():
    best = judged(GOOD)
    assert best.on_topic
    assert (best.fitting, faults(best)) == (2, {})
    assert best.style == pytest.approx(2 / 3)  # two of three traits can be known
    assert best.score == 4.5


def test_everything_revealed_and_met_scores_five():
    message = f"I make up my mind fast. {MESSAGE}"
    assert judged(f"{GOOD} Do it.", message).score == 5


@pytest.mark.parametrize(
    ("worse", "fault"),
    [
        (f"{GOOD} Have some ramen.", {"contradictions": 1}),
        (f"{GOOD} Have some ramen. It suits a busy pilot.", {"contradictions": 2}),
        (f"{GOOD} Enjoy it with chai.", {"unrevealed": 1}),
        (f"{GOOD} Your chess fits well.", {"unrevealed": 1}),
        (f"{GOOD} It suits a busy nurse.", {"irrelevant": 1}),
        (f"{MESSAGE} {GOOD.partition('Your sister')[0]}", {"echoes": 1}),
        (f"{GOOD} A warm recipe is always welcome. Set the dinner table early tonight.", {"repeats": 1}),
        (f"{GOOD} Keep Saturday free for something fun. Hang a picture on the wall.", {"further_topics": 2}),
    ],
)  # fmt: skip
def test_each_fault_is_seen_and_lowers_the_score(worse, fault):
    judgement = judged(worse)
    assert count_words(worse) <= MOST_WORDS
    assert faults(judgement) == fault
    assert judgement.score < judged(GOOD).score


def test_a_reply_that_was_said_before_costs():
    earlier = (*EARLIER, ("Any dinner ideas?", GOOD))
    assert faults(judged(GOOD, earlier=earlier)) == {"said_before": 1}
    assert judged(GOOD, earlier=earlier).score < judged(GOOD).score


def test_both_poles_of_a_pair_cost_more_than_none():
    both = judged(f"{GOOD} Certainly. Bottom line: that is all.")
    neither = judged(GOOD.replace("😄 Ha! I hear you. ", ""))
    assert both.style < neither.style < judged(GOOD).style
    assert both.score < neither.score < judged(GOOD).score


def test_the_other_pole_costs_more_than_none():
    wrong = judged(GOOD.replace("😄 Ha! I hear you.", "Certainly. Plainly:"))
    assert wrong.style == pytest.approx(-2 / 3)
    assert wrong.score < judged(GOOD.replace("😄 Ha! I hear you. ", "")).score


def test_off_topic_costs_and_halves_what_facts_and_style_are_worth():
    off = "😄 Ha! I hear you. Have some sushi. Your sister will enjoy it. It is all quite simple, so they say, in a way."
    judgement = judged(off)
    assert not judgement.on_topic
    assert (judgement.fitting, judgement.style) == (2, judged(GOOD).style)
    assert judgement.score == pytest.approx(1 + (judged(GOOD).score - 2) / 2)


def test_an_answer_to_another_question_is_off_topic():
    other = judged(plain_reply(Random(1), "money"))
    assert not other.on_topic
    assert other.score < judged(plain_reply(Random(1), "dinner")).score


def test_each_word_too_many_costs():
    scores = [judged(" ".join([GOOD, *(f"so{n}" for n in range(count))])).score for count in (0, 10, 60, 80, 120)]
    assert scores == sorted(scores, reverse=True)
    assert scores[1] == scores[0]
    assert len(set(scores[1:])) == 4


@pytest.mark.parametrize("reply", ["", " ", "Sushi.", "Have some sushi, dinner!"])
def test_too_few_words_score_one(reply):
    assert count_words(reply) < FEWEST_WORDS
    assert judged(reply).score == 1


def test_style_that_was_never_revealed_does_not_pay():
    decided = f"{GOOD} Do it."
    assert "decisive" in read_personality(PERSONALITY)
    assert judged(decided).score < judged(GOOD).score
    told = f"I make up my mind fast. {MESSAGE}"
    assert judged(decided, told).score > judged(GOOD, told).score


@pytest.mark.parametrize(
    ("personality", "cue", "short"),
    [
        ("She likes things short.", "Long texts tire me.", True),
        ("She never minds a long read.", "I love to know every detail.", False),
    ],
)
def test_length_that_was_never_revealed_does_not_pay(personality, cue, short):
    brief, long = "A warm recipe is always welcome. Good luck with it.", " ".join(TOPICS["dinner"].tips[:7])
    fitting, other = (brief, long) if short else (long, brief)
    unknown = [judged(reply, personality=personality).score for reply in (fitting, other)]
    assert unknown[0] == unknown[1]
    known = [judged(reply, f"{cue} {MESSAGE}", personality=personality).score for reply in (fitting, other)]
    assert known[0] > unknown[0] > known[1]


def test_a_fact_pays_only_once_it_is_revealed():
    reply = f"{GOOD.replace('Have some sushi. Your sister will enjoy it.', 'Enjoy it with chai.')}"
    told = f"I always order chai. {MESSAGE}"
    assert judged(reply).unrevealed == 1
    assert (judged(reply, told).fitting, judged(reply, told).unrevealed) == (1, 0)
    assert judged(reply, told).score > judged(reply).score


def test_more_than_two_fitting_facts_pay_no_more():
    told = f"I always order chai. {MESSAGE}"
    assert judged(f"{GOOD} Enjoy it with chai.", told).score == judged(GOOD, told).score


def test_a_score_lies_between_one_and_five_and_the_reasons_are_one_line():
    worst = Judgement(
        on_topic=False,
        further_topics=9,
        fitting=0,
        contradictions=9,
        unrevealed=9,
        irrelevant=9,
        style=-1,
        repeats=True,
        echoes=True,
        said_before=True,
        words=500,
    )
    assert worst.score == 1
    best = replace(judged(GOOD), style=1.0, fitting=9)
    assert best.score == 5
    for judgement in (worst, best):
        assert "\n" not in judgement.reasons()
    assert "9 contradiction(s)" in worst.reasons()
    assert "Faults: none." in best.reasons()


@pytest.mark.parametrize(
    ("profile", "reply"),
    [
        ("Her cupboards hold hundreds of stamps. Her favorite color is teal.", "Make it red."),
        ("Her hobby is pottery. She works as a nurse.", "A potter would like that."),
        ("She works as a lawyer. She studied botany.", "Some law helps here."),
        ("Her hobby is photography. She loves sushi.", "Have some pho."),
    ],
)
def test_a_wrong_value_is_a_contradiction_even_inside_another_word_of_the_profile(profile, reply):
    assert judge(profile, PERSONALITY, (), MESSAGE, reply).contradictions == 1


def test_a_true_value_in_free_words_is_no_contradiction():
    profile = "Sushi is what she cooks best. She and her two sons own a Korean restaurant."
    for reply in ("Have some sushi tonight.", "Make it a bit Korean."):
        assert judge(profile, PERSONALITY, (), MESSAGE, reply).contradictions == 0


FREE_PROFILE = (
    "He is a baker who restores old motorcycles. He has two cats named Pixel and Scribble. His twin daughters play the oboe."
)
FREE_MESSAGE = "I have two cats named Pixel and Scribble. How can I relax tonight?"


def free(reply):
    return judge(FREE_PROFILE, "He is witty.", (), FREE_MESSAGE, reply)


def test_free_facts_are_judged_like_the_world_s_own():
    tips = "Breathe slowly for a few minutes. Rest on the couch for once."
    used_it = free(f"Since you have two cats named Pixel and Scribble, start there. {tips}")
    assert (used_it.fitting, faults(used_it)) == (1, {})
    assert used_it.score > free(tips).score
    leaked = free(f"You restore old motorcycles: make it part of this. {tips}")
    assert faults(leaked) == {"unrevealed": 1}
    assert leaked.score < free(tips).score


TEXTS = st.text(max_size=60) | st.lists(
    st.sampled_from(
        ["you", "your", "sushi", "She", "works", "as", "a", "nurse", ".", "I", "love", "😄 Ha!", "\n", "\u2028", "dinner", "ß"]
    ),
    max_size=20,
).map(" ".join)  # fmt: skip


@given(TEXTS, TEXTS, st.lists(st.tuples(TEXTS, TEXTS), max_size=2).map(tuple), TEXTS, TEXTS)
def test_any_texts_can_be_judged(profile, personality, earlier, message, reply):
    judgement = judge(profile, personality, earlier, message, reply)
    assert 1 <= judgement.score <= 5
    assert "\n" not in judgement.reasons()


# Strategies. Each is (random, persona number, what the user has said) → reply.

PERSONAS, TURNS = 50, 10
MARKS = " ".join(pole.marks[0] for pole in POLES.values() if pole.marks)


@cache
def texts(number):
    random = Random(f"persona {number}")
    return profile_text(random), personality_text(random)


def persona(number):
    profile, personality = texts(number)
    return Known(read_profile(profile), read_personality(personality))


def tailored(random, number, said):
    return tailored_reply(random, topic_of(said[-1]), read_messages(said))


def plain(random, number, said):
    return plain_reply(random, topic_of(said[-1]))


def content_only(random, number, said):
    return tailored_reply(random, topic_of(said[-1]), Known(facts=read_messages(said).facts))


def style_only(random, number, said):
    return tailored_reply(random, topic_of(said[-1]), Known(traits=read_messages(said).traits))


def current_turn_only(random, number, said):
    return tailored_reply(random, topic_of(said[-1]), read_message(said[-1]))


def wrong_persona(random, number, said):
    return tailored_reply(random, topic_of(said[-1]), persona(number + PERSONAS))


def constant(random, number, said):
    return constant_reply()


def parrot_last(random, number, said):
    return said[-1]


def parrot_all(random, number, said):
    return " ".join(said)


def all_markers(random, number, said):
    return f"{MARKS} {plain(random, number, said)}"


def facts_dump(random, number, said):
    return dump_reply(random, read_messages(said))


def tailored_and_dump(random, number, said):
    return " ".join([tailored(random, number, said), *(used(fact, random) for fact in read_messages(said).facts)])


def echo_and_plain(random, number, said):
    return f"{said[-1]} {plain(random, number, said)}"


def everything_at_once(random, number, said):
    return tailored_reply(random, topic_of(said[-1]), persona(number))


def empty(random, number, said):
    return ""


DEGENERATE = [constant, parrot_last, parrot_all, all_markers, facts_dump, tailored_and_dump, echo_and_plain, empty]


@cache
def curve(strategy):
    """AL(k) of a strategy, over 50 personas."""
    scores: list[list[float]] = []
    for number in range(PERSONAS):
        random = Random(f"user {number}")
        said: list[str] = []
        earlier: tuple[tuple[str, str], ...] = ()
        scores.append([])
        for turn in range(TURNS):
            message = user_message(random, persona(number), said)
            said.append(message)
            reply = strategy(Random(f"reply {number} {turn}"), number, said)
            scores[-1].append(judge(*texts(number), earlier, message, reply).score)
            earlier = (*earlier, (message, reply))
    return [mean(turn) for turn in zip(*scores, strict=True)]


def late(strategy):
    """The mean of turns 6 to 10, when there is something to know, or to recite."""
    return mean(curve(strategy)[5:])


def test_at_turn_8_tailored_beats_plain_and_plain_beats_every_degenerate_strategy():
    assert curve(tailored)[7] > curve(plain)[7] + 2
    for strategy in (*DEGENERATE, wrong_persona):
        assert curve(plain)[7] > curve(strategy)[7], strategy.__name__


@pytest.mark.parametrize("strategy", DEGENERATE)
def test_degenerate_strategies_score_low(strategy):
    assert mean(curve(strategy)) <= 1.9
    assert late(strategy) <= 1.9


def test_a_wrong_persona_scores_below_plain():
    assert mean(curve(wrong_persona)) < mean(curve(plain)) - 0.3


@pytest.mark.parametrize("half", [content_only, style_only])
def test_content_alone_and_style_alone_lie_between_plain_and_tailored(half):
    assert late(plain) + 0.5 < late(half) < late(tailored) - 0.5


def test_tailored_is_the_best_of_all():
    others = [plain, content_only, style_only, current_turn_only, wrong_persona, everything_at_once, *DEGENERATE]
    assert all(mean(curve(tailored)) > mean(curve(strategy)) + 0.3 for strategy in others)


def test_tailored_rises_from_turn_to_turn_and_plain_stays_where_it_is():
    assert curve(tailored)[0] < 2.8
    assert curve(tailored)[9] > 4.5
    assert curve(plain) == pytest.approx([2.0] * TURNS, abs=0.05)


def test_the_rise_needs_memory():
    now = curve(current_turn_only)
    assert mean(now[5:]) <= mean(now[:5]) + 0.05
    assert mean(now) > mean(curve(plain))


def test_knowing_all_at_once_does_not_pay_before_it_is_revealed():
    assert curve(everything_at_once)[0] < curve(plain)[0]
    assert curve(everything_at_once)[0] < curve(tailored)[0]


def test_a_judgement_of_the_same_is_the_same():
    assert judged(GOOD) == judge.__wrapped__(PROFILE, PERSONALITY, EARLIER, MESSAGE, GOOD)
