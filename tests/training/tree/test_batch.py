"""The packed trie beside the rows that it was made from."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.training.tree.attention import dense_mask
from aloe_hub.training.tree.batch import IGNORED, Branch, TreeCollator, pack

# Few different tokens, so that rows share beginnings, repeat one another and fork anywhere.
ROWS = st.lists(st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=1, max_size=7), min_size=1, max_size=6)


def padded(rows):
    """As TRL's collator for SFT pads them: (token, carries loss) -> a batch."""
    length = max(map(len, rows))
    batch: dict[str, list[list[int]]] = {"input_ids": [], "attention_mask": [], "labels": []}
    for row in rows:
        rest = length - len(row)
        batch["input_ids"].append([token for token, _ in row] + [0] * rest)
        batch["attention_mask"].append([1] * len(row) + [0] * rest)
        batch["labels"].append([token if learned else IGNORED for token, learned in row] + [IGNORED] * rest)
    return {name: torch.tensor(values) for name, values in batch.items()}


def ways(tree):
    """For each slot the tokens on the way to it from the root, as its attention sees them."""
    return [tuple(tree.tokens[0][seen].tolist()) for seen in dense_mask(tree)[0, 0]]


@given(ROWS)
def test_every_prediction_of_every_row_sees_exactly_its_row(rows):
    tree = pack(padded(rows))
    if tree is None:
        assert not any(learned for row in rows for _, learned in row[1:])
        return
    n, seen = len(tree.predictors), ways(tree)
    for number, row in enumerate(rows):
        tokens = [token for token, _ in row]
        for place in range(tree.gather.shape[1]):
            which = tree.gather[number, place]
            learned = place + 1 < len(row) and row[place + 1][1]
            assert learned == (which < n)
            if learned:
                slot = int(tree.predictors[which])
                assert seen[slot] == tuple(tokens[: place + 1])
                assert tree.depths[0, slot] == place
                assert tree.labels[0, which] == tokens[place + 1]


@given(ROWS)
def test_nothing_is_there_twice_and_nothing_that_is_not_needed(rows):
    tree = pack(padded(rows))
    if tree is None:
        return
    needed = set()
    for row in rows:
        last = max((place for place, (_, learned) in enumerate(row) if learned), default=0)
        needed |= {tuple(token for token, _ in row[:end]) for end in range(1, last + 1)}
    assert sorted(ways(tree)) == sorted(needed)
    predictions = list(zip(tree.predictors.tolist(), tree.labels[0].tolist(), strict=True))
    assert len(set(predictions)) == len(predictions)
    assert tree.exploded == sum(map(len, rows))


@given(ROWS)
def test_paths_cover_the_slots_and_name_what_stands_above_them(rows):
    tree = pack(padded(rows))
    if tree is None:
        return
    assert [slot for branch in tree.branches for slot in range(branch.start, branch.end)] == list(range(len(tree)))
    mask = dense_mask(tree)[0, 0]
    for branch in tree.branches:
        above = [slot for part in branch.above for slot in range(part.start, part.stop)]
        assert torch.nonzero(mask[branch.end - 1]).flatten().tolist() == [*above, *range(branch.start, branch.end)]
        assert tree.depths[0, branch.start] == branch.depth == len(above)


def test_the_example_of_the_docstring():
    rows = [[(ord(letter), True) for letter in word] for word in ("abcde?", "abcxy?", "abz?")]
    tree = pack(padded(rows))
    assert tree is not None
    assert "".join(map(chr, tree.tokens[0])) == "abcdexyz"
    assert tree.ends.tolist() == [8, 8, 7, 5, 5, 7, 7, 8]
    assert tree.branches == (Branch(0, 5), Branch(5, 7, (slice(0, 3),)), Branch(7, 8, (slice(0, 2),)))


def test_the_trunk_of_a_conversation_is_one_branch_and_each_other_reply_a_leaf():
    spoken: list[tuple[int, bool]] = []
    rows = []
    for turn in range(4):
        prompt = [*spoken, (100 + turn, False)]
        replies = [[(200 + 10 * turn + reply, True), (9, True)] for reply in (0, 1)]
        rows += [prompt + reply for reply in replies]
        spoken = prompt + replies[turn % 2]
    tree = pack(padded(rows))
    assert tree is not None
    trunk, *leaves = tree.branches
    assert trunk.above == ()
    assert len(leaves) == 4
    assert [len(leaf.above) for leaf in leaves] == [1] * 4
    # The end of a reply predicts nothing and is not there: of the trunk's last reply and of each leaf one token is left.
    assert [branch.end - branch.start for branch in tree.branches] == [3 * 3 + 1 + 1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    "change",
    [
        {"position_ids": torch.zeros(1, 3)},
        {"attention_mask": torch.tensor([[0, 1, 1]])},
        {"labels": torch.full((1, 3), IGNORED)},
    ],
    ids=["columns of its own", "padded on the left", "no label"],
)
def test_a_batch_that_it_does_not_know_is_not_packed(change):
    batch = padded([[(1, True), (2, True), (3, True)]])
    assert pack(batch) is not None
    assert pack({**batch, **change}) is None


def test_the_collator_keeps_trls_batch_and_adds_the_tree():
    batch = padded([[(1, False), (2, True)], [(1, False), (3, True)]])
    joined = TreeCollator(lambda examples: batch)([])
    assert joined.keys() - batch.keys() == {"tree"}
    assert all(joined[name] is batch[name] for name in batch)
    assert len(joined["tree"]) == 1


def test_preference_batches_are_labelled_by_their_completion_mask():
    batch = padded([[(1, False), (2, False), (3, True)]])
    masked = {name: batch[name] for name in ("input_ids", "attention_mask")}
    tree = pack({**masked, "completion_mask": torch.tensor([[0, 0, 1]])})
    assert tree is not None
    assert tree.labels.tolist() == [[3]]
    assert tree.predictors.tolist() == [1]


def test_common_beginnings_are_found_however_long():
    row = [(1 + place % 5, place > 990) for place in range(1000)]
    other = [*row[:700], (9, False), (9, True)]
    tree = pack(padded([row, other]))
    assert tree is not None
    assert len(tree) == 999 + 1
    assert tree.branches[1].depth == 700


def test_moving_it_moves_every_tensor():
    here = pack(padded([[(1, True), (2, True)]]))
    assert here is not None
    tree = here.to("meta")
    tensors = (tree.tokens, tree.depths, tree.ends, tree.predictors, tree.labels, tree.gather)
    assert {tensor.device.type for tensor in tensors} == {"meta"}
