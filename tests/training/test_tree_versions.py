"""With a TRL whose private names differ the trainers say so once, and train as TRL does: `make compat`."""

import pytest
import trl.trainer.utils

from tests.training import tiny_trees as tiny

pytestmark = pytest.mark.skipif(
    hasattr(trl.trainer.utils, "FusedCausalLMOutput"), reason="this TRL has the names: test_trainers.py compares it"
)


def losses(trainer):
    trainer.train()
    return [line["loss"] for line in trainer.state.log_history if "loss" in line]


@pytest.mark.parametrize("kind", ["dpo", "sft"])
@pytest.mark.parametrize("lora", [False, True])
def test_they_say_so_once_and_train_as_trl(both, kind, lora, caplog):
    plain, tree = both(kind, lora=lora, max_steps=2, logging_steps=1, save_strategy="no")
    # An adapter begins at random, so both must begin alike.
    tree.model.load_state_dict(plain.model.state_dict())
    expected = losses(plain)
    assert losses(tree) == pytest.approx(expected, rel=1e-6)
    assert len(expected) == 2
    assert caplog.text.count("trains as plain TRL") == 1
    assert f"TRL {trl.__version__}" in caplog.text


def test_rows_of_a_tree_are_in_trls_order(trainer):
    from aloe_hub.training import TreeDPOTrainer

    made = trainer(TreeDPOTrainer, lora=True, data=tiny.pairs(), train_sampling_strategy="random")
    assert type(made._get_train_sampler()).__name__ == "RandomSampler"
