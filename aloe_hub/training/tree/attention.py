"""Attention over a token trie: each token sees its ancestors and itself, nothing else.

On a CPU it is computed branch by branch: a branch's queries against the keys above it and its own. That is exact, never makes
the N x N mask, and costs what the tokens need: a tree of a conversation is one plain causal call over the trunk and a small
call for each leaf. It stands in for transformers' `sdpa` under the name `aloe_tree` (transformers' AttentionInterface); a pass
without a tree is `sdpa` itself. On a GPU the same name runs FlexAttention over a block mask, one kernel instead of many.

`eager` and `flex_attention` models keep their own attention and are given a mask: additive for eager, which would misread a
boolean one without a word, a BlockMask for flex.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch.nn.attention.flex_attention import BlockMask, flex_attention
from transformers import AttentionInterface, PreTrainedConfig, PreTrainedModel
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

from .batch import Branch, TreeBatch

BY_BRANCHES = "aloe_tree"
BLOCK = 128
COMPILATIONS = 64
FLEX_ON: tuple[str, ...] = ("cuda",)  # the devices where one kernel beats a call for each branch

Mask = torch.Tensor | BlockMask


def tree_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Mask | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    aloe_tree: TreeBatch | None = None,
    **others: Any,  # noqa: ANN401 - what a model hands on
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """What a model calls in each layer; shapes (1, heads, N, width) in, (1, N, heads, width) out, as transformers wants."""
    if aloe_tree is None:
        assert not isinstance(attention_mask, BlockMask)
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **others)
    groups = query.shape[1] // key.shape[1]
    key, value = repeat_kv(key, groups), repeat_kv(value, groups)
    if isinstance(attention_mask, BlockMask):
        return _by_blocks(query, key, value, attention_mask, scaling).transpose(1, 2).contiguous(), None
    return _by_branches(query, key, value, aloe_tree.branches, scaling, sliding_window), None


AttentionInterface.register(BY_BRANCHES, tree_attention)
AttentionMaskInterface.register(BY_BRANCHES, sdpa_mask)


def _by_blocks(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: BlockMask, scaling: float | None
) -> torch.Tensor:
    # Under autocast a model may leave queries and keys in float32. Autocast casts sdpa's inputs, and not FlexAttention's.
    query, key = query.to(value.dtype), key.to(value.dtype)
    for each in (query, key, value):
        # All but the length. Else a tree of as many blocks as there are heads is compiled as if the two were always equal.
        torch._dynamo.mark_static(each, [0, 1, 3])
    with torch.autocast(query.device.type, enabled=False):  # whose state would otherwise be one more reason to compile again
        return _flex_attention()(query, key, value, block_mask=mask, scale=scaling)


@functools.cache
def _flex_attention() -> Callable[..., torch.Tensor]:
    """Compiled, since as it is it would write out all N x N scores; once for trees of every length.

    But apart for each type of number, with and without gradients, and for windows. Torch gives a function up after eight
    compilations and goes on uncompiled, so the limit is raised; beyond it is an error.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, COMPILATIONS)
    compiled: Callable[..., torch.Tensor] = torch.compile(flex_attention, dynamic=True, fullgraph=True)
    return compiled


def _by_branches(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    branches: tuple[Branch, ...],
    scaling: float | None,
    window: int | None,
) -> torch.Tensor:
    # Cut once into the pieces that branches are made of: the gradient of one split is one concatenation, where a slice for each
    # branch would fill as many tensors of the whole length with zeros.
    cuts = sorted({edge for branch in branches for edge in (branch.end, *(part.stop for part in branch.above))})
    piece = {start: number for number, start in enumerate([0, *cuts])}
    sizes = [end - start for start, end in zip([0, *cuts], cuts, strict=False)]
    keys, values = torch.split(key, sizes, dim=2), torch.split(value, sizes, dim=2)
    seen = []
    for branch, queries in zip(
        branches, torch.split(query, [branch.end - branch.start for branch in branches], dim=2), strict=True
    ):
        pieces = [
            n for part in (*branch.above, slice(branch.start, branch.end)) for n in range(piece[part.start], piece[part.stop])
        ]
        part = F.scaled_dot_product_attention(
            queries,
            torch.cat([keys[n] for n in pieces], dim=2),
            torch.cat([values[n] for n in pieces], dim=2),
            scale=scaling,
            **_seen_by(branch, window, query.device),
        )
        seen.append(part.transpose(1, 2))
    return torch.cat(seen, dim=1)


def _seen_by(branch: Branch, window: int | None, device: torch.device) -> dict[str, Any]:
    """Which of the tokens above and its own a branch's tokens may see: causal, and no further back than the window."""
    length, depth = branch.end - branch.start, branch.depth
    reaches = window is None or depth + length <= window
    if depth == 0 and reaches:
        return {"is_causal": True}
    mask = torch.ones(length, depth + length, dtype=torch.bool, device=device).tril(depth)
    return {"attn_mask": mask if reaches or window is None else mask.triu(depth - window + 1)}


def tree_mask(model: PreTrainedModel, tree: TreeBatch) -> Mask | dict[str, Mask]:
    """What the packed pass gives as `attention_mask`: one mask, or one for each type of layer where a model mixes them."""
    windows = layer_windows(model.config)
    masks = {kind: _mask(model, tree, window) for kind, window in windows.items()}
    return masks if len(masks) > 1 else next(iter(masks.values()))


def layer_windows(config: PreTrainedConfig) -> dict[str, int | None]:
    """The sliding window of each type of layer, None for full attention. Mistral names no types: its layers are all alike."""
    window = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if not kinds:
        return {"full_attention" if window is None else "sliding_attention": window}
    return {kind: window if kind == "sliding_attention" else None for kind in sorted(set(kinds))}


def _mask(model: PreTrainedModel, tree: TreeBatch, window: int | None) -> Mask:
    implementation, device = model.config._attn_implementation, tree.tokens.device
    # A tree of one block has nothing to skip, and would be compiled apart.
    if implementation == "flex_attention" or (implementation == BY_BRANCHES and device.type in FLEX_ON and len(tree) > BLOCK):
        return _block_mask(tree, window)
    if implementation == BY_BRANCHES:
        # The branches say who sees whom. A tensor of four dimensions is how a model is told to make no mask of its own.
        return torch.ones((1, 1, 1, 1), dtype=torch.bool, device=device)
    allowed = dense_mask(tree, window)
    return torch.zeros(allowed.shape, dtype=model.dtype, device=device).masked_fill_(~allowed, torch.finfo(model.dtype).min)


def dense_mask(tree: TreeBatch, window: int | None = None) -> torch.Tensor:
    """(1, 1, N, N), true where the token of the row may see the token of the column."""
    slots = torch.arange(len(tree), device=tree.tokens.device)
    allowed = (slots[None, :] <= slots[:, None]) & (slots[:, None] < tree.ends[None, :])
    if window is not None:
        allowed &= tree.depths.T - tree.depths < window
    return allowed[None, None]


def _block_mask(tree: TreeBatch, window: int | None) -> BlockMask:
    """The mask by blocks of 128 x 128 slots: what no token of a block sees is skipped, what all see needs no mask.

    A block of keys is seen from a later block of queries if one of the keys' descendants reach into it, and wholly if all span
    it. So two numbers a block decide, and nothing of N x N is made.
    """
    ends, depths, slots, reach = tree.ends, tree.depths[0], len(tree), window or 0
    blocks = -(-slots // BLOCK)
    padded = F.pad(ends, (0, blocks * BLOCK - slots), value=slots).view(blocks, BLOCK)
    start = torch.arange(0, blocks * BLOCK, BLOCK, device=ends.device)[:, None]  # of a block of queries
    below = start > start.T
    full = below & (padded.amin(dim=1) >= (start + BLOCK).clamp(max=slots))
    if window is not None:
        full = torch.zeros_like(full)
    partial = (below & (padded.amax(dim=1) > start) | (start == start.T)) & ~full

    def sees(batch: torch.Tensor, head: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return (key <= query) & (query < ends[key])

    def sees_near(batch: torch.Tensor, head: torch.Tensor, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        return sees(batch, head, query, key) & (depths[query] - depths[key] < reach)

    return BlockMask.from_kv_blocks(
        *_listed(partial),
        *_listed(full),
        BLOCK_SIZE=BLOCK,
        mask_mod=sees if window is None else sees_near,
        seq_lengths=(slots, slots),
    )


def _listed(seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """For each row of blocks, how many are seen, and which, those first; of the shapes and the type that BlockMask wants."""
    which = seen.int().argsort(dim=-1, descending=True, stable=True)
    return seen.sum(dim=-1, dtype=torch.int32)[None, None], which.to(torch.int32)[None, None]
