"""The model that is shipped: of this world, small, and able to do what it is said to do."""

import json
from random import Random

import pytest

from aloe_hub.loading import load_model
from aloe_hub.shipped import shipped
from aloe_hub.source import Source
from aloe_hub.world import WORLD_VERSION
from aloe_hub.world.lexicon import KINDS

POCKET = shipped("pocket")
TOLD = json.loads((POCKET / "pocket.json").read_text())


@pytest.fixture(scope="module")
def model():
    return load_model(Source.parse("pocket"))


def test_it_was_made_for_the_world_as_it_is_now():
    """A changed world needs another pocket model: python pocket/pretrain.py --out NEW, then move NEW here."""
    assert TOLD["world"] == WORLD_VERSION


def test_it_is_small_and_holds_no_pickle():
    files = [path for path in POCKET.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 8_000_000
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".jinja", ".py"}


def test_its_weights_are_those_that_it_tells_of(model):
    assert model.num_parameters() == TOLD["parameters"]
    assert model.config.model_type == "llama"


def test_most_names_cost_several_tokens_so_that_they_must_be_copied(tokenizer):
    random = Random(0)
    for kind in ("pet", "city"):
        names = random.sample(KINDS[kind].values, 100)
        assert sum(len(tokenizer(f" {name}", add_special_tokens=False).input_ids) >= 2 for name in names) >= 95


@pytest.mark.torture
def test_it_can_do_what_its_probes_say(pretrain, model, tokenizer):
    """With few people, so roughly: it recalls what it was told, answers plainly unasked, and better when it is asked to adapt."""
    found = pretrain.probe(model, tokenizer, people=12)
    assert found["plain"] == pytest.approx(TOLD["probes"]["plain"], abs=0.15)
    assert found["recall"] > 0.6
    assert found["both"] > found["plain"] + 0.7
    assert found["both"] == pytest.approx(TOLD["probes"]["both"], abs=0.7)
