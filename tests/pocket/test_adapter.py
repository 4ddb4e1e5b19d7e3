"""The adapter that is shipped with the pocket model: made for that very base, and a model that adapts where the base does not."""

import asyncio
import hashlib
import json
from random import Random

from aloe_hub.chat.local.model import Local
from aloe_hub.chat.scripted import Scripted
from aloe_hub.loading import load_adapter, load_model
from aloe_hub.model_string import ModelString
from aloe_hub.shipped import shipped
from aloe_hub.source import POCKET, POCKET_SFT, Source
from aloe_hub.stages.benchmark import BenchmarkSettings, converse
from aloe_hub.stages.people import Person
from aloe_hub.types import Persona
from aloe_hub.world.speaking import personality_text, profile_text

TOLD = json.loads((shipped(POCKET) / "adapter" / "made.json").read_text())


def test_it_was_made_for_the_base_that_lies_beside_it():
    weights = (shipped(POCKET) / "model.safetensors").read_bytes()
    assert (TOLD["base"], TOLD["base_sha256"]) == (POCKET, hashlib.sha256(weights).hexdigest())


def test_it_loads_without_a_warning_about_its_base(caplog):
    adapted = load_adapter(load_model(Source.parse(POCKET)), Source.parse(POCKET_SFT))
    assert adapted.active_peft_config.base_model_name_or_path == POCKET
    assert caplog.text == ""


def test_it_comes_to_fit_a_user_and_its_base_does_not():
    """Of two users, so roughly: the mean score of the last three of six turns, by the scripted judge."""
    random = Random(5)
    users = [Person((Persona(profile_text(random), personality_text(random)),) * 6) for _ in range(2)]
    settings = BenchmarkSettings(turns=6, temperature=0.0)

    async def late(name):
        policy, world = Local.load(ModelString.parse(name)), Scripted()
        talks = await asyncio.gather(
            *(converse(user, lambda turn: policy, world, world, name=name, settings=settings) for user in users)
        )
        scores = [score for talk in talks for score in talk.scores[3:] if score is not None]
        assert len(scores) == 6
        return sum(scores) / len(scores)

    assert asyncio.run(late(f"local:{POCKET}+{POCKET_SFT}")) > asyncio.run(late(f"local:{POCKET}")) + 0.5
