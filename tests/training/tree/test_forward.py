"""One pass of a model over a trie, beside the plain pass over its rows."""

import dataclasses
import functools
import inspect

import pytest
import torch
from torch._dynamo.testing import CompileCounter
from trl.trainer.utils import FusedCausalLMOutput, add_fused_lm_head

from aloe_hub.training.tree import attention
from aloe_hub.training.tree.attention import BLOCK, BY_BRANCHES, _block_mask, tree_attention
from aloe_hub.training.tree.batch import pack
from aloe_hub.training.tree.forward import add_tree_forward
from tests.training import tiny_trees as tiny
from tests.training.tree.test_attention import LONG
from tests.training.tree.test_batch import padded

EVERYTHING = ("log_probs", "entropy", "log_sum_sq_probs", "mean_logits", "is_top1")
BATCH = padded(LONG)
WINDOWS = [("Llama", {}), ("Mistral", {"sliding_window": 6})]
WINDOWS += [("Qwen2", {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1})]


def patched(family="Llama", packs=True, **settings):
    model = tiny.model(family, hidden_size=64, **settings).eval()
    add_fused_lm_head(model, outputs=EVERYTHING)
    add_tree_forward(model, packs=packs)
    return model


def test_every_field_stands_where_trl_looks_for_it():
    model = patched()
    plain, packed = (model(**BATCH, tree=tree, fused_lm_head=True) for tree in (None, pack(BATCH)))
    assert torch.equal(packed.label_mask, plain.label_mask)
    for name in EVERYTHING:
        torch.testing.assert_close(getattr(packed, name), getattr(plain, name), rtol=1e-5, atol=1e-5)
    assert {field.name for field in dataclasses.fields(FusedCausalLMOutput)} - {*EVERYTHING} == {"loss", "label_mask", "aux_loss"}


@torch.no_grad()
@pytest.mark.parametrize(("family", "settings"), WINDOWS)
def test_every_attention_sees_the_same(family, settings):
    """FlexAttention has no backward on a CPU, and is slow to compile: forwards and uncompiled."""
    passes = []
    with torch.compiler.set_stance("force_eager"):
        for attention in ("sdpa", "eager", "flex_attention"):
            model = patched(family, attention=attention, **settings)
            passes.append(model(**BATCH, tree=pack(BATCH), fused_lm_head=True).log_probs)
        plain = patched(family, **settings)(**BATCH, fused_lm_head=True).log_probs
    for found in passes:
        torch.testing.assert_close(found, plain, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_with_a_block_mask_attention_by_paths_is_flex_attention():
    tree = pack(BATCH)
    assert tree is not None
    torch.manual_seed(0)
    query, key, value = (torch.randn(1, heads, len(tree), 16) for heads in (4, 2, 2))
    module = torch.nn.Module()
    with torch.compiler.set_stance("force_eager"):
        flex, _ = tree_attention(module, query, key, value, _block_mask(tree, None), scaling=0.25, aloe_tree=tree)
    branches, _ = tree_attention(module, query, key, value, None, scaling=0.25, aloe_tree=tree)
    torch.testing.assert_close(flex, branches, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_flex_attention_is_compiled_once_whatever_the_lengths_and_autocast(monkeypatch):
    counter = CompileCounter()
    compiled = functools.partial(torch.compile, backend=counter)
    monkeypatch.setattr(torch, "compile", compiled)
    attention._flex_attention.cache_clear()
    torch._dynamo.reset()
    # The first tree has as many blocks as there are heads.
    for number, length in enumerate((3 * BLOCK, 5 * BLOCK + 7, 2 * BLOCK, 4 * BLOCK - 1)):
        tree = pack(padded([[(token, True) for token in range(length + 1)]]))
        assert tree is not None
        query, key, value = (torch.randn(1, 3, len(tree), 16) for _ in range(3))
        with torch.autocast("cpu", torch.bfloat16, enabled=number % 2 == 1):
            tree_attention(torch.nn.Module(), query, key, value, _block_mask(tree, None), aloe_tree=tree)
    assert counter.frame_count == 1
    attention._flex_attention.cache_clear()


def test_the_head_is_applied_to_predictions_alone():
    model, sizes = patched(), []
    tree = pack({**BATCH, "labels": BATCH["labels"].index_fill(1, torch.arange(20), -100)})
    assert tree is not None
    model.model.register_forward_hook(lambda module, inputs, outputs: sizes.append(outputs.last_hidden_state.shape[1]))
    model(**BATCH, tree=tree, fused_lm_head=True)
    hook = list(model.model._forward_hooks)
    assert len(hook) == 1  # ours is gone again
    assert len(tree.predictors) < len(tree) == sizes[0]  # the test's hook came before it


def test_without_the_fused_head_or_without_leave_the_tree_is_ignored():
    tree = pack(BATCH)
    rows = {name: BATCH[name] for name in ("input_ids", "attention_mask")}
    model = patched()
    assert torch.equal(model(**rows, tree=tree).logits, model(**rows).logits)
    closed = patched(packs=False)
    assert closed.config._attn_implementation == "sdpa"
    assert torch.equal(*(closed(**BATCH, tree=given, fused_lm_head=True).log_probs for given in (tree, None)))


def test_the_patched_forward_keeps_the_models_signature_and_its_plain_numbers():
    model, fresh = patched(), tiny.model(hidden_size=64).eval()
    assert inspect.signature(model.forward).parameters.keys() - {"self"} == inspect.signature(fresh.forward).parameters.keys()
    assert model.config._attn_implementation == BY_BRANCHES
    rows = {name: BATCH[name] for name in ("input_ids", "attention_mask")}
    assert torch.equal(model(**rows).logits, fresh(**rows).logits)
