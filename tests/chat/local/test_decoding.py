"""How a row draws its tokens."""

import pytest
import torch

from aloe_hub.chat.base import Sampling
from aloe_hub.chat.local.decoding import GenerationRequest, generate
from aloe_hub.loading import load_model
from aloe_hub.source import Source

PROMPT = [4, 20, 30, 40, 1, 5]
ROWS = 4000
TEMPERATURES = (0.5, 1.0, 2.0)


@pytest.fixture(scope="module")
def model(base):
    return load_model(Source.parse(str(base)))


@pytest.fixture(scope="module")
def logits(model):
    with torch.inference_mode():
        return model(input_ids=torch.tensor([PROMPT])).logits[0, -1].double()


def first_tokens(model, sampling):
    rows = [GenerationRequest(PROMPT, sampling, 1, seed, lambda: False) for seed in range(ROWS)]
    return torch.tensor([said[0] for said in generate(model, rows, frozenset(), None)])


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_tokens_are_drawn_as_often_as_the_temperature_makes_them_likely(model, logits, temperature):
    drawn = first_tokens(model, Sampling(temperature, 1.0, 1))
    found = torch.bincount(drawn, minlength=len(logits)) / ROWS
    off = {by: ((logits / by).softmax(-1) - found).abs().sum().item() / 2 for by in TEMPERATURES}
    assert off[temperature] == min(off.values()) < 0.15  # 0.1 by chance alone, of 4,000 draws among 358 tokens


@pytest.mark.parametrize("top_p", [0.1, 0.5, 0.9])
def test_top_p_draws_from_the_fewest_tokens_that_make_it_up(model, logits, top_p):
    falling, order = logits.softmax(-1).sort(descending=True)
    fewest = int((falling.cumsum(-1) < top_p).sum()) + 1
    drawn = first_tokens(model, Sampling(1.0, top_p, 1))
    assert set(drawn.tolist()) <= set(order[:fewest].tolist())
    found = torch.bincount(drawn, minlength=len(logits))[order[:fewest]] / ROWS
    assert (found - falling[:fewest] / falling[:fewest].sum()).abs().sum() / 2 < 0.09


def test_a_row_that_was_given_up_ends_at_once(model):
    asked = [
        GenerationRequest(PROMPT, Sampling(), 30, 1, lambda: True),
        GenerationRequest(PROMPT, Sampling(), 30, 2, lambda: False),
    ]
    first, second = generate(model, asked, frozenset(), None)
    assert (len(first), len(second)) == (1, 30)


def test_a_row_ends_when_it_was_enough_and_the_others_go_on(model):
    asked_of = []

    def enough(said):
        asked_of.append(list(said))
        return len(said) == 4

    rows = [
        GenerationRequest(PROMPT, Sampling(), 9, 1, lambda: False, enough),
        GenerationRequest(PROMPT, Sampling(), 9, 1, lambda: False),
    ]
    short, whole = generate(model, rows, frozenset(), None)
    assert (short, len(whole)) == (whole[:4], 9)
    assert asked_of == [whole[:end] for end in (1, 2, 3, 4)]
