"""Equal prompts are read once by `generate`, and what it samples is what it samples without that."""

import pytest
import torch

from aloe_hub.training.tree.prefill import read_prompts_once
from tests.training import tiny_trees as tiny


@pytest.fixture(name="rows_read")
def rows_that_the_model_reads_first(monkeypatch):
    def count(model):
        read, forward = [], model.forward

        def counted(*args, **kwargs):
            read.append(len(kwargs["input_ids"]))
            return forward(*args, **kwargs)

        monkeypatch.setattr(model, "forward", counted)
        return read

    return count


def sampled(model, prompts, **options):
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    torch.manual_seed(5)
    options = {"do_sample": True, "max_new_tokens": 6, "pad_token_id": 0, "eos_token_id": None} | options
    return model.eval().generate(input_ids=ids, attention_mask=mask, **options)


@pytest.mark.parametrize(("family", "settings"), [("Llama", {}), ("Qwen3", {}), ("Mistral", {"sliding_window": 3})], ids=str)
def test_a_group_reads_its_prompt_once_and_samples_the_same(family, settings, rows_read):
    model = tiny.model(family, **settings)
    prompts = [[5, 6, 7, 8]] * 3 + [[9, 10]] * 3 + [[5, 6, 7]]
    expected = sampled(model, prompts)
    read_prompts_once(model)
    read = rows_read(model)
    assert torch.equal(sampled(model, prompts), expected)
    assert len({tuple(row) for row in expected[:3].tolist()}) > 1  # replies of their own
    assert read == [3, 7, 7, 7, 7, 7]


def test_padding_is_not_taken_for_a_token_of_the_prompt(rows_read):
    model = tiny.model("Llama")
    read_prompts_once(model)
    read = rows_read(model)
    sampled(model, [[0, 5, 6], [5, 6]])  # as ids, both are 0, 5, 6
    assert read[0] == 2


@pytest.mark.parametrize("options", [{"use_cache": False}, {"cache_implementation": "static"}], ids=str)
def test_with_a_cache_of_another_kind_every_row_is_read(options):
    model = tiny.model("Llama")
    expected = sampled(model, [[5, 6, 7]] * 3, **options)
    read_prompts_once(model)
    assert torch.equal(sampled(model, [[5, 6, 7]] * 3, **options), expected)
