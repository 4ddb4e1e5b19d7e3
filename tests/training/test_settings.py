"""Settings of a training: defaults, recipes, what is given by hand, and every option of TRL, transformers and PEFT."""

from dataclasses import fields
from types import UnionType
from typing import Union, get_args, get_origin

import pytest
from trl.trainer.dpo_config import DPOConfig

from aloe_hub.errors import UsageError
from aloe_hub.files.settings import read_recipe
from aloe_hub.shipped import shipped
from aloe_hub.training.record import METHODS
from aloe_hub.training.settings import REFUSED, parsed_option, train_settings

RECIPES = [path.stem for path in sorted(shipped("recipes").glob("*.toml")) if "train" in read_recipe(path.stem)]
BASE = {"base": "pocket"}


def test_an_adapter_on_every_linear_layer_is_the_default():
    chosen = train_settings("dpo", {}, BASE)
    assert dict(chosen.lora) == {"r": 16, "lora_alpha": 32, "target_modules": "all-linear", "lora_dropout": 0.0}
    assert (chosen.full, chosen.tree, chosen.seed, chosen.limit, chosen.eval_share) == (False, True, 0, None, 0.05)


@pytest.mark.parametrize(("method", "rate"), [("sft", 1e-4), ("dpo", 1e-5), ("sdft", 1e-4)])
def test_an_adapter_learns_ten_times_faster_than_all_weights_which_keep_trl_s_rate(method, rate):
    assert train_settings(method, {}, BASE).options["learning_rate"] == rate
    whole = train_settings(method, {}, BASE | {"full": True})
    assert "learning_rate" not in whole.options
    assert not whole.lora


def test_the_method_s_table_wins_over_the_shared_one_and_what_is_given_by_hand_over_both():
    recipe = {"lr": 1.0, "epochs": 5, "seed": 3, "lora_r": 4, "dpo": {"lr": 2.0, "beta": 0.3, "lora_r": 8}, "sft": {"lr": 7.0}}
    chosen = train_settings("dpo", recipe, BASE | {"beta": 0.4, "seed": None})
    assert (chosen.seed, chosen.lora["r"]) == (3, 8)
    assert [chosen.options[name] for name in ("learning_rate", "num_train_epochs", "beta")] == [2.0, 5, 0.4]
    assert train_settings("sft", recipe, BASE).options["learning_rate"] == 7.0


def test_short_names_and_the_libraries_own_are_the_same():
    short = {"lr": 1e-3, "epochs": 2, "batch_size": 4, "lora_r": 2, "lora_targets": "q_proj, v_proj"}
    own = {
        "learning_rate": 1e-3,
        "num_train_epochs": 2,
        "per_device_train_batch_size": 4,
        "r": 2,
        "target_modules": ["q_proj", "v_proj"],
    }
    assert train_settings("sft", {}, BASE | short) == train_settings("sft", own, BASE)


def test_both_names_of_one_option_at_once_are_refused():
    with pytest.raises(UsageError, match="learning_rate is given twice"):
        train_settings("sft", {}, BASE | {"lr": 1e-3, "learning_rate": 1e-3})


@pytest.mark.parametrize("field", fields(DPOConfig), ids=lambda field: field.name)
def test_every_option_of_trl_can_be_set_but_for_those_that_are_refused_with_a_reason(field):
    union = get_origin(field.type) in (Union, UnionType)
    kinds = {get_origin(kind) or kind for kind in (get_args(field.type) if union else (field.type,))}
    value = next((value for kind, value in {int: 1, float: 0.5, bool: True, list: ["x"], dict: {}}.items() if kind in kinds), "x")
    if field.name in REFUSED:
        with pytest.raises(UsageError, match=f"{field.name} cannot be set: ."):
            train_settings("dpo", {}, BASE | {field.name: value})
    else:
        chosen = train_settings("dpo", {}, BASE | {field.name: value})
        assert (dict(chosen.options) | {"seed": chosen.seed})[field.name] == value


def test_an_option_that_takes_a_list_takes_one_of_it():
    assert train_settings("dpo", {}, BASE | {"loss_type": "ipo"}).options["loss_type"] == ["ipo"]


@pytest.mark.parametrize(
    ("recipe", "by_hand", "message"),
    [
        ({"learning_rat": 1e-3}, {}, r"recipe, \[train\]: unknown setting 'learning_rat'; near: learning_rate"),
        ({}, {"zzzzzz": 1}, "by hand: unknown setting 'zzzzzz'; see the fields of DPOConfig and LoraConfig"),
        ({"beta": 0.1}, {}, r"beta is a setting of dpo, rank and grpo alone; put it into \[train.dpo\]"),
        ({}, {"packing": True}, "by hand: packing is a setting of sft alone"),
        ({"dpo": {"beta": "high"}}, {}, r"recipe, \[train.dpo\]: beta = 'high': expected float"),
        ({"dpo": 3}, {}, r"recipe, \[train.dpo\]: expected a table, found 3"),
        ({"seed": True}, {}, "seed = True: expected int"),
        ({"base": 3}, {}, "base = 3: expected str"),
        ({"hub_token": "x"}, {}, "hub_token cannot be set: give --push"),
        ({"output_dir": "x"}, {}, "output_dir cannot be set: give --run and --name"),
        ({}, {"full": True, "lora_r": 4}, "--full and r = 4"),
        ({}, {"adapter": "org/a", "lora_alpha": 4}, "--adapter and lora_alpha = 4"),
        ({}, {"full": True, "adapter": "org/a"}, "--full --adapter org/a"),
        ({}, {"eval_share": 1.0}, "eval_share 1.0"),
        ({}, {"limit": 0}, "--limit 0: must be at least 1"),
        ({}, {"seed": -1}, "--seed -1"),
    ],
)
def test_what_cannot_be_meant_is_one_line(recipe, by_hand, message):
    with pytest.raises(UsageError, match=message) as caught:
        train_settings("dpo", recipe, BASE | by_hand)
    assert "\n" not in str(caught.value)


def test_no_base_at_all_is_said():
    with pytest.raises(UsageError, match="--base: name the model"):
        train_settings("sft", {}, {})


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("learning_rate=5e-6", ("learning_rate", 5e-6)),
        ("eval_share=.3", ("eval_share", 0.3)),
        ("loss_type=ipo", ("loss_type", "ipo")),
        ('loss_type=["sigmoid", "sft"]', ("loss_type", ["sigmoid", "sft"])),
        ("bf16=false", ("bf16", False)),
        ("run_name=a=b", ("run_name", "a=b")),
        ("run_name=", ("run_name", "")),
    ],
)
def test_an_option_by_hand_is_read_as_toml_else_as_text(text, option):
    assert parsed_option(text) == option


@pytest.mark.parametrize("text", ["beta", "=3", ""])
def test_an_option_without_a_name_or_a_value_is_refused(text):
    with pytest.raises(UsageError, match="expected key=value"):
        parsed_option(text)


def test_recipes_for_the_paper_and_for_two_smaller_models_come_with_the_package():
    assert {"paper", "qwen2.5-3b", "smollm2-360m"} <= set(RECIPES)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_can_be_trained_by_every_method(name, method):
    table = read_recipe(name)["train"]
    chosen = train_settings(method, table, {} if "base" in table else BASE)
    assert chosen.options["learning_rate"] > 0


def test_dpo_takes_smaller_steps_than_sft_in_the_recipes_for_real_models():
    for name in ("paper", "qwen2.5-3b", "smollm2-360m"):
        sft, dpo = (train_settings(method, read_recipe(name)["train"], BASE).options for method in ("sft", "dpo"))
        assert sft["learning_rate"] == pytest.approx(10 * dpo["learning_rate"])


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_step_of_grpo_holds_whole_groups_in_every_recipe(recipe):
    options = train_settings("grpo", read_recipe(recipe)["train"], BASE).options
    replies = options["per_device_train_batch_size"] * options.get("gradient_accumulation_steps", 1)
    assert replies % options["num_generations"] == 0
