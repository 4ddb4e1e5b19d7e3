"""The nouns: ids that follow from the content, rows without loss, and which reply is preferred."""

import hashlib
import json
import re
from dataclasses import replace
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.types import (
    SHARES,
    Exchange,
    Message,
    Persona,
    PoolText,
    Reply,
    Transcript,
    Tree,
    Turn,
    Verdict,
    call_seed,
    digest,
)

# Any Unicode: line separators, combining marks, right-to-left text, emoji, noncharacters. Lone surrogates are no text.
TEXT = st.text(max_size=30) | st.sampled_from(
    ["", "\u2028\x85\x0c\r\n", "e\u0301", "\u202eabc", "👩\u200d👩\u200d👧", "\uffff", '{"a": "\\"}']
)
CHOICE = st.sampled_from([0, 1, None])
SCORE = st.none() | st.floats(1, 5)
INDEX = st.sampled_from([0, 1])
SAID = TEXT.filter(str.strip)  # a persona without text is no persona
PERSONAS = st.builds(Persona, SAID, SAID)
INFERRED = st.builds(Persona, TEXT, TEXT)
REPLIES = st.builds(Reply, st.sampled_from(["tailored", "plain", "policy"]), TEXT)
FORWARD, BACKWARD = (st.builds(Verdict, st.just(order), CHOICE, TEXT) for order in ("01", "10"))
VERDICTS = st.tuples(FORWARD, BACKWARD) | st.tuples(FORWARD)  # an imported fork was judged in one order
EXCHANGES = st.builds(Exchange, TEXT, INFERRED, st.tuples(REPLIES, REPLIES), VERDICTS, INDEX)


@st.composite
def forks(draw, most=5):
    """Exchanges of two to `most` replies, compared or scored, with ties, equal texts and what could not be read."""
    texts = draw(st.lists(TEXT | st.sampled_from(["a", "b"]), min_size=2, max_size=most))
    source = st.sampled_from(["tailored", "plain", "policy"])
    if draw(st.booleans()):
        # Like texts have like scores: they are scored once.
        scores = {text: draw(st.sampled_from([1.0, 2.5, 5.0, None])) for text in texts}
        replies = tuple(Reply(draw(source), text, scores[text], "Score") for text in texts)
        return Exchange(draw(TEXT), draw(INFERRED), replies, (), draw(st.integers(0, len(texts) - 1)))
    verdicts = tuple(
        Verdict(f"{one}{other}", draw(st.sampled_from([one, other, None])), draw(TEXT))
        for one, other in permutations(range(len(texts)), 2)
    )
    replies = tuple(Reply(draw(source), text) for text in texts)
    return Exchange(draw(TEXT), draw(INFERRED), replies, verdicts, draw(st.integers(0, len(texts) - 1)))


TREES = st.builds(Tree, TEXT, PERSONAS, st.lists(EXCHANGES, max_size=4).map(tuple))
FORKED = st.builds(Tree, TEXT, PERSONAS, st.lists(forks(), max_size=4).map(tuple))
SHARE = st.none() | st.floats(0, 1)
TURNS = st.builds(Turn, TEXT, TEXT, SCORE, TEXT, revealed=SHARE, told=SHARE, recalled=SHARE)
TRANSCRIPTS = st.builds(Transcript, PERSONAS, TEXT, st.lists(TURNS, max_size=4).map(tuple), became=st.none() | PERSONAS)
POOL_TEXTS = st.builds(
    PoolText, TEXT, st.sampled_from(["seed", "generated", "imported"]), st.integers(0, 99), st.none() | st.floats(-1, 1)
)

PERSONA = Persona("She is a nurse.", "She is kind.")
REPLY = Reply("plain", "a").to_row()


def through_json(row):
    """The row as a file holds it, in UTF-8."""
    return json.loads(json.dumps(row, ensure_ascii=False).encode())


def exchange(first="a", second="b", choices=(0, 0), spoken=0, user="Hi."):
    replies = Reply("tailored", first), Reply("plain", second)
    return Exchange(user, Persona("", ""), replies, (Verdict("01", choices[0], ""), Verdict("10", choices[1], "")), spoken)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        pytest.param(kind, values, id=kind.__name__)
        for kind, values in (
            (Persona, PERSONAS),
            (PoolText, POOL_TEXTS),
            (Exchange, EXCHANGES | forks()),
            (Tree, TREES | FORKED),
            (Transcript, TRANSCRIPTS),
        )
    ],
)
def test_a_value_is_the_same_after_a_row_and_json(kind, values):
    @given(values)
    def same(value):
        assert kind.from_row(value.to_row()) == value
        assert kind.from_row(through_json(value.to_row())) == value

    same()


@given(PERSONAS)
def test_ids_of_a_persona_are_content_ids_of_its_texts(persona):
    canonical = json.dumps([persona.profile, persona.personality], ensure_ascii=False, separators=(",", ":"))
    assert persona.persona_id == hashlib.sha256(canonical.encode()).hexdigest()[:16]
    assert persona.profile_id == PoolText(persona.profile, "seed").id
    assert persona.personality_id == PoolText(persona.personality, "imported", 3, 0.5).id


@given(st.lists(TEXT, max_size=3), st.lists(TEXT, max_size=3))
def test_parts_are_never_run_together(one, other):
    assert (digest(*one) == digest(*other)) == (one == other)
    assert (call_seed(*one) == call_seed(*other)) == (one == other)


@given(st.lists(TEXT | st.integers(0, 20)))
def test_a_call_seed_has_31_bits(parts):
    assert 0 <= call_seed(*parts) < 2**31


def test_ids_and_seeds_are_the_same_on_every_machine_for_ever():
    assert digest("a profile", "a personality") == "ccefb4b39f19c2bc"
    assert call_seed("tree", 0, "user", "", 0) == 1455953965
    assert (PERSONA.persona_id, PERSONA.profile_id) == ("7b78a9d9d7adadcb", "bb2c002de58b5200")
    assert Persona("Zoë 🎉\u2028", "").persona_id == "b7e2d2b1c1928225"
    assert Transcript(PERSONA, "scripted:plain", ()).conversation_id == "8fd01d499ac07134"


def test_the_rows_of_a_persona_and_a_pool_text_begin_with_their_ids():
    assert list(PERSONA.to_row()) == ["persona_id", "profile_id", "personality_id", "profile", "personality"]
    assert list(PoolText("x", "seed").to_row()) == ["id", "text", "source", "round", "nearest"]


@pytest.mark.parametrize(
    ("choices", "preferred"),
    [((0, 0), 0), ((1, 1), 1), ((0, 1), None), ((1, 0), None), ((None, None), None), ((None, 1), None), ((0, None), None)],
)
def test_a_reply_is_preferred_only_where_both_orders_agree(choices, preferred):
    assert exchange(choices=choices).preferred == preferred
    assert exchange(choices=choices).to_row()["preferred"] == preferred


@pytest.mark.parametrize("choice", [0, 1, None])
def test_one_verdict_alone_decides(choice):
    fork = replace(exchange(), verdicts=(Verdict("01", choice, ""),))
    assert fork.preferred == choice
    assert fork.to_row()["verdicts"] == [{"order": "01", "choice": choice, "text": ""}]


def test_a_fork_that_nobody_judged_is_no_tie():
    with pytest.raises(ValueError, match="without a verdict"):
        Exchange.from_row(exchange().to_row() | {"verdicts": []})


@pytest.mark.parametrize("choices", [(0, 0), (1, 1), (0, 1), (None, None)])
def test_of_two_equal_texts_none_is_preferred(choices):
    assert exchange("same", "same", choices).preferred is None


@given(forks())
def test_ranks_are_those_of_a_competition_and_equal_texts_share_one(fork):
    ranks = fork.ranks
    known = [rank for rank in ranks if rank is not None]
    assert all(rank == 1 + sum(other < rank for other in known) for rank in known)
    assert known == [] or min(known) == 1
    for (reply, rank), (other, its) in combinations(zip(fork.replies, ranks, strict=True), 2):
        assert rank == its or reply.text != other.text
        if fork.is_scored and None not in (reply.score, other.score):
            assert (rank < its) == (reply.score > other.score)
    assert [rank is None for rank in ranks] == [fork.is_scored and reply.score is None for reply in fork.replies]


@given(forks(), st.randoms())
def test_the_rank_of_a_reply_does_not_depend_on_its_place(fork, random):
    places = list(range(len(fork.replies)))
    random.shuffle(places)  # reply 0 goes to places[0]
    replies = tuple(fork.replies[places.index(place)] for place in range(len(places)))
    texts = [reply.text for reply in fork.replies]
    if len(set(texts)) < len(texts):
        return  # of equal texts the first one speaks for all
    verdicts = tuple(
        replace(
            said,
            order="".join(str(places[one]) for one in said.compared),
            choice=None if said.choice is None else places[said.choice],
        )
        for said in fork.verdicts
    )
    moved = replace(fork, replies=replies, verdicts=verdicts)
    assert [moved.ranks[places[place]] for place in range(len(places))] == list(fork.ranks)
    assert moved.preferred == (None if fork.preferred is None else places[fork.preferred])


@given(forks())
def test_one_reply_is_preferred_where_it_alone_is_the_best(fork):
    ranks = [rank for rank in fork.ranks if rank is not None]
    texts = {reply.text for reply, rank in zip(fork.replies, fork.ranks, strict=True) if rank == 1}
    alone = len(set(ranks)) > 1 and fork.ranks.count(1) == 1
    assert (fork.preferred is not None) == alone
    assert not alone or fork.ranks[fork.preferred] == 1
    assert fork.preferred is None or len(texts) == 1


@pytest.mark.parametrize(
    ("won", "ranks", "preferred"),
    [
        ({"01": 0, "02": 0, "12": 1}, (1, 2, 3), 0),
        ({"01": 0, "02": None, "12": None}, (1, 3, 2), 0),
        ({"01": 0, "02": 2, "12": 1}, (1, 1, 1), None),  # each beats another
        ({"01": None, "02": 0, "12": 1}, (1, 1, 3), None),
        ({"01": None, "02": None, "12": None}, (1, 1, 1), None),
    ],
)
def test_a_tournament_ranks_by_wins_less_defeats(won, ranks, preferred):
    replies = tuple(Reply("policy", text) for text in "abc")
    verdicts = tuple(Verdict(order, choice, "") for pair, choice in won.items() for order in (pair, pair[::-1]))
    fork = Exchange("Hi.", Persona("", ""), replies, verdicts, 0)
    assert (fork.ranks, fork.preferred) == (ranks, preferred)
    assert fork.to_row()["ranks"] == list(ranks)


@given(EXCHANGES)
def test_of_two_replies_that_were_compared_the_row_says_no_ranks(one):
    assert "ranks" not in one.to_row()


@given(EXCHANGES, INDEX)
def test_what_is_spoken_never_changes_what_is_preferred(one, spoken):
    row = one.to_row() | {"spoken": spoken}
    assert Exchange.from_row(row).preferred == one.preferred


def test_the_spoken_path_holds_the_spoken_replies_and_ends_with_the_user():
    tree = Tree("t", PERSONA)
    for turn, spoken in enumerate((1, 0, 1)):
        tree = tree.grown(exchange(f"tailored {turn}", f"plain {turn}", (0, 0), spoken, f"user {turn}"))
    assert tree.spoken(0) == (Message("user", "user 0"),)
    assert [message.content for message in tree.spoken(2)] == ["user 0", "plain 0", "user 1", "tailored 1", "user 2"]
    assert [message.role for message in tree.spoken(2)] == ["user", "assistant", "user", "assistant", "user"]


@given(TREES)
def test_each_spoken_path_goes_on_from_the_one_before(tree):
    for turn in range(1, len(tree.exchanges)):
        before = tree.exchanges[turn - 1]
        said = Message("assistant", before.replies[before.spoken].text)
        assert tree.spoken(turn) == (*tree.spoken(turn - 1), said, Message("user", tree.exchanges[turn].user))


def test_a_tree_that_grows_leaves_the_smaller_one_as_it_was():
    bare = Tree("t", PERSONA)
    assert len(bare.grown(exchange()).exchanges) == 1
    assert bare.exchanges == ()


@given(TRANSCRIPTS)
def test_the_scores_row_holds_what_the_metric_needs_and_no_text(transcript):
    row = through_json(transcript.to_scores_row())
    assert row == {
        "conversation_id": transcript.conversation_id,
        "persona_id": transcript.persona.persona_id,
        "profile_id": transcript.persona.profile_id,
        "personality_id": transcript.persona.personality_id,
        "scores": list(transcript.scores),
    } | {name: shares for name in SHARES if (shares := [getattr(turn, name) for turn in transcript.turns]) and None not in shares}


def test_what_was_measured_stands_beside_the_scores_and_is_left_out_where_it_was_not():
    turns = (Turn("a", "b", 4, "c", revealed=0.25), Turn("d", "e", 5, "f", revealed=0.5))
    row = Transcript(PERSONA, "scripted", turns).to_scores_row()
    assert row["revealed"] == [0.25, 0.5]
    assert not row.keys() & {"told", "recalled"}
    assert Turn("a", "b", 4, "c").to_row().keys() == {"user", "reply", "score", "judgement"}


@pytest.mark.parametrize(
    ("kind", "row", "said"),
    [
        (Persona, PERSONA.to_row() | {"profile": " "}, "a persona without text: ' '"),
        (Persona, PERSONA.to_row() | {"personality": 3}, "a persona without text: 3"),
        (PoolText, PoolText("x", "seed").to_row() | {"source": "dream"}, "source is 'dream', and not one of 'seed', "),
        (PoolText, PoolText("x", "seed").to_row() | {"nearest": "near"}, "nearest is 'near', and not a number"),
        (PoolText, PoolText("x", "seed").to_row() | {"text": None}, "text is None, and not a text"),
        (Exchange, exchange().to_row() | {"user": ["Hi."]}, "user is ['Hi.'], and not a text"),
        (Exchange, exchange().to_row() | {"replies": []}, "a fork of 0 replies instead of 2"),
        (Exchange, exchange().to_row() | {"replies": {}}, "replies is {}, and not a list of objects"),
        (Exchange, exchange().to_row() | {"spoken": 2}, "spoken is 2, and not one of 0, 1"),
        (Exchange, exchange().to_row() | {"replies": [REPLY] * 11}, "a fork of 11 replies instead of 2 to 10"),
        (Exchange, exchange().to_row() | {"verdicts": [Verdict("02", 2, "").to_row()]}, "a verdict on reply 2 of a fork of 2"),
        (Verdict, Verdict("02", 0, "").to_row() | {"choice": 1}, "choice is 1, and not one of 0, 2, None"),
        (Verdict, Verdict("00", 0, "").to_row(), "order is '00', and not one of '01', "),
        (Reply, Reply("plain", "a", 3.0, "x").to_row() | {"score": "3"}, "score is '3', and not a number"),
        (Verdict, Verdict("01", 0, "").to_row() | {"choice": 2}, "choice is 2, and not one of 0, 1, None"),
        (Reply, Reply("plain", "a").to_row() | {"source": "x"}, "source is 'x', and not one of 'tailored', "),
        (Turn, Turn("a", "b", 4, "c").to_row() | {"score": "4/5"}, "score is '4/5', and not a number"),
        (Turn, Turn("a", "b", 4, "c").to_row() | {"score": float("nan")}, "score is nan, and not a number"),
    ],
)
def test_a_row_that_is_no_such_value_is_one_line_that_shows_what_is_there(kind, row, said):
    with pytest.raises(ValueError, match=f"^{re.escape(said)}"):
        kind.from_row(row)


@pytest.mark.parametrize(("kind", "value"), [(Turn, Turn("a", "b", 4, "c")), (Reply, Reply("plain", "a"))])
def test_a_row_that_lacks_something_is_a_key_error_that_names_it(kind, value):
    for name in value.to_row():
        with pytest.raises(KeyError, match=name):
            kind.from_row({key: one for key, one in value.to_row().items() if key != name})
