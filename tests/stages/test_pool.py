"""The pool: self-generation, the filter, saturation."""

import json
from collections import Counter
from random import Random

import numpy as np
import pytest
from fakes import Recording, Saying, opening

from aloe_hub.chat.scripted import Scripted
from aloe_hub.errors import SettingsDiffer, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.prompts import listed, sections
from aloe_hub.stages import pool as personas
from aloe_hub.stages.pool import EXAMPLES, PATIENCE, PER_ROUND, PoolSettings, grow_pool, seeds
from aloe_hub.types import PoolText

SMALL = {"profiles": 45, "personalities": 28, "profile_threshold": 0.77, "personality_threshold": 0.8, "pairings": 3}


def words_as_vectors(texts):
    """A fast stand-in embedder: hashed bags of words. The real one is tested in test_dedup.py and by the demo."""
    vectors = np.zeros((len(texts), 512), dtype=np.float32)
    for row, text in enumerate(texts):
        for word in text.lower().split():
            vectors[row, Random(word).randrange(512)] += 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-9)


@pytest.fixture(autouse=True)
def _embedder(monkeypatch):
    monkeypatch.setattr(personas, "open_embedder", lambda name: words_as_vectors)


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder(tmp_path / "pool")


def kept(run, name):
    return list(read_rows(run.file(f"{name}.jsonl"), PoolText.from_row))


def test_a_pool_grows_from_the_seeds_to_its_target_and_some_candidates_are_refused(folder):
    counts = grow_pool(folder, PoolSettings(**SMALL))
    assert (counts.profiles, counts.personalities) == (45, 28)
    assert counts.refused > 0
    profiles = kept(folder, "profiles")
    assert profiles[:20] == seeds("profile")
    assert Counter(text.source for text in profiles) == {"seed": 20, "generated": 25}
    assert all(text.nearest <= 0.77 for text in profiles if text.source == "generated")
    assert all(text.nearest is None for text in profiles if text.source == "seed")
    refused = list(read_rows(folder.file("rejected.jsonl"), dict))
    assert len(refused) == counts.refused
    assert all(row["nearest"] > 0.77 and row["nearest_text"] for row in refused)


def test_the_generator_is_shown_five_random_examples_of_the_pool(folder):
    chat = Recording()
    grow_pool(folder, PoolSettings(**SMALL), traffic=opening(lambda model: chat))
    for request in chat.requests:
        shown = sections(request.messages[0].content)
        assert len(shown["EXAMPLES"].splitlines()) == EXAMPLES
        assert shown["HOW MANY"] == str(PER_ROUND)
    assert len({request.messages[0].content for request in chat.requests}) > 1


def test_three_rounds_in_a_row_that_keep_nothing_end_the_growth(folder):
    said = []

    def repeats_itself(request):
        said.append(request)
        return listed([seeds("profile")[0].text] * 20)

    settings = PoolSettings(**SMALL | {"test_profiles": 2, "test_personalities": 2})
    counts = grow_pool(folder, settings, traffic=opening(lambda model: Saying(repeats_itself)))
    assert (counts.profiles, counts.personalities) == (20, 20 + 1)  # a profile is no personality: one is new there
    assert len(said) == PATIENCE + PATIENCE + 1


def test_a_generator_that_cannot_be_read_ends_the_growth_too(folder):
    settings = PoolSettings(**SMALL | {"test_profiles": 2, "test_personalities": 2})
    refusing = opening(lambda model: Saying(lambda request: "I would rather not."))
    assert grow_pool(folder, settings, traffic=refusing).profiles == 20


def test_an_interrupted_pool_goes_on_and_ends_with_the_same_bytes(folder, tmp_path):
    grow_pool(folder, PoolSettings(**SMALL))
    again = RunFolder(tmp_path / "again")

    class Stops:
        rounds = 0

        async def complete(self, request):
            Stops.rounds += 1
            if Stops.rounds == 2:
                raise KeyboardInterrupt
            return await Scripted().complete(request)

    with pytest.raises(KeyboardInterrupt):
        grow_pool(again, PoolSettings(**SMALL), traffic=opening(lambda model: Stops()))
    assert not again.file("personas.jsonl").exists()
    grow_pool(again, PoolSettings(**SMALL))
    for name in ("profiles", "personalities", "rejected", "personas"):
        assert again.file(f"{name}.jsonl").read_bytes() == folder.file(f"{name}.jsonl").read_bytes()
    assert not list(again.path.glob("*.partial"))


def test_a_pool_made_with_other_settings_is_refused(folder):
    grow_pool(folder, PoolSettings(**SMALL))
    with pytest.raises(SettingsDiffer, match=r"personas\.profile_threshold is 0\.77 there and 0\.4 now"):
        grow_pool(folder, PoolSettings(**SMALL | {"profile_threshold": 0.4}))


@pytest.mark.parametrize(
    "changes",
    [
        {"profiles": 20},
        {"personalities": 5},
        {"profiles": 0},
        {"personalities": -1},
        {"pairings": 0},
        {"test_profiles": -1},
        {"profile_threshold": 1.5},
    ],
)
def test_settings_that_are_invalid_are_refused(changes):
    with pytest.raises(UsageError):
        PoolSettings(**changes)


def test_the_same_seed_gives_the_same_pool_and_another_seed_another(tmp_path):
    pools = []
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run = RunFolder(tmp_path / name)
        grow_pool(run, PoolSettings(**SMALL | {"seed": seed}))
        pools.append(run.file("personas.jsonl").read_bytes())
    assert pools[0] == pools[1] != pools[2]


def test_rows_of_the_pool_have_the_columns_of_the_dataset(folder):
    grow_pool(folder, PoolSettings(**SMALL))
    persona = json.loads(folder.file("personas.jsonl").read_text().splitlines()[0])  # of the first profile: a seed
    assert list(persona) == ["persona_id", "profile_id", "personality_id", "profile", "personality", "split"]
    profile = json.loads(folder.file("profiles.jsonl").read_text().splitlines()[0])
    assert list(profile) == ["id", "text", "source", "round", "nearest"]
    assert profile["id"] == persona["profile_id"]
