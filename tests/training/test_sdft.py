"""`aloe train sdft`: who teaches whom, what the teacher sees, that the student moves towards it, and what is refused."""

import json
import shutil
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoTokenizer, BatchEncoding

from aloe_hub.errors import DataError, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.loading import load_adapter, load_model
from aloe_hub.shipped import shipped
from aloe_hub.source import Source
from aloe_hub.training.base import find_adapter, find_base
from aloe_hub.training.build import build_trainer
from aloe_hub.training.data import load_rows
from aloe_hub.training.sdft import TEACHER, measure_told, teacher_messages
from aloe_hub.training.settings import train_settings
from aloe_hub.training.train import train
from aloe_hub.training.tree.sampler import EpochSampler
from tests.training.small import a_base, a_grown_run, make_model, rows_to_train_on, settings  # noqa: F401 - fixtures

WEIGHTS = "adapter_model.safetensors"
# How the pocket model is asked in its own words: it has no ear for others.
ASKED = "{privileged_context} {prompt} Make it personal and match my style."
ROW: dict[str, Any] = {
    "tree_id": "t",
    "turn": 1,
    "prompt": [
        {"role": "user", "content": "I have a cat."},
        {"role": "assistant", "content": "How nice {of} you!"},
        {"role": "user", "content": "Any dinner ideas? {0}"},
    ],
    "privileged_context": "Profile: They have a {cat}.",
}


def written(run, *rows):
    run.file("distill.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


def built(chosen, run, tmp_path):
    found = load_rows(run, None, "sdft", chosen.limit)[0]
    adapter = find_adapter(chosen.adapter) if chosen.adapter else None
    return build_trainer(
        chosen, find_base(chosen.base), adapter, (found, []), max_length=9999, output=tmp_path / "made", callbacks=[]
    )


@pytest.fixture(name="sft", scope="module")
def an_sft_adapter(tmp_path_factory, grown, base):
    run = RunFolder(tmp_path_factory.mktemp("sft") / "run")
    run.path.mkdir()
    shutil.copy(grown / "sft.jsonl", run.path)
    return train(run, settings("sft", base)).folder


def test_it_makes_an_adapter_and_says_how_and_what_it_left_out(rows, base):
    nothing = [row for row in read_rows(rows.file("distill.jsonl"), dict) if not row["privileged_context"]]
    first = {row["tree_id"]: None for row in read_rows(rows.file("distill.jsonl"), dict)}
    limited = [row for row in nothing if row["tree_id"] in list(first)[:6]]
    seen = []
    made = train(rows, settings("sdft", base, max_steps=3), on_progress=lambda *said: seen.append(said))
    assert (made.folder, seen[-1]) == (rows.path / "adapters/sdft", ("sdft", 3, 3))
    assert {path.name for path in made.folder.iterdir()} == {
        WEIGHTS, "adapter_config.json", "training.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"
    }  # fmt: skip
    record = made.record
    assert (record.data["nothing_inferred"], record.data["rows"]) == (len(limited), 12 - len(limited))
    assert record.settings["tree"] is False
    assert (record.options["num_generations"], record.options["max_completion_length"]) == (1, 8)
    assert record.options["teacher_prompt_template"] == TEACHER
    assert record.report["final"]["eval_loss"] > 0
    assert record.report["tokens"] is record.report["ranking_accuracy"] is None
    assert record.report["max_prompt_length"] > 0
    assert any(weights.any() for name, weights in load_file(made.folder / WEIGHTS).items() if "lora_B" in name)
    again = train(rows, settings("sdft", base, max_steps=3))
    assert not again.new


def divergence(student, teacher, tokenizer, rows):
    """Mean KL(teacher | student) of the next token, over the preferred replies: the one is told, the other is not."""

    def log_probs(model, messages, reply):
        prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
        assert isinstance(prompt, BatchEncoding)
        ids = prompt["input_ids"] + tokenizer(reply)["input_ids"]
        with torch.no_grad():
            return model(torch.tensor([ids])).logits[0, len(prompt["input_ids"]) - 1 : -1].log_softmax(-1)

    found = []
    for row in rows:
        reply = row["completion"][0]["content"]
        told = log_probs(teacher, teacher_messages(row, ASKED), reply)
        found.append((told.exp() * (told - log_probs(student, row["prompt"], reply))).sum(-1).mean().item())
    return sum(found) / len(found)


@pytest.mark.torture
def test_the_student_moves_towards_the_teacher_on_replies_that_it_never_sampled(rows):
    """The teacher is the base throughout, so the divergence on fixed prompts and replies can only fall by learning."""
    quick = {"batch_size": 4, "limit": 12, "eval_share": 0.0, "epochs": 2, "max_completion_length": 24}
    made = train(rows, settings("sdft", shipped("pocket"), teacher_prompt_template=ASKED, **quick))
    tokenizer, teacher = AutoTokenizer.from_pretrained(shipped("pocket")), load_model(Source("pocket"), device="cpu")
    student = load_adapter(load_model(Source("pocket"), device="cpu"), Source(str(made.folder)))
    unseen = [row for row in read_rows(rows.file("distill.jsonl"), dict) if row["privileged_context"] and row["completion"]][-8:]
    before, after = divergence(teacher, teacher, tokenizer, unseen), divergence(student, teacher, tokenizer, unseen)
    assert after < 0.8 * before


def test_the_teacher_sees_the_whole_conversation_and_below_it_the_note(rows, base, tmp_path):
    found = teacher_messages(ROW, TEACHER)
    builder = built(settings("sdft", base), rows, tmp_path).teacher_context_builder
    assert builder.select_generation_prompts([ROW["prompt"]], [ROW["privileged_context"]]) == [found]
    assert found[:2] == ROW["prompt"][:2]
    assert found[2]["content"].startswith("Any dinner ideas? {0}\n\n(A note that the user does not see.")
    assert "\nProfile: They have a {cat}.\nReply to the message above" in found[2]["content"]


def test_where_it_goes_on_from_an_adapter_that_adapter_teaches_and_stays_as_it_was(rows, base, sft, tmp_path):
    chosen = settings("sdft", base, adapter=str(sft), max_steps=2, save_steps=1, logging_steps=1, eval_share=0.0)
    trainer = built(chosen, rows, tmp_path)
    with trainer._get_teacher_context_for_self_distillation():
        assert trainer.model.active_adapter == "ref"
    assert trainer.model.active_adapter == "default"
    trainer.train()
    start = load_file(sft / WEIGHTS)
    student, teacher = (load_file(tmp_path / "made/checkpoint-2" / name) for name in (WEIGHTS, f"ref/{WEIGHTS}"))
    assert all(torch.equal(teacher[name], start[name]) for name in start)
    assert not any(torch.equal(student[name], start[name]) for name in start)


def test_told_what_it_sees_anyway_the_teacher_is_the_student_and_there_is_nothing_to_learn(rows, base, sft, tmp_path):
    """Where both prompts are one, the loss says whose weights teach: of the bare base it would not be 0."""
    chosen = settings("sdft", base, adapter=str(sft), teacher_prompt_template="{prompt}{privileged_context}")
    trainer = built(chosen, rows, tmp_path)
    trainer.model.eval()
    told = load_rows(rows, None, "sdft")[0][:2]

    def loss(asked):
        batch = trainer._prepare_training_batch(asked)
        with torch.no_grad():
            return trainer.compute_loss(trainer.model, batch).item()

    assert loss([row | {"privileged_context": ""} for row in told]) == pytest.approx(0, abs=1e-6)
    trainer.model.delete_adapter("ref")  # now it is TRL's own choice, the bare base
    assert loss([row | {"privileged_context": ""} for row in told]) > 1e-4


def test_all_weights_can_be_trained_and_a_copy_of_the_base_teaches(rows, base, tmp_path):
    chosen = settings("sdft", base, full=True, lr=1e-3, max_steps=2, eval_share=0.0)
    trainer = built(chosen, rows, tmp_path)
    trainer.train()
    before = load_file(base / "model.safetensors")
    after, teacher = (dict(model.named_parameters()) for model in (trainer.model, trainer.teacher_model))
    assert all(torch.equal(teacher[name].cpu(), weights) for name, weights in before.items())
    assert not all(torch.equal(after[name].cpu(), weights) for name, weights in before.items())


def test_the_order_of_an_epoch_is_that_of_seed_and_epoch_and_not_of_the_epochs_before(rows, base, tmp_path):
    one, two = (built(settings("sdft", base), rows, tmp_path)._get_train_sampler() for _ in range(2))
    assert isinstance(one, EpochSampler)
    orders = []
    for epoch in range(3):
        one.set_epoch(epoch)
        orders.append(list(one))
    two.set_epoch(2)
    assert list(two) == orders[2] != orders[1]
    assert len(orders[0]) == len(one)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher_model_kind": "ema"}, "teacher_model_kind ema: the average is in no checkpoint"),
        ({"num_iterations": 2}, "num_iterations 2, steps_per_generation 1: replies would be kept from one step to the next"),
        ({"batch_size": 50}, "--batch-size: a step takes 50 rows, and there are"),
        ({"teacher_prompt_template": "{prompt} {privileged_context} {x}"}, r"teacher_prompt_template: cannot be filled in .*'x'"),
        ({"teacher_prompt_template": "{prompt}"}, "these options are refused: teacher_prompt_template must contain both"),
        ({"num_generations": 3}, "these options are refused: generation_batch_size .2. must be divisible by num_generations"),
        ({"max_completion_length": 9000}, "max_completion_length 9000: .* takes 8192 tokens for both"),
        ({"distillation_mode": "sampled_token"}, "these options are refused: .*distillation_alpha=1.0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_options_that_cannot_be_are_one_line(rows, base, options, message):
    with pytest.raises(UsageError, match=message) as caught:
        train(rows, settings("sdft", base, **options))
    assert "\n" not in str(caught.value)
    assert not (rows.path / "adapters/sdft").exists()


def test_a_tree_pass_is_refused_by_hand_and_left_aside_in_a_recipe():
    with pytest.raises(UsageError, match="--tree: is for sft, dpo and grpo"):
        train_settings("sdft", {}, {"base": "pocket", "tree": True})
    assert train_settings("sdft", {"tree": True}, {"base": "pocket"}).tree is False


def test_of_what_sft_and_dpo_share_in_a_recipe_it_takes_what_it_knows():
    recipe = {"max_length": 2048, "batch_size": 4, "sdft": {"num_generations": 2}}
    options = train_settings("sdft", recipe, {"base": "pocket"}).options
    assert (options["per_device_train_batch_size"], options["num_generations"]) == (4, 2)
    assert "max_length" not in options
    with pytest.raises(UsageError, match="by hand: max_length is a setting of sft, dpo and rank alone"):
        train_settings("sdft", {}, {"base": "pocket", "max_length": 5})


@pytest.mark.parametrize("contexts", [[], ["", None, "  "]], ids=["no rows", "empty"])
def test_trees_without_an_inferrer_are_named_as_such(rows, base, contexts):
    run = written(rows, *(ROW | {"privileged_context": context} for context in contexts))
    with pytest.raises(DataError, match=rf"distill.jsonl: of {len(contexts)} turns there is none .*not with --policy"):
        train(run, settings("sdft", base))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"privileged_context": ["They have a cat."]}, "line 1: privileged_context: expected a text, found"),
        ({"privileged_context": "a cat<|end|>"}, r"the text of the privileged_context holds '<\|end\|>'"),
        ({"prompt": [{"role": "user", "content": "hi <|user|>"}]}, r"the text of the user holds '<\|user\|>'"),
    ],
)
def test_a_row_that_cannot_teach_is_refused(rows, base, change, message):
    with pytest.raises(DataError, match=message):
        train(written(rows, ROW | change), settings("sdft", base, batch_size=1))


def test_control_tokens_can_be_taken_out_of_what_the_teacher_is_told(rows, base):
    run = written(rows, ROW | {"privileged_context": "a cat<|end|>"})
    made = train(run, settings("sdft", base, batch_size=1, max_steps=1, clean_control_tokens=True))
    assert made.record.data["rows"] == 1


def test_a_conversation_that_would_lose_its_beginning_stops_unless_allowed(rows, base, tmp_path, caplog):
    with pytest.raises(
        DataError, match=r"turn \d: the teacher's prompt has \d+ tokens, more than the 300 that max_prompt_length"
    ):
        train(rows, settings("sdft", base, max_prompt_length=300))
    small = make_model(tmp_path / "small", positions=400)
    with pytest.raises(DataError, match=r"more than the 392 that .*small, which takes 400, leaves beside a reply of 8, as have"):
        train(rows, settings("sdft", small))
    made = train(rows, settings("sdft", base, max_prompt_length=300, allow_truncation=True, max_steps=1))
    assert "conversations lose their beginning, at 300 tokens" in caplog.text
    assert made.record.report["max_prompt_length"] == 300


def test_prompts_are_measured_as_trl_tokenises_them(rows, base, tmp_path):
    chosen = settings("sdft", base)
    found = load_rows(rows, None, "sdft", 6)[0]
    trainer = built(chosen, rows, tmp_path)
    asked = [teacher_messages(row, TEACHER) for row in found]
    assert measure_told(found, chosen.options, find_base(str(base))).longest == max(map(len, trainer._tokenize_prompts(asked)))
