"""TreeGRPOTrainer beside TRL's own, in float32 and on the same replies: the same losses, gradients and metrics."""

import pytest
import torch
from trl import GRPOConfig, GRPOTrainer

from aloe_hub.training.tree.batch import IGNORED
from aloe_hub.training.tree.grpo import StepSampler, TreeGRPOTrainer, packed
from aloe_hub.training.tree.sampler import TreeSampler
from tests.training import tiny_trees as tiny


def by_length(completions, **others):
    return [float(len(one[0]["content"].split()) % 5) for one in completions]


@pytest.fixture(name="made")
def made_of_a_tiny_model(tmp_path):
    def make(kind, *, family="Llama", lora=True, model=None, reward=by_length, **options):
        settings = {
            "output_dir": str(tmp_path / kind.__name__),
            "per_device_train_batch_size": 6,
            "num_generations": 2,
            "max_completion_length": 5,
            "gradient_checkpointing": False,
            "bf16": False,
            "use_cpu": True,
            "report_to": [],
            "disable_tqdm": True,
            **options,
        }
        return kind(
            model=model or tiny.model(family),
            reward_funcs=[reward],
            args=GRPOConfig(**settings),
            train_dataset=tiny.pairs().select_columns(["tree_id", "turn", "prompt"]),
            processing_class=tiny.tokenizer("llama3"),
            peft_config=tiny.lora() if lora else None,
        )

    return make


def loss_of(trainer, batches):
    """Loss, gradient and metrics of batches that were sampled elsewhere."""
    trainer.model.train()
    trainer.model.zero_grad()
    trainer._metrics["train"].clear()
    trainer.current_gradient_accumulation_steps = 1
    losses = [trainer.compute_loss(trainer.model, dict(batch)) for batch in batches]
    sum(losses).backward()
    gradient = torch.cat([weight.grad.flatten() for weight in trainer.model.parameters() if weight.grad is not None])
    return torch.stack(losses).detach(), gradient, dict(trainer._metrics["train"])


def assert_same(make, change=lambda batch: batch, **options):
    """The same replies through both; the tokens of the tree pass."""
    plain, tree = make(GRPOTrainer, **options), make(TreeGRPOTrainer, **options)
    tree.model.load_state_dict(plain.model.state_dict())
    if tree.ref_model is not None:
        tree.ref_model.load_state_dict(plain.ref_model.state_dict())
    loader = iter(tree.get_train_dataloader())  # prompts of one tree
    plain.model.train()
    inputs = next(loader)
    torch.manual_seed(1)
    sampled = plain._generate_and_score_completions([dict(row) for row in inputs])
    tree.model.train()
    torch.manual_seed(1)
    again = tree._generate_and_score_completions([dict(row) for row in inputs])
    assert sampled.keys() == again.keys()
    for name, value in sampled.items():
        torch.testing.assert_close(again[name], value, atol=1e-4, rtol=1e-5)
    with torch.no_grad():  # away from where it sampled, so that ratio and divergence are not 1 and 0
        torch.manual_seed(2)
        moves = [torch.randn_like(weight) * 0.02 for weight in plain.model.parameters()]
        for one in (plain, tree):
            for weight, move in zip(one.model.parameters(), moves, strict=True):
                if weight.requires_grad:
                    weight.add_(move)
    batch = change(sampled | {"advantages": torch.randn(len(sampled["advantages"]))})
    expected, gradient, metrics = loss_of(plain, [batch])
    found, tree_gradient, tree_metrics = loss_of(tree, [batch])
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
    assert gradient.norm() > 0
    assert (gradient - tree_gradient).norm() <= 1e-5 * gradient.norm()
    counts = [tree_metrics.pop(name)[0] for name in ("tree/tokens", "tree/tokens_exploded")]
    assert {name: pytest.approx(value, rel=1e-4, abs=1e-5) for name, value in metrics.items()} == tree_metrics
    assert counts[0] < counts[1] == int(sampled["prompt_mask"].sum() + sampled["completion_mask"].sum())
    return counts


@pytest.mark.parametrize("lora", [False, True], ids=["full", "lora"])
@pytest.mark.parametrize("family", ["Llama", "Qwen3"])
def test_one_pass_is_trl(made, family, lora):
    assert_same(made, family=family, lora=lora)


@pytest.mark.parametrize(
    "options",
    [
        {"beta": 0.1},
        {"beta": 0.1, "temperature": 0.7, "loss_type": "grpo"},
        {"num_iterations": 2, "loss_type": "bnpo"},
        {"importance_sampling_level": "sequence", "loss_type": "grpo"},
        {"top_entropy_quantile": 0.5, "entropy_coef": 0.1},
        {"mask_truncated_completions": True, "max_completion_length": 60},
    ],
    ids=str,
)
def test_options_of_grpo(made, options):
    assert_same(made, **options)


def test_a_conversation_whose_user_is_masked_and_whose_turns_have_advantages_of_their_own(made):
    def turns(batch):
        shape = batch["completion_ids"].shape
        return batch | {"tool_mask": (torch.arange(shape[1]) % 3 > 0).int().expand(shape), "advantages": torch.randn(shape)}

    assert_same(made, turns, beta=0.1)


def test_a_full_reference_model_is_packed_too(made, tmp_path):
    tiny.model().save_pretrained(tmp_path / "base")
    from transformers import AutoModelForCausalLM

    assert_same(lambda kind, **options: made(kind, model=AutoModelForCausalLM.from_pretrained(tmp_path / "base"), **options),
                lora=False, beta=0.2)  # fmt: skip


def test_a_step_takes_prompts_of_one_tree_each_as_often_as_it_is_replied_to(made):
    trainer = made(TreeGRPOTrainer)
    steps = [[(row["tree_id"], row["turn"]) for row in batch] for batch in trainer.get_train_dataloader()]
    assert sorted(steps) == [[(f"tree{tree}", turn) for turn in range(3) for _ in range(2)] for tree in range(2)]


def test_a_last_step_that_is_not_full_is_left_out_and_steps_are_repeated():
    sampler = StepSampler(TreeSampler([[0, 1, 2], [3, 4]], seed=0), prompts=2, copies=2, repeats=2)
    found = list(sampler)
    assert len(found) == len(sampler) == 16
    assert found[:4] == found[4:8] == [found[0]] * 2 + [found[2]] * 2
    sampler.set_epoch(3)
    assert list(sampler) == list(StepSampler(TreeSampler([[0, 1, 2], [3, 4]], seed=3), prompts=2, copies=2, repeats=2))


def test_rows_are_moved_to_the_left_and_only_their_replies_have_labels():
    ids = torch.tensor([[0, 0, 5, 7, 8, 0], [4, 5, 6, 7, 0, 0]])
    mask = torch.tensor([[0, 0, 1, 1, 1, 0], [1, 1, 1, 1, 0, 0]])
    batch = packed(ids, mask, keep=3)
    assert batch["input_ids"].tolist() == [[5, 7, 8, 0, 0, 0], [4, 5, 6, 7, 0, 0]]
    assert batch["labels"].tolist() == [[IGNORED, 7, 8] + [IGNORED] * 3, [IGNORED] * 3 + [7, IGNORED, IGNORED]]
    assert len(batch["tree"]) == 5
    assert batch["tree"].exploded == 7


def test_without_a_label_or_with_a_hole_there_is_no_tree():
    ids = torch.tensor([[5, 6, 7, 8]])
    assert "tree" not in packed(ids, torch.tensor([[1, 1, 0, 0]]), keep=2)
    assert "tree" not in packed(ids, torch.tensor([[1, 0, 1, 1]]), keep=2)


def test_a_training_learns_what_is_rewarded_and_counts_its_tokens(made):
    trainer = made(TreeGRPOTrainer, learning_rate=5e-2, max_steps=8, logging_steps=1, save_strategy="no", num_generations=6)
    trainer.train()
    logs = [line for line in trainer.state.log_history if "loss" in line]
    assert logs[-1]["tree/tokens"] < logs[-1]["tree/tokens_exploded"]
    assert sum(line["reward"] for line in logs[-3:]) > sum(line["reward"] for line in logs[:3])


def test_dropout_is_an_obstacle(made, caplog):
    trainer = made(TreeGRPOTrainer, model=tiny.model(attention_dropout=0.1), lora=False)
    assert "trains as plain TRL: dropout is on" in caplog.text
    assert type(trainer._get_train_sampler()).__name__ == "RepeatSampler"
