"""With a TRL that lacks the names which one pass needs, the trainers say so once and train as TRL does.

TRL 1.13 and 1.14 are such (`make compat`). With a later one the names are hidden from us, and from us alone.
"""

import types

import pytest
import trl

from aloe_hub.training import TreeDPOTrainer
from aloe_hub.training.outcome import ranking_accuracy
from aloe_hub.training.tree import forward
from tests.training import tiny_trees as tiny


@pytest.fixture(name="hidden")
def names_hidden(monkeypatch):
    if forward.trl_obstacle() is None:
        monkeypatch.setattr(forward, "utils", types.SimpleNamespace())


def losses(trainer):
    trainer.train()
    return [line["loss"] for line in trainer.state.log_history if "loss" in line]


@pytest.mark.usefixtures("hidden")
@pytest.mark.parametrize("kind", ["dpo", "sft"])
@pytest.mark.parametrize("lora", [pytest.param(False, marks=pytest.mark.torture), True])
def test_they_say_so_once_and_train_as_trl(both, kind, lora, caplog):
    plain, tree = both(kind, lora=lora, max_steps=2, logging_steps=1, save_strategy="no")
    # An adapter begins at random, so both must begin alike.
    tree.model.load_state_dict(plain.model.state_dict())
    expected = losses(plain)
    assert losses(tree) == pytest.approx(expected, rel=1e-6)
    assert len(expected) == 2
    assert not [line for line in tree.state.log_history if "tree/tokens" in line]
    said = [record.getMessage() for record in caplog.records if record.name.startswith("aloe_hub.")]
    assert len(said) == 1
    assert f"trains as plain TRL: TRL {trl.__version__} has no FusedCausalLMOutput" in said[0]


@pytest.mark.usefixtures("hidden")
def test_precomputed_reference_log_probabilities_are_trls(both, caplog):
    plain, tree = both("dpo", precompute_ref_log_probs=True)
    for name in ("ref_chosen_logps", "ref_rejected_logps"):
        assert list(tree.train_dataset[name]) == pytest.approx(list(plain.train_dataset[name]), rel=1e-6)
    assert caplog.text.count("trains as plain TRL") == 1


@pytest.mark.usefixtures("hidden")
def test_rows_of_a_tree_are_in_trls_order(trainer):
    made = trainer(TreeDPOTrainer, lora=True, data=tiny.pairs(), train_sampling_strategy="random")
    assert type(made._get_train_sampler()).__name__ == "RandomSampler"


@pytest.mark.skipif(forward.trl_obstacle() is not None, reason="test_train.py computes it reply by reply")
def test_the_ranking_accuracy_needs_no_fused_head(trainer, request):
    made = trainer(TreeDPOTrainer, lora=True, more={"eval_dataset": tiny.pairs(trees=6, seed=9)})
    expected = ranking_accuracy(made)
    request.getfixturevalue("hidden")
    assert ranking_accuracy(made) == expected
    assert expected is not None
    assert 0 < expected["policy"] < 1
