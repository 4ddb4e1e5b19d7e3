"""What was read is not read again, and what is said stays the same."""

import asyncio

import pytest
import torch
from transformers import DynamicCache, MistralConfig
from transformers.cache_utils import DynamicLayer

from aloe_hub.chat.base import ChatRequest, Sampling
from aloe_hub.chat.local.kv_cache import LEAST, PreallocatedLayer, PrefixCache, read, read_in, remembered_on_a_cpu
from aloe_hub.chat.local.model import Local
from aloe_hub.loading import load_model
from aloe_hub.model_string import ModelString
from aloe_hub.source import Source
from aloe_hub.types import Message
from tests import tiny


@pytest.fixture
def model(base):
    return load_model(Source.parse(str(base)))


def read_by(model):
    """The number of tokens that the model was given in each call from now on."""
    given = []
    model.register_forward_pre_hook(lambda module, positional, named: given.append(named["input_ids"].numel()), with_kwargs=True)
    return given


def conversation(chat, opening, turns, sampling=None):
    async def talk():
        spoken: tuple[Message, ...] = ()
        for turn in range(turns):
            spoken = (*spoken, Message("user", f"{opening} {turn}"))
            request = ChatRequest(spoken, sampling or Sampling(0.9, 1.0, 12), seed=turn, role="policy")
            spoken = (*spoken, Message("assistant", (await chat.complete(request)).text))
        return spoken

    return talk()


def side_by_side(chat, openings, turns):
    async def all_talk():
        return await asyncio.gather(*(conversation(chat, opening, turns) for opening in openings))

    return asyncio.run(all_talk())


def test_a_conversation_that_goes_on_is_read_from_where_it_was_left(base):
    chat = Local.load(ModelString.parse(f"local:{base}"))
    given = read_by(chat._model)
    (spoken,) = side_by_side(chat, ["Any dinner ideas?"], 5)
    # Each message with its marks is read once: what the user says in one call, what the model says token by token.
    assert sum(given) <= sum(len(message.content) + 2 for message in spoken) + 5


def test_replies_are_the_same_with_and_without_the_memory(base):
    openings = ["A", "Some dinner", "Any dinner ideas for the two of us?", "Some dinner for eight"]
    named = ModelString.parse(f"local:{base}")
    with_memory, without = Local.load(named), Local.load(named, remembered=0)
    assert side_by_side(with_memory, openings, 4) == side_by_side(without, openings, 4)


def remembered(model, memory, tokens):
    with torch.inference_mode():
        done = read(model, [tokens], memory)
    assert done is not None
    _, cache, mask = done
    memory.keep(read_in(cache, 0, mask[0], tokens))


def test_the_memory_is_bounded_by_bytes_and_the_oldest_go_first(model):
    token = 2 * 2 * 2 * 8 * 4  # bytes: layers, keys and values, heads, size, a float
    memory = PrefixCache(most_bytes=25 * token)
    for start in (0, 100, 200):
        remembered(model, memory, list(range(start, start + 10)))
    assert [len(memory.recall([*range(start, start + 10), 1]).tokens) for start in (0, 100, 200)] == [0, 10, 10]
    memory.forget()
    assert memory.recall(list(range(200, 211))).tokens == []


def test_of_a_conversation_that_went_on_only_the_last_turn_is_held(model):
    token = 2 * 2 * 2 * 8 * 4  # bytes, as above
    memory = PrefixCache(most_bytes=33 * token)
    for end in (5, 10, 15):
        remembered(model, memory, list(range(end)))
        remembered(model, memory, list(range(100, 100 + end)))
    assert [len(memory.recall([*range(start, start + 15), 1]).tokens) for start in (0, 100)] == [15, 15]
    remembered(model, memory, [0, 1, 7])  # goes another way, and takes nothing's place
    assert len(memory.recall([0, 1, 7, 8]).tokens) == 3
    assert len(memory.recall([*range(15), 1]).tokens) == 15


def test_there_is_room_for_the_conversations_of_a_model_a_hundred_times_the_pocket_s_size():
    assert remembered_on_a_cpu() >= LEAST


def test_the_last_token_of_a_prompt_is_always_read(model):
    memory = PrefixCache(10**6)
    remembered(model, memory, [7, 8, 9])
    for prompt, known in (([7, 8, 9], [7, 8]), ([7, 8], [7]), ([7, 1], [7]), ([7, 8, 9, 10], [7, 8, 9]), ([7], []), ([1], [])):
        assert memory.recall(prompt).tokens == known


def test_prompts_that_were_partly_read_give_what_they_give_when_read_whole(model):
    prompts = [list(range(6, 6 + 7 * number)) for number in range(1, 12)] + [[9], [9] * 60]
    memory = PrefixCache(10**7)
    for prompt in prompts[::3]:
        remembered(model, memory, prompt[: len(prompt) // 2])
    with torch.inference_mode():
        done = [read(model, prompts, memory) for memory in (memory, PrefixCache(0), None)]
    known, whole, plain = (each[0] for each in done if each is not None)
    assert torch.allclose(known, plain, atol=1e-4)
    assert torch.allclose(whole, plain, atol=1e-4)


def test_reading_stops_when_all_is_given_up(model):
    given, left = read_by(model), [False, False, True]
    with torch.inference_mode():
        assert read(model, [[7, 8, 9]] * 40, PrefixCache(0), lambda: left.pop(0)) is None
    assert given == [24, 24]


def test_a_layer_with_room_holds_what_a_layer_of_transformers_holds():
    torch.manual_seed(0)
    roomy, plain = PreallocatedLayer(), DynamicLayer()
    assert DynamicCache().layer_class_to_replicate is DynamicLayer
    for tokens in (5, 1, 1, 70, 1):
        states = torch.randn(3, 2, tokens, 4), torch.randn(3, 2, tokens, 4)
        for one, other in zip(roomy.update(*states), plain.update(*states), strict=True):
            assert torch.equal(one, other)
    for layer in (roomy, plain):
        layer.batch_select_indices(torch.tensor([0, 2]))
        layer.update(*(torch.ones(2, 2, 1, 4),) * 2)
    assert roomy.keys is not None
    assert plain.keys is not None
    assert roomy.values is not None
    assert plain.values is not None
    assert torch.equal(roomy.keys, plain.keys)
    assert torch.equal(roomy.values, plain.values)


def test_a_model_with_a_sliding_window_has_no_memory(tmp_path, model):
    assert PrefixCache.suits(model)
    windowed = load_model(Source.parse(str(tiny.save_model(tmp_path / "m", MistralConfig, sliding_window=32))))
    assert not PrefixCache.suits(windowed)
