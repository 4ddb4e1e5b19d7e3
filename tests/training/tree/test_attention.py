"""Attention by branches, and the masks for eager and FlexAttention, beside attention with the whole mask written out."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.training.tree.attention import BLOCK, _block_mask, dense_mask, layer_windows, tree_attention, tree_mask
from aloe_hub.training.tree.batch import pack
from tests.training import tiny_trees as tiny
from tests.training.tree.test_batch import ROWS, padded

LONG = [[(1 + place % 3, True) for place in range(30)] for _ in range(3)]
LONG[1][12:] = [(4, True)] * 9
LONG[2][25:] = [(5, True)] * 4


def states(slots, heads=4, key_heads=2, width=8):
    torch.manual_seed(slots)
    shapes = ((heads, width), (key_heads, width), (key_heads, width))
    return [torch.randn(1, number, slots, size, dtype=torch.float64, requires_grad=True) for number, size in shapes]


@given(ROWS, st.sampled_from([None, 1, 2, 4]))
def test_by_paths_is_attention_with_the_whole_mask(rows, window):
    tree = pack(padded(rows))
    if tree is None:
        return
    query, key, value = states(len(tree))
    expected = F.scaled_dot_product_attention(query, key, value, attn_mask=dense_mask(tree, window), scale=0.3, enable_gqa=True)
    found, _ = tree_attention(torch.nn.Module(), query, key, value, None, scaling=0.3, sliding_window=window, aloe_tree=tree)
    torch.testing.assert_close(found, expected.transpose(1, 2))
    weights = torch.randn_like(found)
    expected_gradients = torch.autograd.grad((expected.transpose(1, 2) * weights).sum(), (query, key, value))
    torch.testing.assert_close(torch.autograd.grad((found * weights).sum(), (query, key, value)), expected_gradients)


@pytest.mark.parametrize("window", [None, 6])
def test_the_dense_mask_is_ancestry_within_the_window(window):
    tree = pack(padded(LONG))
    assert tree is not None
    for branch in tree.branches:
        above = [slot for part in branch.above for slot in range(part.start, part.stop)]
        for slot in range(branch.start, branch.end):
            seen = [*above, *range(branch.start, slot + 1)][-window if window else 0 :]
            assert torch.nonzero(dense_mask(tree, window)[0, 0, slot]).flatten().tolist() == seen


@pytest.mark.parametrize("window", [None, 6])
def test_the_block_mask_is_the_dense_mask(window):
    tree = pack(padded(LONG))
    assert tree is not None
    slots = torch.arange(len(tree))
    mask = _block_mask(tree, window)
    written_out = mask.mask_mod(torch.tensor(0), torch.tensor(0), slots[:, None], slots[None, :])
    assert torch.equal(written_out, dense_mask(tree, window)[0, 0])


@pytest.mark.parametrize("window", [None, 150])
@pytest.mark.parametrize(("trunk", "leaves"), [(700, {200: 90, 256: 300, 384: 128, 640: 128, 699: 5}), (128, {}), (1024, {1: 1})])
def test_blocks_that_are_skipped_are_seen_by_nobody_and_full_ones_by_all(trunk, leaves, window):
    tree = pack(padded([[(1, True)] * trunk, *([(1, True)] * fork + [(2, True)] * length for fork, length in leaves.items())]))
    assert tree is not None
    dense, blocks = dense_mask(tree, window)[0, 0], -(-len(tree) // BLOCK)
    mask = _block_mask(tree, window)
    whole = dense.new_zeros(blocks * BLOCK, blocks * BLOCK)
    whole[: len(tree), : len(tree)] = dense
    tiles = whole.view(blocks, BLOCK, blocks, BLOCK).transpose(1, 2).flatten(2)
    assert mask.full_kv_num_blocks is not None
    assert mask.full_kv_indices is not None
    kinds = [(mask.kv_num_blocks, mask.kv_indices), (mask.full_kv_num_blocks, mask.full_kv_indices)]
    partial, full = ([set(row[:n].tolist()) for n, row in zip(counts[0, 0], which[0, 0], strict=True)] for counts, which in kinds)
    for row in range(blocks):
        assert not partial[row] & full[row]
        queries = min(BLOCK, len(tree) - row * BLOCK)
        for column in range(blocks):
            seen = tiles[row, column].view(BLOCK, BLOCK)[:queries]
            assert bool(seen.any()) <= (column in partial[row] | full[row])
            assert (column in full[row]) <= bool(seen.all())
            if window is None and row != column:
                assert (column in partial[row] | full[row]) == bool(seen.any())
                assert (column in full[row]) == bool(seen.all())


def test_a_model_with_one_kind_of_layer_gets_one_mask_and_a_mixed_one_gets_one_for_each():
    tree = pack(padded(LONG))
    assert tree is not None
    plain = tree_mask(tiny.model("Llama", attention="eager"), tree)
    assert isinstance(plain, torch.Tensor)
    assert plain.shape == (1, 1, len(tree), len(tree))
    assert plain.dtype == torch.float32  # additive: eager adds a boolean mask without a word
    sliding = tiny.model("Mistral", attention="eager", sliding_window=3)
    within = tree_mask(sliding, tree)
    assert isinstance(within, torch.Tensor)
    assert torch.equal(within == 0, dense_mask(tree, 3))
    mixed = tiny.model("Qwen2", attention="eager", use_sliding_window=True, sliding_window=3, max_window_layers=1)
    masks = tree_mask(mixed, tree)
    assert isinstance(masks, dict)
    assert layer_windows(mixed.config) == {"full_attention": None, "sliding_attention": 3}
    assert {kind: int((mask == 0).sum()) for kind, mask in masks.items() if isinstance(mask, torch.Tensor)} == {
        "full_attention": int(dense_mask(tree).sum()),
        "sliding_attention": int(dense_mask(tree, 3).sum()),
    }
