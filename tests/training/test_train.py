"""`train`: what it makes, what it starts from, what it refuses, and that the same settings make the same bytes."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from peft import AutoPeftModelForCausalLM, PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, BatchEncoding

from aloe_hub.cli.app import main
from aloe_hub.errors import AloeError, DataError, SettingsDiffer, UsageError
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.training.base import find_adapter, find_base
from aloe_hub.training.build import build_trainer
from aloe_hub.training.data import load_rows, split
from aloe_hub.training.train import train
from aloe_hub.training.tree.forward import trl_obstacle
from tests.made_gguf import save_gguf
from tests.preloaded import PYTHON
from tests.stages.recorded import FORKED
from tests.training import tiny_trees as tiny
from tests.training.small import a_base, a_grown_run, make_model, rows_to_train_on, settings  # noqa: F401 - fixtures

WEIGHTS = "adapter_model.safetensors"


def built(chosen, run, tmp_path, **options):
    """The trainer that `train` would make."""
    found = load_rows(run, None, chosen.method, chosen.limit)[0]
    adapter = find_adapter(chosen.adapter) if chosen.adapter else None
    parts = split(found, chosen.eval_share)
    return build_trainer(
        chosen, find_base(chosen.base), adapter, parts, max_length=9999, output=tmp_path / "made", callbacks=[], **options
    )


@pytest.fixture(name="sft", scope="module")
def an_sft_adapter(tmp_path_factory, grown, base):
    """An adapter to start DPO from."""
    run = RunFolder(tmp_path_factory.mktemp("sft") / "run")
    run.path.mkdir()
    run.file("sft.jsonl").write_bytes((grown / "sft.jsonl").read_bytes())
    return train(run, settings("sft", base)).folder


def test_sft_makes_a_folder_that_peft_loads_and_that_says_how_it_was_made(rows, base):
    seen = []
    made = train(rows, settings("sft", base, max_steps=3), on_progress=lambda *said: seen.append(said))
    assert (made.folder, made.new) == (rows.path / "adapters/sft", True)
    assert seen[-1] == ("sft", 3, 3)
    assert {path.name for path in made.folder.iterdir()} == {
        WEIGHTS, "adapter_config.json", "training.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
    }  # fmt: skip
    assert not (rows.path / "adapters/sft.partial").exists()
    report = json.loads((made.folder / "training.json").read_text())
    assert report == made.record.to_row()
    assert report["method"] == "sft"
    assert report["base"] == {"model": str(base), "revision": None}
    assert report["adapter"] is None
    assert report["data"].keys() == {"run", "sha256", "rows", "trees", "eval_rows"}
    assert (report["data"]["run"], report["data"]["trees"]) == ("run", 6)
    assert report["lora"] == {"r": 16, "lora_alpha": 32, "target_modules": "all-linear", "lora_dropout": 0.0}
    assert report["options"]["learning_rate"] == 1e-2
    assert report["versions"].keys() == {"aloe_hub", "torch", "transformers", "trl", "peft"}
    outcome = report["report"]
    assert (outcome["steps"], [entry["step"] for entry in outcome["log"]]) == (3, [1, 2, 3])
    assert outcome["log"][-1]["loss"] < outcome["log"][0]["loss"]
    assert outcome["final"]["eval_loss"] > 0
    assert outcome["ranking_accuracy"] is None
    if trl_obstacle() is None:
        assert 0 < outcome["tokens"]["processed"] < outcome["tokens"]["exploded"]
    else:
        assert outcome["tokens"] is None
    loaded = AutoPeftModelForCausalLM.from_pretrained(made.folder)
    assert loaded.peft_config["default"].r == 16
    assert AutoTokenizer.from_pretrained(made.folder).chat_template


def test_imported_chats_train(base, tmp_path):
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(FORKED["hh-rlhf"] | {"user_id": f"u{number}"}) + "\n" for number in range(4)))
    assert main(["import", str(path), "--run", str(tmp_path / "run"), "--language", "en"]) == 0
    made = train(RunFolder(tmp_path / "run"), settings("dpo", base, max_steps=1))
    log = json.loads((made.folder / "training.json").read_text())
    assert (log["data"]["rows"], log["data"]["eval_rows"]) == (4, 1)  # a whole person is set aside


def test_dpo_starts_from_the_sft_adapter_which_is_also_the_reference(rows, base, sft, tmp_path):
    start = load_file(sft / WEIGHTS)
    trainer = built(settings("dpo", base, adapter=str(sft), save_steps=1, max_steps=2, logging_steps=1), rows, tmp_path)
    trainer.train()
    first = trainer.state.log_history[0]
    assert (first["rewards/chosen"], first["rewards/rejected"], first["rewards/margins"]) == (0, 0, 0)
    assert first["loss"] == pytest.approx(0.6931472)
    policy, reference = (load_file(tmp_path / "made/checkpoint-2" / name) for name in (WEIGHTS, f"ref/{WEIGHTS}"))
    assert all(torch.equal(reference[name], start[name]) for name in start)
    assert not any(torch.equal(policy[name], start[name]) for name in start)


def test_dpo_without_an_adapter_starts_from_the_base(rows, base, tmp_path):
    trainer = built(settings("dpo", base, max_steps=1, logging_steps=1), rows, tmp_path)
    assert "ref" not in trainer.model.peft_config
    trainer.train()
    assert trainer.state.log_history[0]["rewards/margins"] == 0


def test_ranking_accuracy_is_that_of_the_whole_replies_one_by_one(rows, base, sft):
    made = train(rows, settings("dpo", base, adapter=str(sft), eval_share=0.5, lr=0.1))
    tokenizer = AutoTokenizer.from_pretrained(base)
    pairs = split(load_rows(rows, None, "dpo", 6)[0], 0.5)[1]

    def log_probability(model, messages, reply):
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        whole = tokenizer.apply_chat_template(messages + reply)
        assert isinstance(prompt, BatchEncoding)
        assert isinstance(whole, BatchEncoding)
        begin, ids = len(prompt["input_ids"]), torch.tensor([whole["input_ids"]])
        with torch.no_grad():
            each = model(ids).logits.log_softmax(-1)[0, :-1].gather(1, ids[0, 1:, None])
        return each[begin - 1 :].sum().item()

    def accuracy(adapter):
        model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter)
        right = [
            log_probability(model, row["prompt"], row["chosen"]) > log_probability(model, row["prompt"], row["rejected"])
            for row in pairs
        ]
        return sum(right) / len(right)

    ranking = made.record.report["ranking_accuracy"]
    assert ranking["pairs"] == len(pairs) > 3
    assert ranking["policy"] == pytest.approx(accuracy(made.folder))
    assert ranking["reference"] == pytest.approx(accuracy(sft))


def test_the_same_seed_makes_the_same_bytes_and_another_one_others(rows, base):
    one, two = (train(rows, settings("sft", base, max_steps=2), name=name).folder for name in ("one", "two"))
    other = train(rows, settings("sft", base, max_steps=2, seed=1), name="other").folder
    for name in (WEIGHTS, "adapter_config.json"):
        assert (one / name).read_bytes() == (two / name).read_bytes()
    assert (one / WEIGHTS).read_bytes() != (other / WEIGHTS).read_bytes()


def test_without_trees_it_is_trl_s_own_training(rows, base):
    made = train(rows, settings("sft", base, tree=False, max_steps=1))
    assert made.record.report["tokens"] is None
    assert not any(name.startswith("tree/") for name in made.record.report["log"][0])


def test_a_finished_adapter_is_not_made_again_and_not_mixed_with_other_settings(rows, base):
    first = train(rows, settings("sft", base, max_steps=1))
    again = train(rows, settings("sft", base, max_steps=1))
    assert (again.folder, again.new, again.record) == (first.folder, False, first.record)
    with pytest.raises(
        SettingsDiffer, match=r"options.max_steps is 1 there and 2 now; give the same settings, or another --name"
    ):
        train(rows, settings("sft", base, max_steps=2))
    rows.file("sft.jsonl").write_text(rows.file("sft.jsonl").read_text().replace("a", "e", 1))
    with pytest.raises(SettingsDiffer, match=r"data.sha256 is"):
        train(rows, settings("sft", base, max_steps=1))


def test_all_weights_can_be_trained_by_both_methods(rows, base):
    sft = train(rows, settings("sft", base, full=True, lr=1e-3, max_steps=2))
    assert sft.record.lora is None
    before, after = (load_file(folder / "model.safetensors") for folder in (base, sft.folder))
    assert all(not torch.equal(before[name], after[name]) for name in before if "embed" not in name)
    dpo = train(rows, settings("dpo", sft.folder, full=True, lr=1e-3, max_steps=2))
    assert dpo.record.report["log"][0]["rewards/margins"] == 0
    assert dpo.record.report["log"][1]["rewards/margins"] != 0
    options = {"full": True, "lr": 1e-3, "max_steps": 2, "precompute_ref_log_probs": True}
    without_a_copy = train(rows, settings("dpo", sft.folder, **options), name="precomputed")
    assert without_a_copy.record.report["log"][1] == pytest.approx(dpo.record.report["log"][1], abs=1e-4)
    assert without_a_copy.record.report["ranking_accuracy"] == dpo.record.report["ranking_accuracy"]


LOSSES = ["sigmoid", "robust", "aot_unpaired", "sft"]
MORE_LOSSES = [
    "hinge", "ipo", "exo_pair", "nca_pair", "bco_pair", "sppo_hard", "aot", "apo_zero", "apo_down", "discopop", "sigmoid_norm",
]  # fmt: skip


@pytest.mark.parametrize(
    "options",
    [
        *({"loss_type": loss, "label_smoothing": 0.1} for loss in LOSSES),
        *(pytest.param({"loss_type": loss, "label_smoothing": 0.1}, marks=pytest.mark.torture) for loss in MORE_LOSSES),
        {"f_divergence_type": "js_divergence"},
        *(pytest.param({"f_divergence_type": kind}, marks=pytest.mark.torture) for kind in ("forward_kl", "alpha_divergence")),
        {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.2]},
        {"precompute_ref_log_probs": True},
    ],
    ids=lambda options: "-".join(str(value) for value in options.values()),
)
def test_every_loss_of_trl_can_be_trained(rows, base, tmp_path, options):
    trainer = built(settings("dpo", base, limit=2, eval_share=0.0, max_steps=1, logging_steps=1, **options), rows, tmp_path)
    before = {name: weights.detach().clone() for name, weights in trainer.model.named_parameters() if weights.requires_grad}
    trainer.train()
    assert any(not torch.equal(weights, trainer.model.get_parameter(name)) for name, weights in before.items())


def test_a_number_that_is_none_stops_and_keeps_the_last_good_checkpoint(rows, base):
    with pytest.raises(AloeError, match=r"step (\d+): the (gradient|loss).* not a number any more; lower --lr") as caught:
        train(rows, settings("sft", base, lr=1e30, max_steps=10, save_steps=1, max_grad_norm=0.0, epochs=9))
    partial = rows.path / "adapters/sft.partial"
    kept = max(partial.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    assert f"the last good checkpoint is kept: {kept}" in str(caught.value)
    assert all(weights.isfinite().all() for weights in load_file(kept / WEIGHTS).values())


# The libraries are imported once; each training is a process of its own, forked before there is any thread.
APART = """
import os, resource, shutil, signal, sys, traceback
root, run, base, folder = sys.argv[1:]
sys.path.insert(0, root)
from pathlib import Path
from tests.training.small import settings
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.training import build
from aloe_hub.training.train import train
from aloe_hub.training.tree.forward import trl_obstacle
load = build.load_model
def limited(*given, **options):
    model = load(*given, **options)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    what, most = {"memory": (resource.RLIMIT_AS, size + 2**25), "disk": (resource.RLIMIT_FSIZE, 5000)}[name]
    resource.setrlimit(what, (most, resource.RLIM_INFINITY))
    return model
for name in ("memory", "disk", "trackio"):
    if os.fork():
        os.wait()
        continue
    errors = os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT)
    os.dup2(errors, 1), os.dup2(errors, 2)
    try:
        more = {"report_to": "trackio", "max_steps": 2}
        if name != "trackio":
            build.load_model = limited
            more = {"limit": None, "batch_size": 40, "tree": False, "max_steps": 1}
        train(RunFolder(Path(shutil.copytree(run, f"{folder}/run-{name}"))), settings("sft", base, **more))
    except BaseException:
        os.write(2, traceback.format_exc().encode())
        os._exit(1)
    os.write(2, b"DONE")
    os._exit(0)
"""


@pytest.fixture(scope="module")
def apart(grown, base, tmp_path_factory):
    """A folder with what each of the trainings that spoil their process said."""
    folder = tmp_path_factory.mktemp("apart")
    run = folder / "run"
    run.mkdir()
    shutil.copy(grown / "sft.jsonl", run)
    command = [*PYTHON, "-c", APART, *map(str, (Path(__file__).parents[2], run, base, folder))]
    subprocess.run(command, check=True, env=os.environ | {"TRACKIO_DIR": str(folder / "logs")})
    return folder


@pytest.mark.parametrize(
    ("lacking", "message"),
    [
        ("memory", "AloeError: out of memory: lower --batch-size"),
        ("disk", "File too large); make room, then go on with --resume"),
    ],
)
def test_memory_or_disk_that_does_not_suffice_says_what_to_do(apart, lacking, message):
    assert message in (apart / lacking).read_text().splitlines()[-1]


def test_trackio_gets_the_logs_on_this_machine(apart):
    said = (apart / "trackio").read_text()
    assert said.endswith("DONE"), said
    assert list((apart / "logs").rglob("*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss_type": "exo_pair"}, "these options are refused: Label smoothing must be greater than 0.0"),
        ({"loss_type": "nothing"}, "these options are refused: Unknown loss type: nothing"),
        ({"loss_type": "apo_zero", "f_divergence_type": "forward_kl"}, "these options are refused: .*only supported"),
        ({"lr_scheduler_type": "cosin"}, "these options are refused: .*cosin"),
        ({"lora_targets": "nothing"}, "these options are refused: Target modules .*nothing.* not found"),
        ({"lora_r": 0}, "these options are refused: .*r.* should be a positive integer"),
        ({"report_to": "wandb"}, "these options are refused: .*wandb"),
        ({"eval_strategy": "epoch", "eval_share": 0.0}, "eval_strategy: no tree is set aside"),
        ({"max_length": 9000}, "--max-length 9000: .* takes 8192 tokens"),
    ],
    ids=str,
)
def test_options_that_cannot_be_are_one_line(rows, base, options, message):
    with pytest.raises(UsageError, match=message) as caught:
        train(rows, settings("dpo", base, **options))
    assert "\n" not in str(caught.value)


def test_a_row_that_would_be_cut_stops_before_anything_is_written(rows, base):
    with pytest.raises(DataError, match=r"tree [0-9a-f]{16}, turn \d: has \d+ tokens, more than --max-length 100"):
        train(rows, settings("sft", base, max_length=100))
    assert not (rows.path / "adapters").exists()


def test_rows_are_cut_with_leave_and_it_is_said(rows, base, caplog):
    made = train(rows, settings("sft", base, max_length=400, allow_truncation=True, max_steps=1))
    assert "rows are cut at 400 tokens" in caplog.text
    assert made.record.report["max_length"] == 400


def test_a_base_without_a_chat_template_is_refused(rows, tmp_path):
    with pytest.raises(DataError, match="has no chat template"):
        train(rows, settings("sft", make_model(tmp_path / "bare", template=None)))


def test_a_base_that_is_a_gguf_is_named_by_its_file(rows, base, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._cache_assets.HF_ASSETS_CACHE", str(tmp_path / "cache"))
    file = save_gguf(base, tmp_path / "tiny.gguf")
    made = train(rows, settings("sft", file, max_steps=1))
    assert json.loads((made.folder / "adapter_config.json").read_text())["base_model_name_or_path"] == str(file)
    assert json.loads((made.folder / "training.json").read_text())["base"] == {"model": str(file), "revision": None}
    same = train(rows, settings("sft", base, max_steps=1), name="same")
    one, other = load_file(made.folder / WEIGHTS), load_file(same.folder / WEIGHTS)
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_base_that_is_an_adapter_is_refused(rows, sft):
    with pytest.raises(DataError, match=r"is an adapter, not a model; name its base first, as BASE\+.*, or with --base"):
        train(rows, settings("sft", sft))


def test_an_adapter_for_another_base_is_refused(rows, base, tmp_path):
    other = tiny.model(vocab_size=300, hidden_size=64)
    other.save_pretrained(tmp_path / "other")
    AutoTokenizer.from_pretrained(base).save_pretrained(tmp_path / "other")
    made = train(
        rows, settings("sft", tmp_path / "other", max_steps=1, max_length=512, allow_truncation=True), name="other"
    ).folder
    with pytest.raises(DataError, match=r"an adapter for .*other"):
        train(rows, settings("dpo", base, adapter=str(made)))


def test_an_adapter_that_is_none_is_refused(rows, base, tmp_path):
    with pytest.raises(DataError, match=r"--adapter .*: no adapter_config.json"):
        train(rows, settings("dpo", base, adapter=str(tmp_path)))


@pytest.mark.parametrize("name", ["", "a/b", "..", "sft.partial", "-x"])
def test_a_name_that_is_no_folder_s_is_refused(rows, base, name):
    with pytest.raises(UsageError, match="--name"):
        train(rows, settings("sft", base), name=name)


@pytest.mark.torture
def test_what_the_template_was_told_is_told_again_where_training_goes_on_from_an_adapter(base, rows):
    told, other = {"enable_thinking": False}, {"enable_thinking": True}
    first = train(rows, settings("sft", base, max_steps=1, chat_template_kwargs=told)).folder
    same = train(rows, settings("dpo", base, max_steps=1, adapter=str(first)), name="same")
    changed = train(rows, settings("dpo", base, max_steps=1, adapter=str(first), chat_template_kwargs=other), name="changed")
    assert [made.record.settings["chat_template_kwargs"] for made in (same, changed)] == [told, other]
