"""The losses of a fork beside their definitions, written out: enumerated orders, sums over pairs, and DPO where K = 2."""

import itertools
import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st

from aloe_hub.training.tree.losses import both_ways, d2o, in_order, lipo, plackett_luce, relevance_of, reliability

REWARD = st.floats(-4, 4).map(lambda value: round(value, 3))


@st.composite
def forks(draw, least=2, most=5):
    """(rewards, ranks, relevance) of K replies; ranks with ties, as a competition has them."""
    size = draw(st.integers(least, most))
    levels = draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))
    ranks = [1 + sum(other > mine for other in levels) for mine in levels]
    rewards = draw(st.lists(REWARD, min_size=size, max_size=size))
    return torch.tensor(rewards, dtype=torch.float64, requires_grad=True), torch.tensor(ranks), torch.tensor(levels).double()


def same(found, expected, rewards):
    """The same value, and the same gradient."""
    (ours,), (theirs,) = torch.autograd.grad(found, rewards), torch.autograd.grad(expected, rewards)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(forks())
def test_plackett_luce_is_the_mean_over_all_orders_that_the_ranks_allow(fork):
    rewards, ranks, _ = fork
    allowed = [order for order in itertools.permutations(range(len(ranks))) if list(ranks[list(order)]) == sorted(ranks)]
    each = [
        -sum(rewards[order[t]] - torch.logsumexp(torch.stack([rewards[i] for i in order[t:]]), 0) for t in range(len(order)))
        for order in allowed
    ]
    same(plackett_luce(rewards, ranks), torch.stack(each).mean(), rewards)


@settings(max_examples=60, deadline=None)
@given(forks())
def test_lipo_is_its_sum_over_pairs_with_weights_that_are_numbers(fork):
    rewards, ranks, relevance = fork
    values = rewards.tolist()
    places = {i: place for place, i in enumerate(sorted(range(len(values)), key=lambda i: (-values[i], ranks[i], i)), 1)}
    terms = [rewards.sum() * 0]
    for i, j in itertools.permutations(range(len(values)), 2):
        if ranks[i] < ranks[j]:
            gain = abs(2 ** relevance[i] - 2 ** relevance[j])
            step = abs(1 / math.log(1 + places[i]) - 1 / math.log(1 + places[j]))
            terms.append(gain * step * torch.log(1 + torch.exp(rewards[j] - rewards[i])))
    same(lipo(rewards, ranks, relevance), torch.stack(terms).sum(), rewards)


@given(REWARD, REWARD)
def test_of_two_replies_plackett_luce_is_dpo_and_so_are_the_others_up_to_a_weight(better, worse):
    rewards = torch.tensor([better, worse], dtype=torch.float64, requires_grad=True)
    ranks = torch.tensor([1, 2])

    def dpo():
        return -F.logsigmoid(rewards[0] - rewards[1])

    same(plackett_luce(rewards, ranks), dpo(), rewards)
    same(d2o(rewards, ranks), dpo(), rewards)
    weight = (2**4 - 2**1.5) * (1 / math.log(2) - 1 / math.log(3))
    same(lipo(rewards, ranks, torch.tensor([4, 1.5])), weight * dpo(), rewards)


@settings(max_examples=40, deadline=None)
@given(forks(), st.sampled_from([1.0, 0.5, 2.0]))
def test_d2o_pushes_the_worst_away_from_the_mean_of_the_rest(fork, alpha):
    rewards, ranks, _ = fork
    bad = [i for i in range(len(ranks)) if ranks[i] == ranks.max()]
    good = [i for i in range(len(ranks)) if i not in bad]
    if good:
        mean = sum(rewards[i] for i in good) / len(good)
        expected = sum(torch.log(1 + torch.exp(alpha * rewards[i] - mean)) for i in bad) / len(bad)
        same(d2o(rewards, ranks, alpha), expected, rewards)
    else:
        assert d2o(rewards, ranks, alpha) == 0


def test_lipo_begins_where_all_rewards_are_still_equal():
    rewards = torch.zeros(3, requires_grad=True)
    lipo(rewards, torch.tensor([3, 1, 2]), torch.tensor([1.0, 5.0, 3.0])).backward()
    assert rewards.grad is not None
    assert rewards.grad[1] < 0 < rewards.grad[0]


@given(forks())
def test_replies_that_are_all_tied_are_pulled_together_by_plackett_luce_and_left_alone_by_lipo(fork):
    rewards, ranks, relevance = fork
    tied = torch.ones_like(ranks)
    assert lipo(rewards, tied, relevance) == 0
    equal = rewards.detach().mean().expand(len(ranks)).clone()
    assert plackett_luce(equal, tied) <= plackett_luce(rewards, tied) + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.lists(REWARD, min_size=1, max_size=6), st.floats(0.01, 0.49))
def test_label_smoothing_is_the_loss_that_flipped_labels_have_on_average(margins, epsilon):
    m = torch.tensor(margins, dtype=torch.float64, requires_grad=True)
    flipped = (1 - epsilon) * -F.logsigmoid(m) + epsilon * -F.logsigmoid(-m)
    same(both_ways(m, 1 - epsilon).sum(), flipped.sum(), m)


@given(st.lists(REWARD, min_size=1, max_size=6), st.floats(0.05, 0.95))
def test_reliability_is_bayes_rule_without_gradient(margins, eta):
    m = torch.tensor(margins, dtype=torch.float64, requires_grad=True)
    found = reliability(m, eta)
    right, wrong = eta * torch.sigmoid(m.detach()), (1 - eta) * torch.sigmoid(-m.detach())
    torch.testing.assert_close(found, right / (right + wrong))
    assert not found.requires_grad


@pytest.mark.parametrize("flipped", [0.1, 0.2, 0.3, 0.4])
def test_em_finds_out_how_many_labels_were_flipped_and_which(flipped):
    """A model that can be right: margins are linear in features, and the true ones decide the labels before they are flipped."""
    random = torch.Generator().manual_seed(round(100 * flipped))
    features = torch.randn(3000, 4, generator=random)
    truth = torch.tensor([4.0, -3.0, 2.0, 5.0])
    right = torch.rand(3000, generator=random) < torch.sigmoid(features @ truth)
    wrong = torch.rand(3000, generator=random) < flipped
    sign = torch.where(right ^ wrong, 1.0, -1.0)
    weights, eta = torch.zeros(4, requires_grad=True), 0.75
    optimizer = torch.optim.Adam([weights], lr=0.3)
    for _ in range(1000):
        margins = sign * (features @ weights)
        labels = reliability(margins, eta)
        optimizer.zero_grad()
        both_ways(margins, labels).mean().backward()
        optimizer.step()
        eta = 0.9 * eta + 0.1 * float(labels.mean())
    assert eta == pytest.approx(1 - flipped, abs=0.03)
    clean, noisy = labels[~wrong].mean(), labels[wrong].mean()
    assert clean > 0.85 > 0.45 > noisy
    assert torch.cosine_similarity(weights, truth, dim=0) > 0.98


def test_pairs_in_order_are_counted_without_ties():
    assert in_order(torch.tensor([0.5, 0.1, 0.3, 0.3]), torch.tensor([1, 2, 2, 4])) == (3, 5)


def test_relevance_is_the_scores_or_the_share_of_replies_that_are_beaten():
    assert relevance_of([5, 3.5, 1], [1, 2, 3]) == [5, 3.5, 1]
    assert relevance_of(None, [1, 2, 3, 4]) == pytest.approx([1, 2 / 3, 1 / 3, 0])
    assert relevance_of([None, 2.0, None], [1, 1, 3]) == [0.75, 0.75, 0.0]
