"""TreeCutTrainer: CUT on the tree, beside its formula on single rows."""

from random import Random

import pytest
import torch
from datasets import Dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aloe_hub.training.tree import RankConfig, TreeCutTrainer, TreeRankTrainer
from aloe_hub.training.tree.criticised import told
from aloe_hub.training.tree.losses import cut
from tests.training import tiny_trees as tiny
from tests.training.tree.test_ranked import assert_alike, forks, trained


def criticised(trees=2, turns=3, seed=0):
    """Forks whose worse replies are criticised in some words."""
    random = Random(seed)
    made = []
    for row in forks(trees, turns, seed):
        words = (" ".join(random.choices(tiny.WORDS[:48], k=random.randint(1, 4))) for _ in row["ranks"])
        made.append(row | {"criticisms": [None if rank == 1 else said for rank, said in zip(row["ranks"], words, strict=True)]})
    return made


def cutting(trainer, rows, **options):
    given = {"config": RankConfig, "data": Dataset.from_list(rows), "loss_type": "cut", **options}
    return trainer(TreeCutTrainer, **given)


def by_hand(made, rows, batch, margin, alpha):
    """The loss of each batch and its gradient, reply by reply, from the words of the data."""
    model, tokenizer, results = made.model, made.processing_class, []

    def log_probs(prompt, reply):
        asked = tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]
        whole = tokenizer.apply_chat_template(prompt + reply, return_dict=True)["input_ids"]
        assert whole[: len(asked)] == asked
        ids = torch.tensor(whole)[None]
        each = model(input_ids=ids).logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])[:, 0]
        return each[len(asked) - 1 :]

    for start in range(0, len(rows), batch):
        model.zero_grad()
        liked, disliked = [], []
        for row in rows[start : start + batch]:
            for reply, criticism in zip(row["completions"], row["criticisms"], strict=True):
                bare = log_probs(row["prompt"], reply)
                if criticism is None:
                    liked.append(-bare)
                    continue
                known = log_probs(told(row["prompt"], criticism), reply)
                liked.append(-known)
                at_fault = known.exp().detach() > margin * bare.exp().detach()
                disliked.append(torch.where(at_fault, -alpha * (1 - bare.exp()).log(), -bare))
        total = (torch.cat(liked).mean() + torch.cat(disliked).mean()) / 2
        total.backward()
        gradient = [weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]
        results.append((total.item(), torch.cat(gradient)))
    return results


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("tree", [True, False], ids=["tree", "rows"])
def test_it_is_its_formula_on_log_probabilities_of_single_rows(trainer, tree, lora):
    rows = criticised()
    made = cutting(trainer, rows, cut_margin=1.02, cut_alpha=0.7, lora=lora, tree=tree)
    found, metrics = tiny.passes(made)
    assert_alike(by_hand(made, rows, 4, 1.02, 0.7), found)
    assert 0 < metrics["cut/at_fault"] < 1
    if tree:
        assert metrics["tree/tokens"] < metrics["tree/tokens_exploded"] == metrics["num_tokens"]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 99), st.integers(1, 5))
def test_the_tree_and_the_rows_agree_whatever_the_shape(trainer, trees, turns, seed, batch):
    rows = criticised(trees, turns, seed)
    options = {"lora": True, "per_device_train_batch_size": batch}
    made = [cutting(trainer, rows, tree=tree, **options) for tree in (False, True)]
    made[1].model.load_state_dict(made[0].model.state_dict())
    (plain, metrics), (tree, on_tree) = map(tiny.passes, made)
    assert_alike(plain, tree)
    assert {name: on_tree[name] for name in metrics} == pytest.approx(metrics, rel=1e-4, abs=1e-4)


def test_where_nothing_is_criticised_it_is_the_mean_loss_of_a_token(trainer):
    rows = [row | {"criticisms": [None] * len(row["ranks"])} for row in criticised()]
    made = cutting(trainer, rows, lora=True)
    (loss, _), *_ = tiny.passes(made)[0]
    batch = made._prepare_inputs(next(iter(made.get_train_dataloader())))
    with torch.no_grad():
        logits = made.model(**{name: batch[name] for name in ("input_ids", "attention_mask")}).logits.log_softmax(-1)
    each = logits[:, :-1].gather(2, batch["input_ids"][:, 1:, None])[..., 0][batch["completion_mask"][:, 1:].bool()]
    assert loss == pytest.approx(-each.mean().item(), rel=1e-4)


def test_a_token_is_at_fault_where_the_criticism_makes_it_likelier_by_more_than_the_margin():
    bare = torch.tensor([0.5, 0.5, 1.0]).log().requires_grad_()
    known = torch.tensor([0.56, 0.54, 1.0]).log().requires_grad_()
    good = torch.tensor([0.25]).log().requires_grad_()
    loss, at_fault = cut(good, bare, known, 1.1, 2.0)
    assert at_fault.tolist() == [True, False, False]
    liked = -torch.cat([good, known]).mean()
    assert loss.item() == pytest.approx((liked.item() + (2 * -torch.tensor(0.5).log().item() * 1 + 0.6931472) / 3) / 2, rel=1e-5)
    loss.backward()
    # Less of what is at fault, more of what is not; a certain token does no harm, whatever is said of it.
    assert bare.grad is not None
    assert bare.grad[0] > 0 > bare.grad[1]
    assert torch.isfinite(cut(good, bare[2:], known[2:] + 1, 1.1, 1.0)[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss_type": ["cut", "lipo"]}, "loss_type cut, lipo: cut is added to no other loss"),
        ({"cut_margin": 0.0}, r"cut_margin 0.0, cut_alpha 1.0: expected one above 0"),
        ({"cut_alpha": float("nan")}, "cut_margin 1.1, cut_alpha nan: expected one above 0"),
        ({"max_length": 60}, r"a reply has \d+ tokens with its prompt and what is said of it, more than max_length 60"),
    ],
    ids=str,
)
def test_what_has_no_meaning_is_refused(trainer, options, message):
    with pytest.raises(ValueError, match=message):
        cutting(trainer, criticised(), **options)


def test_weights_of_rows_are_refused(trainer):
    with pytest.raises(ValueError, match="rows have no weights of their own"):
        cutting(trainer, [row | {"weight": 2.0} for row in criticised()])


def test_other_losses_leave_criticisms_aside(trainer):
    rows = criticised()
    with_words, without = (
        tiny.passes(trained(trainer, data, lora=True))[0]
        for data in (rows, [{name: value for name, value in row.items() if name != "criticisms"} for row in rows])
    )
    assert_alike(without, with_words)
    assert TreeRankTrainer in TreeCutTrainer.__mro__
