"""The configs of the two datasets: their columns, their splits, and rows that are the run's own."""

import pyarrow.parquet as pq
import pytest
from datasets import Features, List, Value

from aloe_hub.errors import DataError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.hub import schema
from aloe_hub.hub.dataset_cards import dataset_card
from aloe_hub.hub.parquet import write_splits
from aloe_hub.results.trees import TreeTally
from aloe_hub.stages.pool import FILES
from aloe_hub.stages.trees import ROLES, TreeSettings, grow_all
from tests.hub.published import make_run

TEXT = Value("string")
MESSAGES = List({"role": TEXT, "content": TEXT})


def rows_of(config: schema.Config, split: str) -> list[dict]:
    return [row for value in read_rows(config.source.path, config.source.build) for row in config.splits[split](value)]


def test_the_configs_of_prefs_are_pairs_sft_trees_and_distill_with_pairs_as_the_default(made):
    pairs, sft, trees, distill = schema.prefs(made)
    assert [pairs.name, sft.name, trees.name, distill.name] == ["pairs", "sft", "trees", "distill"]
    fork = {"tree_id": TEXT, "persona_id": TEXT, "turn": Value("int32"), "prompt": MESSAGES}
    assert pairs.features == Features(fork | {"chosen": MESSAGES, "rejected": MESSAGES})
    assert sft.features == Features(fork | {"completion": MESSAGES})
    assert distill.features == Features(fork | {"privileged_context": TEXT, "completion": MESSAGES})
    turn = trees.features["turns"].feature
    assert list(trees.features) == ["tree_id", "persona_id", "profile", "personality", "turns"]
    assert list(turn) == ["user", "inferred_profile", "inferred_personality", "replies", "verdicts", "preferred", "spoken"]
    assert turn["replies"] == List({"source": TEXT, "text": TEXT})
    assert turn["verdicts"] == List({"order": TEXT, "choice": Value("int8"), "text": TEXT})


@pytest.mark.parametrize("name", ["pairs", "sft", "trees", "distill"])
def test_the_rows_of_prefs_are_those_of_the_run_in_their_order(made, name):
    config = next(config for config in schema.prefs(made) if config.name == name)
    own = list(read_rows(made.file(f"{name}.jsonl"), dict))
    assert rows_of(config, "train") == own
    assert all(list(row) == list(config.features) for row in own)


def test_the_rows_follow_from_the_trees_alone(made, tmp_path):
    (tmp_path / "trees.jsonl").write_bytes(made.file("trees.jsonl").read_bytes())
    pairs, sft, _, distill = schema.prefs(RunFolder(tmp_path))
    assert rows_of(pairs, "train") == list(read_rows(made.file("pairs.jsonl"), dict))
    assert rows_of(sft, "train") == list(read_rows(made.file("sft.jsonl"), dict))
    assert rows_of(distill, "train") == list(read_rows(made.file("distill.jsonl"), dict))


@pytest.fixture(params=["tournament", "scores"])
def several(request, tmp_path):
    """A run of three replies a fork."""
    return make_run(tmp_path / request.param, turns=2, replies=3, rank_by=request.param, pairs="all")


def test_a_run_of_several_replies_has_a_config_ranked_and_says_ranks_and_scores_in_its_trees(several, tmp_path):
    configs = {config.name: config for config in schema.prefs(several)}
    assert list(configs) == ["pairs", "sft", "trees", "distill", "ranked"]
    turn = configs["trees"].features["turns"].feature
    assert turn["ranks"] == List(Value("int8"))
    assert ("score" in turn["replies"].feature) == (several.path.name == "scores")
    for split in write_splits(list(configs.values()), tmp_path / "parquet"):
        own = list(read_rows(several.file(f"{split.config}.jsonl"), dict))
        assert [row for path in split.files for row in pq.read_table(path).to_pylist()] == own
        assert own
    assert len(list(read_rows(several.file("pairs.jsonl"), dict))) > len(list(read_rows(several.file("sft.jsonl"), dict)))


def test_the_card_of_several_replies_says_how_they_were_ranked(several):
    configs = schema.prefs(several, (tally := TreeTally()).add)
    splits = write_splits(configs, several.file("parquet"))
    card = dataset_card(several, "org/aloe-prefs", configs, splits, tally, "mit")
    scored = several.path.name == "scores"
    assert "in every turn 3 replies are" in card
    assert ("The judge scored each reply" in card, "about each two replies in both orders" in card) == (scored, not scored)
    assert "| `ranked` | `ranks` | list of int8 |" in card
    assert "| replies a fork | 3 |" in card
    assert "diverse" not in card


def test_trees_of_test_personas_are_the_split_test_and_there_is_no_other(made, tmp_path):
    run = RunFolder(tmp_path)
    run.file("personas.jsonl").write_bytes(made.file("personas.jsonl").read_bytes())
    grow_all(run, TreeSettings(dict.fromkeys(ROLES, "scripted"), turns=1, split="test"))
    assert [list(config.splits) for config in schema.prefs(run)] == [["test"]] * 4
    assert len(rows_of(schema.prefs(run)[2], "test")) == 4


def test_the_configs_of_personas_are_personas_and_the_two_pools(made):
    personas, *pools = schema.personas(made)
    assert personas.features == Features(
        dict.fromkeys(("persona_id", "profile_id", "personality_id", "profile", "personality"), TEXT)
    )
    own = list(read_rows(made.file("personas.jsonl"), dict))
    assert list(personas.splits) == ["train", "test"]
    for split in personas.splits:
        expected = [{name: row[name] for name in personas.features} for row in own if row["split"] == split]
        assert rows_of(personas, split) == expected
        assert expected
    assert [pool.name for pool in pools] == ["profiles", "personalities"]
    for pool, file in zip(pools, FILES.values(), strict=True):
        assert rows_of(pool, "train") == list(read_rows(made.file(file), dict))
        assert list(pool.features) == ["id", "text", "source", "round", "nearest"]


def test_a_pool_without_held_out_personas_has_no_test_split(tmp_path):
    run = make_run(tmp_path / "run", turns=1, test_profiles=0)
    assert list(schema.personas(run)[0].splits) == ["train"]


@pytest.mark.parametrize("missing", ["personas.jsonl", "profiles.jsonl", "personalities.jsonl"])
def test_an_unfinished_pool_is_named_with_the_command_that_finishes_it(made, tmp_path, missing):
    for name in {"personas.jsonl", "profiles.jsonl", "personalities.jsonl"} - {missing}:
        (tmp_path / name).write_bytes(made.file(name).read_bytes())
    with pytest.raises(DataError, match=rf"{missing}: no such file; .* aloe personas --run {tmp_path}$"):
        schema.personas(RunFolder(tmp_path))


def test_unfinished_trees_are_named_with_the_command_that_finishes_them(made, tmp_path):
    (tmp_path / "trees.jsonl.partial").write_bytes(made.file("trees.jsonl").read_bytes())
    with pytest.raises(DataError, match=rf"trees.jsonl: no such file; .* aloe trees --run {tmp_path}$"):
        schema.prefs(RunFolder(tmp_path))
