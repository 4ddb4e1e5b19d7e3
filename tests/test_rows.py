"""Training rows: nothing in them that is not in the tree, and ties in neither kind."""

import json
from dataclasses import replace

from hypothesis import given

from aloe_hub import rows
from aloe_hub.types import Persona, Tree
from tests.test_types import PERSONA, TREES, exchange

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


@given(TREES)
def test_rows_of_a_tree_that_came_from_a_file_are_the_same(tree):
    again = Tree.from_row(json.loads(json.dumps(tree.to_row())))
    assert list(rows.pairs(again)) == list(rows.pairs(tree))
    assert list(rows.sft(again)) == list(rows.sft(tree))
    assert list(rows.distill(again)) == list(rows.distill(tree))
