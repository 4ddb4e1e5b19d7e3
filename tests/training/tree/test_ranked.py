"""TreeRankTrainer: the losses of whole forks on the tree, beside TRL's DPO, a pass for each row, and one fork at a time."""

from random import Random

import pytest
import torch
from datasets import Dataset
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from trl import DPOTrainer

from aloe_hub.training.tree import RankConfig, TreeRankTrainer
from aloe_hub.training.tree.losses import d2o, lipo, plackett_luce, relevance_of
from tests.training import tiny_trees as tiny

TIES = [[1, 2, 3, 4], [1, 2, 2, 4], [1, 1, 3], [2, 1]]


def forks(trees=2, turns=3, seed=0, scored=True):
    """Forks of two to four replies on the trunks of `tiny.rows`."""
    random = Random(seed)

    def said():
        return [{"role": "assistant", "content": " ".join(random.choices(tiny.WORDS[:48], k=random.randint(2, 6)))}]

    made = []
    for row in tiny.rows(trees, turns, seed):
        ranks = random.choice(TIES)
        replies = [row["chosen"], row["rejected"], said(), said()][: len(ranks)]
        scores = [6.0 - rank for rank in ranks] if scored else None
        kept = {name: row[name] for name in ("tree_id", "turn", "prompt")}
        made.append(kept | {"completions": replies, "ranks": ranks, "scores": scores})
    return made


def trained(trainer, rows, **options):
    given = {"config": RankConfig, "data": Dataset.from_list(rows), **options}
    return trainer(TreeRankTrainer, **given)


def by_hand(made, loss):
    """The loss of each fork of each batch and its gradient, from a plain pass over each row alone."""
    model, results = made.model, []
    for batch in made.get_train_dataloader():
        inputs = made._prepare_inputs(batch)
        model.zero_grad()
        lengths = inputs["attention_mask"].sum(dim=1)

        def log_probability(who, row, inputs=inputs, lengths=lengths):
            ids, mask = (inputs[name][row, : lengths[row]] for name in ("input_ids", "completion_mask"))
            each = who(input_ids=ids[None]).logits.log_softmax(-1)[0, :-1].gather(1, ids[1:, None])[:, 0]
            return (each * mask[1:]).sum()

        rows = range(len(lengths))
        if made.ref_model is None:
            with torch.no_grad(), model.disable_adapter():
                before = torch.stack([log_probability(model, row) for row in rows])
        else:
            with torch.no_grad():
                before = torch.stack([log_probability(made.ref_model, row) for row in rows])
        rewards = made.beta * (torch.stack([log_probability(model, row) for row in rows]) - before)
        count = int(inputs["forks"].max()) + 1
        each = [
            loss(rewards[mine], inputs["ranks"][mine], inputs["relevance"][mine])
            for mine in (inputs["forks"] == fork for fork in range(count))
        ]
        total = (torch.stack(each) * inputs.get("weight", torch.ones(count))).mean()
        total.backward()
        gradient = [weight.grad.flatten() for weight in model.parameters() if weight.grad is not None]
        results.append((total.item(), torch.cat(gradient)))
    return results


FORMULAS = {
    "lipo": lipo,
    "plackett_luce": lambda rewards, ranks, relevance: plackett_luce(rewards, ranks),
    "d2o": lambda rewards, ranks, relevance: d2o(rewards, ranks, 2.0),
}


def assert_alike(expected, found):
    assert len(expected) == len(found)
    for (loss, gradient), (other, theirs) in zip(expected, found, strict=True):
        assert other == pytest.approx(loss, rel=2e-5, abs=1e-7)
        assert gradient.norm() > 0
        assert (gradient - theirs).norm() <= 2e-5 * gradient.norm()


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("tree", [True, False], ids=["tree", "rows"])
@pytest.mark.parametrize("loss", FORMULAS)
def test_every_loss_is_its_formula_on_log_probabilities_of_single_rows(trainer, loss, tree, lora):
    made = trained(trainer, forks(), loss_type=loss, d2o_alpha=0.2, lora=lora, tree=tree)
    found, metrics = tiny.passes(made)
    assert_alike(by_hand(made, FORMULAS[loss]), found)
    if tree:
        assert metrics["tree/tokens"] < metrics["tree/tokens_exploded"] == metrics["num_tokens"]
    assert 0 <= metrics["rewards/accuracies"] <= 1


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 99), st.sampled_from(["lipo", "plackett_luce"]), st.integers(1, 5))
def test_the_tree_and_the_rows_agree_whatever_the_shape(trainer, trees, turns, seed, loss, batch):
    rows = forks(trees, turns, seed, scored=seed % 2 == 0)
    options = {"loss_type": loss, "lora": True, "per_device_train_batch_size": batch}
    made = [trained(trainer, rows, tree=tree, **options) for tree in (False, True)]
    made[1].model.load_state_dict(made[0].model.state_dict())
    (plain, metrics), (tree, on_tree) = map(tiny.passes, made)
    assert_alike(plain, tree)
    assert {name: on_tree[name] for name in metrics} == pytest.approx(metrics, rel=1e-4, abs=1e-4)


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("loss", ["plackett_luce", "d2o"])
def test_of_pairs_it_is_trls_dpo(trainer, loss, lora):
    pairs = tiny.rows()
    kept = [{name: row[name] for name in ("tree_id", "turn", "prompt")} for row in pairs]
    both = [
        row | {"completions": [pair["chosen"], pair["rejected"]], "ranks": [1, 2]} for row, pair in zip(kept, pairs, strict=True)
    ]
    (expected, theirs), (found, ours) = (
        tiny.passes(made) for made in (trainer(DPOTrainer, lora=lora), trained(trainer, both, loss_type=loss, lora=lora))
    )
    assert_alike(expected, found)
    same = {"rewards/best": "rewards/chosen", "rewards/worst": "rewards/rejected"} | {
        name: name for name in ("rewards/margins", "rewards/accuracies", "num_tokens")
    }
    assert {name: ours[name] for name in same} == pytest.approx({name: theirs[same[name]] for name in same}, abs=1e-4)


def test_losses_are_added_by_their_weights_and_forks_by_theirs(trainer):
    rows = [row | {"weight": weight} for row, weight in zip(forks(), [1.0, 0.0, 2.5, 0.5, 1.0, 3.0], strict=True)]
    made = trained(trainer, rows, loss_type=["lipo", "plackett_luce"], loss_weights=[0.3, 2.0], lora=True)
    expected = by_hand(made, lambda *fork: 0.3 * lipo(*fork) + 2.0 * plackett_luce(*fork[:2]))
    assert_alike(expected, tiny.passes(made)[0])


def test_forks_without_scores_are_ranked_by_how_many_replies_each_beats(trainer):
    made = trained(trainer, forks(scored=False), lora=True)
    for row in made.train_dataset:
        assert row["relevance"] == pytest.approx(relevance_of(None, row["ranks"]))
    assert_alike(by_hand(made, lipo), tiny.passes(made)[0])


@pytest.mark.parametrize("options", [{"max_length": 30}, {"max_length": 30, "truncation_mode": "keep_end"}], ids=str)
def test_rows_are_cut_as_trl_cuts_them(trainer, options):
    pairs = tiny.rows()
    rows = [{"tree_id": row["tree_id"], "prompt": row["prompt"], "ranks": [1, 2]} for row in pairs]
    rows = [row | {"completions": [pair["chosen"], pair["rejected"]]} for row, pair in zip(rows, pairs, strict=True)]
    expected = tiny.passes(trainer(DPOTrainer, lora=True, **options))[0]
    assert_alike(expected, tiny.passes(trained(trainer, rows, loss_type="plackett_luce", lora=True, **options))[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss_type": "sigmoid"}, "loss_type sigmoid: of ranked replies it is lipo, plackett_luce, d2o or cut"),
        ({"loss_type": "cut"}, "loss_type cut: is not of TreeRankTrainer; TreeCutTrainer has cut"),
        ({"precompute_ref_log_probs": True}, "precompute_ref_log_probs True: is of pairs"),
        ({"f_divergence_type": "forward_kl"}, "f_divergence_type forward_kl: is of pairs"),
        ({"label_smoothing": 0.1}, "label_smoothing 0.1: is of pairs"),
    ],
    ids=str,
)
def test_what_is_of_pairs_alone_is_refused(trainer, options, message):
    with pytest.raises(ValueError, match=message):
        trained(trainer, forks(), **options)


def test_scores_too_large_for_lipos_gain_are_refused(trainer):
    rows = forks()
    rows[0]["scores"][0] = 85.0
    with pytest.raises(ValueError, match="a score of 85: lipo's gain is 2 to it"):
        trained(trainer, rows)
