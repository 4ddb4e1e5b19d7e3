"""Cards of trained models: true to `training.json` and to the benchmark, taken by the Hub, silent where nothing is known."""

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.jsonl import read_rows, write_rows
from aloe_hub.files.run_folder import RunFolder, policy_file
from aloe_hub.hub.models import pocket_upload, prepared_adapter
from aloe_hub.hub.push import Upload
from aloe_hub.report import read_runs
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.types import Transcript
from tests.hub.made_models import make_adapter, make_full, make_model, make_pocket
from tests.hub.taken import taken


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    return make_model(tmp_path_factory.mktemp("base") / "base")


@pytest.fixture
def adapter(base, tmp_path) -> Path:
    """Trained on a model of the Hub."""
    return make_adapter(tmp_path / "runs/mine/adapters/dpo", base, "org/base")


def written(upload: Upload, before: str | None = None) -> str:
    """The card, where one with the text `before` stands there already."""
    assert upload.card is not None
    return upload.card(before)


def card_of(folder: Path, **options) -> str:
    with prepared_adapter(folder, "org/mine", ask_hub=False, **options) as upload:
        return written(upload)


def front(card: str) -> dict:
    found = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    assert found
    data: dict = yaml.safe_load(found[1])
    return data


def rewrite(folder: Path, **changed) -> None:
    """`training.json`, with other values; "OUT" takes one out."""
    path = folder / "training.json"
    row = json.loads(path.read_text()) | changed
    path.write_text(json.dumps({key: value for key, value in row.items() if value != "OUT"}))


# --- the front matter


def test_the_front_matter_of_an_adapter_is_what_the_hub_takes(adapter):
    card = card_of(adapter)
    assert taken(card, ModelCard) == {
        "base_model": "org/base",
        "base_model_relation": "adapter",
        "library_name": "peft",
        "pipeline_tag": "text-generation",
        "datasets": ["org/aloe-prefs"],
        "tags": ["aloe", "arxiv:2410.03642", "dpo", "lora", "personalization", "trl"],
    }
    assert "{{" not in card
    assert "{%" not in card


def test_a_merged_and_a_whole_model_are_of_transformers_and_say_what_they_are_to_their_base(base, tmp_path):
    merged = card_of(make_adapter(tmp_path / "dpo", base), merge=True, base_repo="org/base")
    whole = card_of(make_full(tmp_path / "full"))
    assert front(merged)["base_model_relation"] == "merge"
    assert front(whole)["base_model_relation"] == "finetune"
    for card in (merged, whole):
        taken(card, ModelCard)
        assert front(card)["library_name"] == "transformers"
        assert front(card)["base_model"] == "org/base"
        assert 'AutoModelForCausalLM.from_pretrained("org/mine")' in card
        assert "peft import" not in card
    assert "| adapter | none: all weights were trained |" in whole
    assert "lora" not in front(whole)["tags"]


def test_a_licence_stands_in_the_card_only_when_it_is_said(adapter):
    assert "license" not in front(card_of(adapter))
    assert front(card_of(adapter, licence="mit"))["license"] == "mit"
    with pytest.raises(UsageError, match="--license"):
        card_of(adapter, licence=" ")


def test_rows_of_a_run_are_no_dataset_of_the_hub(adapter):
    rewrite(adapter, data={"run": "/home/someone/runs/mine", "rows": 3, "trees": 1, "eval_rows": 0})
    card = card_of(adapter)
    assert "datasets" not in front(card)
    assert "| data | the run `mine` |" in card
    assert "| rows | 3 |" in card
    assert "held out of it" not in card


# --- what it says of the training


def test_the_card_says_how_it_was_trained_and_what_came_of_it(adapter):
    card = card_of(adapter)
    for line in (
        "| method | DPO |",
        "| base | `org/base` |",
        "| started from | `sft` |",
        "| data | `org/aloe-prefs` at `v1` |",
        "| rows | 1,200 |",
        "| trees | 150 |",
        "| rows held out of it | 80 |",
        "| adapter | LoRA: r 16, alpha 32, dropout 0.05, targets q_proj, v_proj |",
        "| `learning_rate` | 5e-05 |",
        "| `loss_type` | sigmoid |",
        "| loss, first → last logged | 0.6931 → 0.51235 |",
        "| reward margin, first → last logged | 0 → 0.42 |",
        "| reward accuracy, first → last logged | 0.5 → 0.875 |",
        "| ranking accuracy of the policy | 91.2% over 80 pairs |",
        "| ranking accuracy of the reference | 50.0% over 80 pairs |",
        "| tokens saved | 86.3%: 100,000 processed of 730,000, 7.3 times fewer |",
        "| time | 12 min 34 s |",
        "| peak memory | 1.50 GiB |",
    ):
        assert line in card
    assert "`warmup`" not in card  # what was not set
    assert "also its reference model" in card
    assert "Not measured for this card." in card
    assert "simulated" in card


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"level": "turn", "judge": "semantic"},
            "sampled several replies to each message, and those that\n`semantic` scored above",
        ),
        (
            {"level": "conversation", "judge": "hub:org/judge", "user": "hub:org/user"},
            "sampled several conversations with `hub:org/user` from each opening, and those that\n`hub:org/judge` scored above",
        ),
        ({"level": "turn"}, "those that\nstated more of the user in their reasoning than the others"),
    ],
)
def test_of_grpo_it_says_who_scored(adapter, settings, said):
    report = {"steps": 2, "log": [{"reward": 2.0, "loss": 0.1}, {"reward": 3.5, "loss": 0.2}]}
    rewrite(adapter, method="grpo", settings=settings, report=report)
    card = card_of(adapter)
    assert said in card
    assert "| reward, first → last logged | 2 → 3.5 |" in card


def test_what_the_training_did_not_measure_has_no_line(adapter):
    report = {"steps": 3, "log": [{"step": 1, "loss": None}], "ranking_accuracy": None, "tokens": None}
    rewrite(adapter, method="sft", adapter=None, lora=None, report=report)
    card = card_of(adapter)
    assert "| steps | 3 |" in card
    for word in ("None", "nan", "ranking", "| loss", "| tokens saved", "| time", "also its reference", "| adapter |"):
        assert word not in card
    assert {"sft", "trl"} <= set(front(card)["tags"])


def test_an_adapter_from_elsewhere_says_that_nothing_is_known_of_its_training(adapter):
    (adapter / "training.json").unlink()
    card = card_of(adapter)
    assert "Not known: there is no `training.json`" in card
    assert front(card)["base_model"] == "org/base"
    assert "dpo" not in front(card)["tags"]
    assert "datasets" not in front(card)


def test_a_model_of_ranked_replies_says_so_and_what_was_its_reference(base, tmp_path):
    noise = {"noise": {"epsilon": 0.1, "source": "by hand"}, "objectives": {"style": 0.5}}
    card = card_of(make_adapter(tmp_path / "rank", base, "org/base", method="rank", settings=noise))
    assert "trained on the ranked replies of preference trees" in card
    assert "Training on ranked replies started from the adapter named above, which is also its reference model." in card
    assert "| `noise` | epsilon 0.1, source by hand |" in card
    cut = card_of(make_adapter(tmp_path / "cut", base, "org/base", method="rank", options={"loss_type": "cut"}))
    assert "learned from what the judge said of replies, starting from the adapter named above; it has no reference model" in cut
    assert "| `objectives` | style 0.5 |" in card


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"method": "ppo"}, "method is 'ppo', and not sft, dpo, rank, sdft or grpo"),
        ({"base": "OUT"}, "the row has no 'base'"),
        ({"base": "org/base"}, "base is 'org/base', and not a table"),
        ({"report": [1]}, "report is [1], and not a table"),
        ({"report": {"seconds": "long"}}, "not as aloe train writes it"),
        ({"report": {"log": [3]}}, "not as aloe train writes it"),
        ({"report": {"ranking_accuracy": {"policy": 1}}}, "not as aloe train writes it"),
    ],
)
def test_a_damaged_training_json_is_named(adapter, changed, said):
    rewrite(adapter, **changed)
    with pytest.raises(DataError, match=re.escape(said)) as found:
        card_of(adapter)
    assert "training.json" in str(found.value)


def test_a_torn_training_json_is_named(adapter):
    (adapter / "training.json").write_text('{"method": "dpo", ')
    with pytest.raises(DataError, match=r"training\.json: not JSON"):
        card_of(adapter)


def test_no_card_and_no_training_json_says_where_folders_lie(base, tmp_path):
    options = {"output_dir": "/home/someone/runs/mine/adapters/dpo", "deepspeed": "/home/someone/zero.json"}
    folder = make_adapter(tmp_path / "dpo", base, options=options, data={"run": str(tmp_path / "run"), "rows": 2})
    with prepared_adapter(folder, "org/mine", ask_hub=False, base_repo="org/base") as upload:
        sent = [written(upload).encode(), *(content for content in upload.files.values() if isinstance(content, bytes))]
        sent += [content.read_bytes() for content in upload.files.values() if isinstance(content, Path)]
    for content in sent:
        assert b"/home/someone" not in content
        assert str(tmp_path).encode() not in content


def test_the_same_adapter_has_the_same_card_wherever_it_lies(base, tmp_path):
    cards = {card_of(make_adapter(tmp_path / place / "dpo", base, "org/base")) for place in ("here", "there/and/there")}
    assert len(cards) == 1


def test_an_odd_value_does_not_break_the_table(adapter):
    rewrite(adapter, options={"prompt": "a | b\nc", "empty": ""})
    assert "| `prompt` | a \\| b c |" in card_of(adapter)


# --- the benchmark


@pytest.fixture(scope="module")
def scored(made, base, tmp_path_factory) -> tuple[RunFolder, Path]:
    """A run with a benchmark, and the folder of an adapter that is one of its policies."""
    folder = tmp_path_factory.mktemp("scored")
    adapter = make_adapter(folder / "adapters/dpo", base, "org/base")
    run = RunFolder(folder / "run")
    run.path.mkdir()
    run.file("personas.jsonl").write_bytes(made.file("personas.jsonl").read_bytes())
    assert evaluate_all(run, ["scripted:tailored", "scripted:plain"], BenchmarkSettings(turns=3)) == 0
    spoken_by(run, "scripted:tailored", f"local:org/base+{adapter}")
    return run, adapter


def spoken_by(run: RunFolder, before: str, policy: str) -> None:
    """The conversations of one policy as another's, as a benchmark would have left them."""
    path = run.file(f"transcripts/{policy_file(before)}")
    transcripts = [replace(one, policy=policy) for one in read_rows(path, Transcript.from_row)]
    write_rows(run.file(f"transcripts/{policy_file(policy)}"), (one.to_row() for one in transcripts))
    write_rows(run.file(f"scores/{policy_file(policy)}"), (one.to_scores_row() for one in transcripts))


def test_the_curve_in_the_card_is_that_of_the_report_beside_the_other_policies(scored):
    run, adapter = scored
    card = card_of(adapter, run=run.path)
    own = next(one for one in read_runs([run.path]).runs[0].policies if one.policy.startswith("local:"))
    curve = " | ".join(f"{value:.2f}" for value in own.scores.al)
    assert f"| **this model** | {curve} |" in card
    low, high = own.scores.avg_ci
    assert f"| **this model** | {own.scores.avg:.2f} [{low:.2f}, {high:.2f}] |" in card
    assert "| `scripted:plain` | " in card
    assert "| policy | AL(1) | AL(2) | AL(3) |" in card
    assert "This model minus `scripted:plain` on the same 4 personas: AVG " in card
    assert "4 personas, 3 turns, seed 0; judge scripted, users scripted: a test bed, it says nothing about language" in card
    assert "script for a judge or for users" in card
    assert "The judge and the users were not audited." in card
    assert "Not measured" not in card
    assert str(adapter.parent) not in card


def test_a_run_that_did_not_benchmark_the_adapter_is_refused_whatever_its_policies_are_called(scored, base, tmp_path):
    run, _ = scored
    other = make_adapter(tmp_path / "adapters/dpo", base, "org/base", seed=2)
    with pytest.raises(DataError, match="no policy there has the weights of org/mine") as found:
        card_of(other, run=run.path)
    assert f"aloe evaluate --run {run.path}" in str(found.value)


def test_a_merged_model_shows_the_curve_of_its_adapter(scored, base, tmp_path):
    run, adapter = scored
    same = shutil.copytree(adapter, tmp_path / "same")
    config = json.loads((same / "adapter_config.json").read_text())
    (same / "adapter_config.json").write_text(json.dumps(config | {"base_model_name_or_path": str(base)}))
    rewrite(same, base={"model": str(base), "revision": None})
    assert "| **this model** | " in card_of(same, run=run.path, merge=True)


def test_undefined_numbers_are_a_dash(scored, tmp_path):
    run, adapter = scored
    path = run.file(f"transcripts/{policy_file(f'local:org/base+{adapter}')}")
    rows = list(read_rows(path, dict))
    for row in rows:
        for turn in row["turns"]:
            turn["score"] = 3.0
    flat = RunFolder(tmp_path / "flat")
    flat.path.mkdir()
    write_rows(flat.file(f"transcripts/{path.name}"), rows)
    assert "| **this model** | 3.00 [3.00, 3.00] | 0.000 [0.000, 0.000] | – | – |" in card_of(adapter, run=flat.path)


# --- the pocket model


def test_the_card_of_the_pocket_model_says_what_it_was_made_for_and_that_it_is_a_test_bed(tmp_path, monkeypatch):
    folder = make_pocket(tmp_path / "pocket")
    monkeypatch.setattr("aloe_hub.hub.models.shipped", lambda name: folder)
    upload = pocket_upload("org/aloe-pocket")
    card = written(upload)
    taken(card, ModelCard)
    assert front(card)["license"] == "apache-2.0"
    assert front(card)["library_name"] == "transformers"
    for line in (
        "| world | 3 |",
        "| seed | 11 |",
        "| tokens | 20,000,000 |",
        "| versions | torch 2.13.0 |",
        "| parameters | 1,234,567 |",
        "| time | 1 h 2 min |",
        "| copies a fact | 0.95123 |",
        "It is a test bed, not a language model.",
    ):
        assert line in card
    assert set(upload.files) == {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
        "chat_template.jinja", "pocket.json",
    }  # fmt: skip


def test_an_installation_without_the_pocket_model_says_so(tmp_path, monkeypatch, aloe):
    monkeypatch.setattr("aloe_hub.hub.models.shipped", lambda name: tmp_path / name)
    status, output, errors = aloe("publish", "pocket", "--repo", "org/aloe-pocket", "--dry-run")
    assert (status, output, errors.count("\n")) == (1, "", 1)
    assert "no pocket model in this installation" in errors


def test_an_adapter_of_the_pocket_model_says_that_it_is_one_of_a_test_bed(base, tmp_path, monkeypatch):
    folder = make_adapter(tmp_path / "dpo", base, "pocket")
    card = card_of(folder, base_repo="org/aloe-pocket")
    assert "**The base is the pocket model, a test bed**" in card
    assert front(card)["base_model"] == "org/aloe-pocket"
    with pytest.raises(UsageError, match="aloe publish pocket --repo org/aloe-pocket"):
        card_of(folder)


def test_every_form_of_the_card_is_renewed_between_its_markers_and_keeps_what_a_person_wrote(adapter):
    with prepared_adapter(adapter, "org/mine", ask_hub=False) as upload:
        first = written(upload)
        by_hand = first.replace("tags:\n", "tags:\n- mine\n").replace("library_name: peft", "library_name: other\nwidget: []")
        by_hand = by_hand.replace("# mine", "# changed in our part") + "\nWritten below.\n"
        again = written(upload, by_hand)
        assert written(upload, first) == first
        assert written(upload, again) == again
    assert "Written below." in again
    assert "changed in our part" not in again
    assert front(again)["widget"] == []
    assert front(again)["library_name"] == "peft"
    assert "mine" in front(again)["tags"]
    rewrite(adapter, data={"run": "runs/mine", "rows": 3})
    with prepared_adapter(adapter, "org/mine", ask_hub=False) as upload:
        assert "datasets" not in front(written(upload, again))  # it was true of what stood there before
