"""Training rows: nothing in them that is not in the tree, and ties in neither kind."""

import json
from dataclasses import replace

from hypothesis import given

from aloe_hub import rows
from aloe_hub.types import Persona, Tree
from tests.test_types import FORKED, PERSONA, TREES, exchange

# Turn 0: tailored preferred, plain spoken. Turn 1: a tie of the orders. Turn 2: plain preferred. Turn 3: the same text twice.
TREE = Tree(
    "tree",
    PERSONA,
    (
        exchange("t0", "p0", (0, 0), 1, "u0"),
        exchange("t1", "p1", (0, 1), 0, "u1"),
        exchange("t2", "p2", (1, 1), 1, "u2"),
        exchange("same", "same", (0, 0), 0, "u3"),
    ),
)


def said(role, text):
    return {"role": role, "content": text}


def test_pairs_of_a_hand_made_tree():
    head = {"tree_id": "tree", "persona_id": PERSONA.persona_id}
    later = [said("user", "u0"), said("assistant", "p0"), said("user", "u1"), said("assistant", "t1"), said("user", "u2")]
    assert list(rows.pairs(TREE)) == [
        head
        | {
            "turn": 0,
            "prompt": [said("user", "u0")],
            "chosen": [said("assistant", "t0")],
            "rejected": [said("assistant", "p0")],
        },
        head | {"turn": 2, "prompt": later, "chosen": [said("assistant", "p2")], "rejected": [said("assistant", "t2")]},
    ]


def test_sft_rows_complete_the_same_prompts_with_the_preferred_reply():
    assert [(row["turn"], row["completion"]) for row in rows.sft(TREE)] == [
        (0, [said("assistant", "t0")]),
        (2, [said("assistant", "p2")]),
    ]
    assert [row["prompt"] for row in rows.sft(TREE)] == [row["prompt"] for row in rows.pairs(TREE)]


def test_distill_has_a_row_a_turn_with_what_had_been_inferred_by_then():
    known = [
        Persona("", ""),
        Persona("They cook. ", ""),
        Persona("", "They are brief."),
        Persona("They cook.", "They are brief."),
    ]
    tree = replace(TREE, exchanges=tuple(replace(one, inferred=of) for one, of in zip(TREE.exchanges, known, strict=True)))
    found = list(rows.distill(tree))
    assert [(row["turn"], row["privileged_context"]) for row in found] == [
        (0, ""),
        (1, "Profile: They cook."),
        (2, "Personality: They are brief."),
        (3, "Profile: They cook.\nPersonality: They are brief."),
    ]
    assert [row["completion"] for row in found] == [[said("assistant", "t0")], None, [said("assistant", "p2")], None]
    assert {row["turn"]: row["prompt"] for row in rows.pairs(tree)} == {row["turn"]: row["prompt"] for row in found[::2]}
    assert list(found[0]) == ["tree_id", "persona_id", "turn", "prompt", "privileged_context", "completion"]


def test_a_tree_in_which_nothing_was_ever_inferred_has_no_rows_to_distill():
    assert list(rows.distill(TREE)) == []


def test_columns_are_those_that_trl_wants():
    assert list(next(rows.pairs(TREE))) == ["tree_id", "persona_id", "turn", "prompt", "chosen", "rejected"]
    assert list(next(rows.sft(TREE))) == ["tree_id", "persona_id", "turn", "prompt", "completion"]


def test_a_tree_without_turns_has_no_rows():
    assert (
        list(rows.pairs(Tree("t", PERSONA))) == list(rows.sft(Tree("t", PERSONA))) == list(rows.distill(Tree("t", PERSONA))) == []
    )


@given(TREES)
def test_there_is_one_row_for_each_decided_fork_and_none_for_a_tie(tree):
    decided = [turn for turn, fork in enumerate(tree.exchanges) if fork.preferred is not None]
    assert [row["turn"] for row in rows.pairs(tree)] == decided
    assert [row["turn"] for row in rows.sft(tree)] == decided


@given(FORKED)
def test_of_more_than_two_replies_the_best_meets_the_worst_and_every_decided_two_by_option(tree):
    texts = {turn: [reply.text for reply in fork.replies] for turn, fork in enumerate(tree.exchanges)}
    decided = [turn for turn, fork in enumerate(tree.exchanges) if len({rank for rank in fork.ranks if rank is not None}) > 1]
    best = list(rows.pairs(tree))
    assert [row["turn"] for row in best] == [row["turn"] for row in rows.sft(tree)] == decided
    for row in best:
        ranks = dict(zip(texts[row["turn"]], tree.exchanges[row["turn"]].ranks, strict=True))
        known = [rank for rank in ranks.values() if rank is not None]
        assert ranks[row["chosen"][0]["content"]] == min(known)
        assert ranks[row["rejected"][0]["content"]] == max(known)
    for row in (every := list(rows.pairs(tree, every=True))):
        assert row["chosen"] != row["rejected"]
        assert {row[name][0]["content"] for name in ("chosen", "rejected")} <= set(texts[row["turn"]])
    told = [(row["turn"], row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in every]
    assert len(set(told)) == len(told)
    assert not {(turn, better, worse) for turn, better, worse in told} & {(turn, worse, better) for turn, better, worse in told}


@given(FORKED)
def test_ranked_rows_hold_each_reply_once_with_its_rank_and_leave_out_what_ties_altogether(tree):
    found = list(rows.ranked(tree))
    assert [row["turn"] for row in found] == [row["turn"] for row in rows.sft(tree)]
    for row in found:
        assert list(row) == ["tree_id", "persona_id", "turn", "prompt", "completions", "scores", "ranks"]
        fork = tree.exchanges[row["turn"]]
        ranks = dict(zip((reply.text for reply in fork.replies), fork.ranks, strict=True))
        said_here = [completion[0]["content"] for completion in row["completions"]]
        assert dict(zip(said_here, row["ranks"], strict=True)) == {text: rank for text, rank in ranks.items() if rank is not None}
        assert len(said_here) == len(set(said_here)) == len(row["scores"]) >= 2
        assert min(row["ranks"]) == 1 < max(row["ranks"])
        assert all((score is None) == (not fork.is_scored) for score in row["scores"])


@given(TREES)
def test_of_two_replies_the_ranked_row_is_the_pair(tree):
    for pair, row in zip(rows.pairs(tree), rows.ranked(tree), strict=True):
        by_rank = dict(zip(row["ranks"], row["completions"], strict=True))
        assert (by_rank[1], by_rank[2]) == (pair["chosen"], pair["rejected"])


@given(TREES)
def test_every_prompt_walks_back_to_its_branch(tree):
    for pair, completion in zip(rows.pairs(tree), rows.sft(tree), strict=True):
        turn, prompt = pair["turn"], pair["prompt"]
        fork = tree.exchanges[turn]
        assert [message["role"] for message in prompt] == ["user", "assistant"] * turn + ["user"]
        assert [message["content"] for message in prompt[::2]] == [before.user for before in tree.exchanges[: turn + 1]]
        for before, message in zip(tree.exchanges, prompt[1::2], strict=False):
            assert message["content"] == before.replies[before.spoken].text
        assert pair["chosen"] == completion["completion"] == [said("assistant", fork.replies[fork.preferred].text)]
        assert pair["rejected"] == [said("assistant", fork.replies[1 - fork.preferred].text)]
        assert pair["chosen"] != pair["rejected"]
        assert completion["prompt"] == prompt


@given(TREES | FORKED)
def test_rows_of_a_tree_that_came_from_a_file_are_the_same(tree):
    again = Tree.from_row(json.loads(json.dumps(tree.to_row())))
    assert list(rows.ranked(again)) == list(rows.ranked(tree))
    assert list(rows.pairs(again)) == list(rows.pairs(tree))
    assert list(rows.sft(again)) == list(rows.sft(tree))
    assert list(rows.distill(again)) == list(rows.distill(tree))
