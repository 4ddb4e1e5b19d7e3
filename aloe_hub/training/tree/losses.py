"""Losses of a fork, of the rewards of its replies: r(y) = β log π(y|x) / π_ref(y|x), as in DPO, and nothing else.

Rewards are (K,), ranks (K,) with 1 for the best and one rank for replies that are tied, relevance (K,). Each returns a scalar.
With two replies Plackett-Luce is DPO, LiPO-λ is DPO times a weight, and so is D²O at α = β.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812


def plackett_luce(rewards: torch.Tensor, ranks: torch.Tensor) -> torch.Tensor:
    """-log P(the order), replies drawn one after the other, each by exp(r) among those that are left.

    Rafailov et al. 2023 (arXiv 2305.18290), appendix A.3. Tied replies may come in any order: it is the mean of the loss over all
    of their orders, which is found without walking them. While s of m tied replies are still to come, the order is random, so
    they are any s of the m alike: a mean over 2^m sets instead of m! orders.
    """
    loss = -rewards.sum()
    for rank in sorted(set(ranks.tolist())):
        tied, below = rewards[ranks == rank], rewards[ranks > rank]
        among, alike = _subsets(len(tied))
        left = tied.expand(len(among), -1).masked_fill(~among.to(tied.device), -math.inf)
        left = torch.cat([left, below.expand(len(among), -1)], dim=1)
        loss = loss + (left.logsumexp(dim=1) / alike.to(left)).sum()
    return loss


def lipo(rewards: torch.Tensor, ranks: torch.Tensor, relevance: torch.Tensor) -> torch.Tensor:
    """LiPO-λ: each pair's DPO loss, weighted by what exchanging the two would do to the list's discounted gain.

    Liu et al. 2024 (arXiv 2402.01878): Σ over pairs with i better than j of Δ_ij log(1 + exp(r_j - r_i)), where
    Δ_ij = |G_i - G_j| |1/D_i - 1/D_j|, G = 2^relevance - 1, D = log(1 + place), and the place is that among the rewards as they
    are. The weights carry no gradient. Equal rewards, as all are before the first step, take their places in the order of ranks:
    with one place for all of them every weight were 0, and nothing would ever begin.
    """
    by_rank = ranks.argsort(stable=True)
    order = by_rank[rewards.detach()[by_rank].argsort(descending=True, stable=True)]
    places = torch.empty_like(order)
    places[order] = torch.arange(1, len(order) + 1, device=order.device)
    gains, discounts = relevance.to(rewards).exp2() - 1, 1 / (1 + places).to(rewards).log()
    weights = (gains[:, None] - gains).abs() * (discounts[:, None] - discounts).abs()
    return (_better(ranks) * weights * -F.logsigmoid(rewards[:, None] - rewards)).sum()


def d2o(rewards: torch.Tensor, ranks: torch.Tensor, alpha: float = 1.0) -> torch.Tensor:
    """D²O: away from the worst reply, with the others as anchors; what is good of those is not looked at.

    Duan et al. 2024 (arXiv 2403.03419), with one reference: -log σ(the mean reward of the anchors - α/β r(worst)), here with
    `alpha` for α/β. The paper's anchors are samples of the model itself. Of several that are worst, the mean.
    """
    worst = ranks == ranks.max()
    if worst.all():
        return rewards.sum() * 0  # there is nothing to be anchored at
    return -F.logsigmoid(rewards[~worst].mean() - alpha * rewards[worst]).mean()


def cut(
    good: torch.Tensor, bare: torch.Tensor, told: torch.Tensor, margin: float, alpha: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """CUT, and which tokens are at fault: as criticised.py says, of log-probabilities of tokens.

    good: (g,) of replies without a fault. bare, told: (m,) of criticised replies, as they are and when the model is told why.
    """
    liked = -torch.cat([good, told]).mean()
    at_fault = (told - bare).detach() > math.log(margin)
    if not len(bare):
        return liked, at_fault
    unlikely = -torch.log1p(-bare.exp().clamp(max=1 - 1e-5))
    return (liked + torch.where(at_fault, alpha * unlikely, -bare).mean()) / 2, at_fault


def reliability(margins: torch.Tensor, eta: float) -> torch.Tensor:
    """LCPO's E-step: how probable each label is to be right, if the share η of labels is, and by the model as it stands.

    Cao et al. 2025 (arXiv 2509.24159): η σ(m) / (η σ(m) + (1 - η) σ(-m)), which is σ(m + logit η); without gradient.
    """
    return torch.sigmoid(margins.detach() + math.log(eta / (1 - eta)))


def both_ways(margins: torch.Tensor, right: torch.Tensor | float) -> torch.Tensor:
    """DPO's loss (B,) of labels that are `right` with a probability: as they stand, and the other way round.

    With one number, 1 - ε, it is label smoothing (Mitchell 2023, conservative DPO, equation 3); with `reliability` it is LCPO's
    M-step.
    """
    return -right * F.logsigmoid(margins) - (1 - right) * F.logsigmoid(-margins)


def in_order(values: torch.Tensor, ranks: torch.Tensor) -> tuple[int, int]:
    """How many pairs of replies that are not tied have the better one at the higher value, and how many there are."""
    better = _better(ranks)
    return int((better & (values[:, None] > values)).sum()), int(better.sum())


def relevance_of(scores: Sequence[float | None] | None, ranks: Sequence[int]) -> list[float]:
    """The scores where all replies have one, else the share of the other replies that each beats, a tie as half.

    >>> relevance_of([4.0, 2.5], [1, 2]), relevance_of([4.0, None, None], [1, 2, 2])
    ([4.0, 2.5], [1.0, 0.25, 0.25])
    """
    given = [score for score in scores or () if score is not None]
    if len(given) == len(ranks):
        return [float(score) for score in given]
    beaten = [sum((mine < other) + (mine == other) / 2 for other in ranks) - 0.5 for mine in ranks]
    return [share / max(len(ranks) - 1, 1) for share in beaten]


def _better(ranks: torch.Tensor) -> torch.Tensor:
    """(K, K), true where the reply of the row is better than that of the column."""
    return ranks[:, None] < ranks


@functools.cache
def _subsets(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """All sets of `size` things but the empty one, (2^size - 1, size), and how many there are of the size of each."""
    codes = torch.arange(1, 2**size)
    among = (codes[:, None] >> torch.arange(size)) % 2 == 1
    return among, torch.tensor([math.comb(size, int(count)) for count in among.sum(dim=1)])
