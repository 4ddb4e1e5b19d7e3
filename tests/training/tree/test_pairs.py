"""Weights of pairs and losses for noisy labels: beside TRL's own losses of single pairs, on the tree and row by row."""

import itertools

import pytest
import torch
from datasets import Dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peft import get_peft_model
from trl import DPOTrainer

from aloe_hub.training.tree import TreeDPOTrainer
from aloe_hub.training.tree.losses import reliability
from aloe_hub.training.tree.pairs import MIXING
from tests.training import tiny_trees as tiny
from tests.training.tree.test_ranked import assert_alike
from tests.training.tree.test_trainers import LOSSES

WEIGHTS = [1.0, 0.0, 2.5, 0.5, 1.0, 3.0]


def weighted(weights, rows=None):
    return Dataset.from_list([row | {"weight": weight} for row, weight in zip(rows or tiny.rows(), weights, strict=True)])


def one_by_one(trainer, loss, **options):
    """TRL's loss of each pair in a batch of its own."""
    return tiny.passes(trainer(DPOTrainer, lora=True, loss_type=loss, per_device_train_batch_size=1, **options))[0]


def combined(parts, size=4):
    """Of single pairs' (loss, gradient, weight), the means over batches."""
    batches = [parts[start : start + size] for start in range(0, len(parts), size)]
    return [
        (sum(loss * weight for loss, _, weight in batch) / len(batch), sum(g * weight for _, g, weight in batch) / len(batch))
        for batch in batches
    ]


@pytest.mark.parametrize("tree", [pytest.param(False, marks=pytest.mark.torture), True], ids=["rows", "tree"])
@pytest.mark.parametrize("loss", [loss for loss in LOSSES if loss not in MIXING])
def test_a_weight_multiplies_a_pair_s_loss_whichever_it_is(trainer, loss, tree):
    options = {"label_smoothing": 0.1}
    single = one_by_one(trainer, loss, **options)
    parts = [(*one, weight) for one, weight in zip(single, WEIGHTS, strict=True)]
    made = trainer(TreeDPOTrainer, lora=True, loss_type=loss, data=weighted(WEIGHTS), tree=tree, **options)
    assert_alike(combined(parts), tiny.passes(made)[0])


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("options", [{}, {"loss_type": "ipo"}, {"use_weighting": True}], ids=str)
def test_row_by_row_a_weight_of_1_is_trl_to_the_bit(trainer, options, lora):
    expected, metrics = tiny.passes(trainer(DPOTrainer, lora=lora, **options))
    found, ours = tiny.passes(trainer(TreeDPOTrainer, lora=lora, data=weighted([1.0] * 6), tree=False, **options))
    assert [loss for loss, _ in found] == [loss for loss, _ in expected]
    assert all(torch.equal(mine, theirs) for (_, mine), (_, theirs) in zip(found, expected, strict=True))
    assert ours == metrics


def test_weights_and_wpo_multiply(trainer):
    single = one_by_one(trainer, "sigmoid", use_weighting=True)
    parts = [(*one, weight) for one, weight in zip(single, WEIGHTS, strict=True)]
    made = trainer(TreeDPOTrainer, lora=True, use_weighting=True, data=weighted(WEIGHTS))
    assert_alike(combined(parts), tiny.passes(made)[0])


def test_weights_are_kept_with_a_reference_that_was_computed_before(trainer):
    options = {"lora": True, "data": weighted(WEIGHTS)}
    expected = tiny.passes(trainer(TreeDPOTrainer, **options))[0]
    assert_alike(expected, tiny.passes(trainer(TreeDPOTrainer, precompute_ref_log_probs=True, **options))[0])


@pytest.mark.parametrize("loss", MIXING)
def test_losses_of_a_whole_batch_have_no_weights_of_pairs(trainer, loss):
    with pytest.raises(ValueError, match=f"loss_type {loss}: is of a whole batch"):
        trainer(TreeDPOTrainer, lora=True, loss_type=loss, data=weighted(WEIGHTS))


def flipped(rows):
    return [row | {"chosen": row["rejected"], "rejected": row["chosen"]} for row in rows]


def both_sides(trainer):
    """TRL's DPO loss of each pair as it stands, and the other way round."""
    return one_by_one(trainer, "sigmoid"), one_by_one(trainer, "sigmoid", data=Dataset.from_list(flipped(tiny.rows())))


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("tree", [False, True], ids=["rows", "tree"])
def test_label_smoothing_is_trls_loss_of_labels_that_are_flipped_with_that_probability(trainer, tree, lora):
    sides = [
        tiny.passes(trainer(DPOTrainer, lora=lora, per_device_train_batch_size=1, data=Dataset.from_list(rows)))[0]
        for rows in (tiny.rows(), flipped(tiny.rows()))
    ]
    parts = [(0.8 * a + 0.2 * b, 0.8 * g + 0.2 * h, w) for (a, g), (b, h), w in zip(*sides, WEIGHTS, strict=True)]
    made = trainer(TreeDPOTrainer, lora=lora, loss_type="smoothed", label_smoothing=0.2, data=weighted(WEIGHTS), tree=tree)
    found, metrics = tiny.passes(made)
    assert_alike(combined(parts), found)
    theirs = tiny.passes(trainer(DPOTrainer, lora=lora))[1]
    assert {name: metrics[name] for name in theirs} == pytest.approx(theirs, rel=1e-4, abs=1e-4)  # as of the labels that stand


def test_robust_is_on_average_over_flips_what_clean_labels_give(trainer):
    epsilon, rows = 0.2, tiny.rows(trees=1, turns=2)
    clean = tiny.passes(trainer(DPOTrainer, lora=True, data=Dataset.from_list(rows)))[0][0]
    options = {"lora": True, "loss_type": "robust", "label_smoothing": epsilon}
    mean, gradient = 0.0, torch.zeros_like(clean[1])
    for flips in itertools.product([False, True], repeat=2):
        seen = [flipped([row])[0] if flip else row for row, flip in zip(rows, flips, strict=True)]
        loss, slope = tiny.passes(trainer(TreeDPOTrainer, data=Dataset.from_list(seen), **options))[0][0]
        share = epsilon ** sum(flips) * (1 - epsilon) ** (2 - sum(flips))
        mean, gradient = mean + share * loss, gradient + share * slope
    assert_alike([clean], [(mean, gradient)])


@pytest.mark.parametrize("tree", [False, True], ids=["rows", "tree"])
def test_lcpo_weighs_both_ways_of_a_label_by_how_probable_they_are(trainer, tree):
    stands, other = both_sides(trainer)
    made = trainer(TreeDPOTrainer, lora=True, loss_type="lcpo", label_smoothing=0.3, tree=tree)
    eta, parts, expected = 0.7, [], []
    for number, ((a, g), (b, h)) in enumerate(zip(stands, other, strict=True)):
        right = float(reliability(torch.tensor(b - a, dtype=torch.float64), eta))  # log σ(m) - log σ(-m) is m
        parts.append((right * a + (1 - right) * b, right * g + (1 - right) * h, 1.0, right))
        if len(parts) == 4 or number == 5:  # a batch is done, and moves the share of right labels
            eta = 0.9 * eta + 0.1 * sum(part[3] for part in parts) / len(parts)
            expected += combined([part[:3] for part in parts])
            parts = []
    found, metrics = tiny.passes(made)
    assert_alike(expected, found)
    assert metrics["noise/reliability"] == pytest.approx(eta, abs=1e-5) == pytest.approx(made.reliability)


def test_lcpo_finds_out_how_many_labels_were_flipped_where_the_model_cannot_learn_them_by_heart(trainer):
    """One question, two replies: what is left of the rows is which of the two was preferred, and how often."""
    prompt, (good, bad) = [{"role": "user", "content": "w5"}], ([{"role": "assistant", "content": word}] for word in ("w1", "w2"))
    rows = [{"tree_id": str(n), "prompt": prompt, "chosen": good, "rejected": bad} for n in range(80)]
    rows = [flipped([row])[0] if n % 5 == 0 else row for n, row in enumerate(rows)]
    made = trainer(
        TreeDPOTrainer, made=get_peft_model(tiny.model(), tiny.lora(init_lora_weights=True)), data=Dataset.from_list(rows),
        loss_type="lcpo", label_smoothing=0.4, beta=1.0, per_device_train_batch_size=20, max_steps=60, learning_rate=1e-2,
        lr_scheduler_type="constant", save_strategy="no", logging_steps=60, train_sampling_strategy="random",
    )  # fmt: skip
    made.train()
    assert made.reliability == pytest.approx(0.8, abs=0.04)
    assert made.state.log_history[0]["noise/reliability"] == made.reliability


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 2), st.integers(1, 3), st.integers(0, 99), st.sampled_from(["lcpo", "smoothed", "robust"]), st.data())
def test_the_tree_and_the_rows_agree_whatever_the_shape(trainer, trees, turns, seed, loss, data):
    rows = tiny.rows(trees, turns, seed)
    weights = data.draw(st.lists(st.floats(0.1, 3), min_size=len(rows), max_size=len(rows)))
    options = {"lora": True, "loss_type": loss, "label_smoothing": 0.2, "data": weighted(weights, rows)}
    made = [trainer(TreeDPOTrainer, tree=tree, **options) for tree in (False, True)]
    made[1].model.load_state_dict(made[0].model.state_dict())
    assert_alike(*(tiny.passes(one)[0] for one in made))


@pytest.mark.parametrize("loss_type", [["sigmoid", "sft"], ["robust", "sft"]])
@pytest.mark.parametrize("divergence", ["forward_kl", "js_divergence"])
def test_sigmoid_and_sft_together_under_another_divergence_are_trls_on_the_tree(both, loss_type, divergence):
    options = {"loss_type": loss_type, "loss_weights": [0.7, 0.3], "f_divergence_type": divergence, "label_smoothing": 0.1}
    tiny.assert_same(*both("dpo", lora=True, **options))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss_type": "lcpo"}, "loss_type lcpo, label_smoothing 0.0: must be more than 0 and less than 0.5"),
        ({"loss_type": "smoothed", "label_smoothing": 0.5}, "label_smoothing 0.5: must be at least 0 and less than 0.5"),
        ({"loss_type": ["lcpo", "sft"], "label_smoothing": 0.1}, "loss_type lcpo: stands alone, and not with sft"),
        ({"loss_type": "smoothed", "ld_alpha": 0.5}, "loss_type smoothed: without f_divergence_type, ld_alpha and use_weighting"),
    ],
    ids=str,
)
def test_what_has_no_meaning_is_refused(trainer, options, message):
    with pytest.raises(ValueError, match=message):
        trainer(TreeDPOTrainer, lora=True, **options)
