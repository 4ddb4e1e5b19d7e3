"""The order in which trees are trained on."""

from itertools import groupby
from typing import Any

import pytest
from accelerate.data_loader import prepare_data_loader, skip_first_batches
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import TrainerControl, TrainerState, TrainingArguments
from trl import DPOTrainer

from aloe_hub.training import TreeDPOTrainer
from aloe_hub.training.tree.sampler import TellEpoch, TreeSampler, trees_of
from tests.training import tiny_trees as tiny

ROWS: Any = range(12)  # all that a DataLoader asks of a data set
TREES = [[0, 1, 2], [3], [4, 5], [6, 7, 8, 9], [10, 11]]


def order(sampler, epoch):
    sampler.set_epoch(epoch)
    return list(sampler)


def test_every_row_comes_once_and_a_trees_rows_stay_together_in_order():
    sampler = TreeSampler(TREES, seed=1)
    for epoch in range(5):
        rows = order(sampler, epoch)
        assert sorted(rows) == list(range(12))
        of = {row: number for number, tree in enumerate(TREES) for row in tree}
        assert [[row for row in rows if of[row] == number] for number in range(5)] == TREES
        assert len(list(groupby(rows, key=of.get))) == len(TREES)
    assert len(sampler) == 12


def test_the_order_changes_with_the_epoch_and_the_seed_and_with_nothing_else():
    assert order(TreeSampler(TREES, seed=1), 3) == order(TreeSampler(TREES, seed=1), 3)
    assert len({tuple(order(TreeSampler(TREES, seed=1), epoch)) for epoch in range(6)}) > 3
    assert len({tuple(order(TreeSampler(TREES, seed=100 * seed), 0)) for seed in range(6)}) > 3


def test_rows_of_one_tree_id_are_one_tree_wherever_they_stand():
    rows = Dataset.from_dict({"tree_id": ["b", "a", "b", "c", "a", "b"]})
    assert trees_of(rows, largest=2) == [[0, 2, 5], [1, 4], [3]]


def test_without_tree_ids_a_conversation_that_goes_on_is_one_tree():
    rows = tiny.pairs(trees=3, turns=3).shuffle(seed=5)
    names = list(rows["tree_id"])
    found = trees_of(rows.remove_columns("tree_id"), largest=10)
    assert sorted(found) == sorted([row for row in range(9) if names[row] == name] for name in set(names))


@pytest.mark.parametrize(
    "columns",
    [
        {"prompt": ["Ab", "X", "A", "", "Abc", ""]},
        {"prompt_ids": [[1, 2], [7], [1], [], [1, 2, 3], []]},
        {"input_ids": [[1, 2], [7], [1], [], [1, 2, 3], []]},
    ],
    ids=["text", "prompt tokens", "tokens"],
)
def test_without_tree_ids_prompts_that_begin_one_another_are_one_tree_and_empty_ones_are_not(columns):
    assert trees_of(Dataset.from_dict(columns), largest=10) == [[0, 2, 4], [1], [3], [5]]


def test_many_replies_to_one_prompt_come_in_parts_of_a_batch():
    rows = Dataset.from_dict({"prompt": ["Say something."] * 7})
    assert trees_of(rows, largest=3) == [[0, 1, 2], [3, 4, 5], [6]]


def batches(trainer, epoch):
    loader = trainer.get_train_dataloader()
    loader.set_epoch(epoch)
    return [batch["input_ids"].tolist() for batch in loader]


def test_the_trainer_shuffles_trees_by_its_seed(trainer):
    options = {"lora": True, "train_sampling_strategy": "random", "per_device_train_batch_size": 3, "data": tiny.pairs(trees=5)}
    ours = trainer(TreeDPOTrainer, **options)
    in_order = trainer(TreeDPOTrainer, **{**options, "train_sampling_strategy": "sequential"})
    expected = batches(in_order, 0)  # a batch is a tree here
    for epoch in range(3):
        assert sorted(batches(ours, epoch)) == sorted(expected)
    assert batches(ours, 0) != batches(ours, 1)
    assert batches(ours, 1) == batches(trainer(TreeDPOTrainer, **options), 1)
    assert batches(ours, 0) != batches(trainer(TreeDPOTrainer, **options, data_seed=7), 0)


def test_columns_that_the_model_does_not_take_are_dropped_after_they_named_the_trees(trainer):
    data = tiny.pairs(trees=4).shuffle(seed=1)
    ours = trainer(TreeDPOTrainer, lora=True, train_sampling_strategy="random", per_device_train_batch_size=3, data=data)
    loader = ours.get_train_dataloader()
    assert "tree_id" not in loader.dataset.column_names
    assert sorted(map(sorted, loader.batch_sampler.sampler.trees)) == sorted(map(sorted, trees_of(data, 3)))


def test_without_trees_the_order_is_trls(trainer):
    options = {"lora": True, "train_sampling_strategy": "random", "data": tiny.pairs(trees=4)}
    plain = type(trainer(DPOTrainer, **options)._get_train_sampler())
    assert type(trainer(TreeDPOTrainer, tree=False, **options)._get_train_sampler()) is plain
    assert type(trainer(TreeDPOTrainer, **options)._get_train_sampler()) is TreeSampler


def test_two_processes_take_the_rows_of_one_with_twice_the_batch():
    sampler = TreeSampler(TREES, seed=1)
    alone = [batch.tolist() for batch in DataLoader(ROWS, batch_size=4, sampler=sampler)]
    shards = [
        prepare_data_loader(DataLoader(ROWS, batch_size=2, sampler=sampler), num_processes=2, process_index=process)
        for process in (0, 1)
    ]
    together = [one.tolist() + other.tolist() for one, other in zip(*shards, strict=True)]
    assert together == alone


def test_a_resumed_epoch_has_its_own_order_on_several_processes_too():
    sampler = TreeSampler(TREES, seed=1)
    loader = prepare_data_loader(DataLoader(ROWS, batch_size=2, sampler=sampler), num_processes=2, process_index=0)
    resumed = skip_first_batches(loader, 1)
    resumed.set_epoch(3)
    assert sampler.epoch == 0  # what `TellEpoch` is for; when accelerate reaches the sampler by itself, it can go
    TellEpoch(sampler).on_epoch_begin(TrainingArguments(report_to="none"), TrainerState(epoch=3.5), TrainerControl())
    assert sampler.epoch == 3
