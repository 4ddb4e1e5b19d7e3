"""ADPA's term: beside its formula token by token, on the tree and row by row; without a lesson it is TRL's loss."""

import copy
from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from trl import DPOTrainer

from aloe_hub.training.tree import TreeGuidedTrainer
from tests.training import tiny_trees as tiny
from tests.training.tree.test_ranked import assert_alike


def guided(trainer, *, teacher=None, reference=None, guidance=1.0, **options):
    more = {"teacher": teacher or tiny.model(seed=5), "teacher_reference": reference, "guidance": guidance}
    return trainer(TreeGuidedTrainer, lora=True, loss_type="sft", more=more, **options)


def written_out(student, teacher, reference, row):
    """-Σ over the rejected reply's tokens of Σ_a π(a|s) (log π_DPO(a|s) - log π_ref(a|s)), and how many tokens those are."""
    words: Any = tiny.tokenizer("llama3")
    prompt = words.apply_chat_template(row["prompt"], add_generation_prompt=True, return_dict=True)["input_ids"]
    whole = words.apply_chat_template(row["prompt"] + row["rejected"], return_dict=True)["input_ids"]
    ids = torch.tensor([whole])
    after = slice(len(prompt) - 1, -1)
    mine, theirs, before = (model(input_ids=ids).logits[0, after] for model in (student, teacher, reference))
    advantage = (theirs.log_softmax(-1) - before.log_softmax(-1)).detach()
    return -(mine.softmax(-1) * advantage).sum(), len(whole) - len(prompt)


@pytest.mark.parametrize("tree", [False, True], ids=["rows", "tree"])
def test_the_term_is_the_formula_over_the_tokens_of_the_rejected_replies(trainer, tree):
    teacher, reference, rows = tiny.model(seed=5), tiny.model(seed=6), tiny.rows(trees=1, turns=3)
    data = Dataset.from_list(rows)
    options = {"data": data, "tree": tree, "per_device_train_batch_size": 3}
    found = tiny.passes(guided(trainer, teacher=teacher, reference=reference, guidance=0.7, **options))[0]
    made = guided(trainer, teacher=copy.deepcopy(teacher), reference=copy.deepcopy(reference), guidance=0.0, **options)
    alone = tiny.passes(made)[0]
    terms, counts = zip(*(written_out(made.model, teacher, reference, row) for row in rows), strict=True)
    term = 0.7 * sum(terms) / sum(counts)
    weights = [weight for weight in made.model.parameters() if weight.requires_grad]
    slope = torch.cat([part.flatten() for part in torch.autograd.grad(term, weights)])
    assert_alike([(loss + term.item(), gradient + slope) for loss, gradient in alone], found)


@pytest.mark.parametrize("tree", [False, True], ids=["rows", "tree"])
def test_a_teacher_that_learned_nothing_leaves_trls_loss_as_it_is(trainer, tree):
    adapted = get_peft_model(tiny.model(seed=5), LoraConfig(target_modules="all-linear"))  # a new one does nothing
    plain = tiny.passes(trainer(DPOTrainer, lora=True, loss_type="sft"))[0]
    assert_alike(plain, tiny.passes(guided(trainer, teacher=adapted, tree=tree))[0])


def test_a_teacher_of_another_vocabulary_is_refused(trainer):
    with pytest.raises(ValueError, match="teacher: has a vocabulary of 99 tokens, and the student one of"):
        guided(trainer, teacher=tiny.model(seed=5, vocab_size=99), reference=tiny.model(seed=6, vocab_size=99))


def test_a_whole_model_is_no_teacher_without_what_it_was_before(trainer):
    with pytest.raises(ValueError, match="without teacher_reference it must be an adapter"):
        guided(trainer)
