"""The environment variables of the demo Space: defaults that need nothing, errors that name the variable."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from aloe_hub.errors import UsageError
from aloe_hub.hub.demo_settings import DemoSettings

README = Path(__file__).parents[2] / "spaces" / "aloe_demo" / "README.md"


def test_nothing_given_needs_no_network():
    settings = DemoSettings.read({"PATH": "/bin", "ALOE_API_KEY": "secret", "ALOE_BASE": " "})
    assert settings == DemoSettings()
    assert (settings.base, settings.aligned) == ("local:pocket", "local:pocket+pocket-sft")
    assert {settings.user, settings.inferrer, settings.judge} == {"scripted"}


@pytest.mark.parametrize(
    ("base", "adapter", "aligned"),
    [
        ("local:org/model@v1", "org/adapter", "local:org/model@v1+org/adapter"),
        ("local:org/model", "local:org/merged", "local:org/merged"),
        ("http://127.0.0.1:8000/v1#base", "http://127.0.0.1:8000/v1#tuned", "http://127.0.0.1:8000/v1#tuned"),
        ("scripted:plain", "scripted:tailored", "scripted:tailored"),
    ],
)
def test_an_adapter_is_put_on_its_base_or_is_a_model_of_its_own(base, adapter, aligned):
    assert DemoSettings.read({"ALOE_BASE": base, "ALOE_ADAPTER": adapter}).aligned == aligned


REAL = {"base": "local:org/model", "adapter": "org/adapter"}


@pytest.mark.parametrize(
    ("models", "test_bed", "sentence"),
    [
        ({}, True, "The user, the note-taker and the judge are scripted."),
        (REAL, False, "The user, the note-taker and the judge are scripted; only the two models that answer are real."),
        (REAL | {"user": "hub:org/m"}, False, "The note-taker and the judge are scripted."),
        (REAL | {"user": "hub:org/m", "judge": "semantic"}, False, "The note-taker is scripted."),
        (REAL | dict.fromkeys(("user", "judge", "inferrer"), "hub:org/m"), False, ""),
        ({"judge": "semantic"}, True, "The user and the note-taker are scripted."),
    ],
)
def test_whoever_is_scripted_is_named(models, test_bed, sentence):
    settings = DemoSettings(**models)
    assert (settings.is_test_bed, settings.who_is_scripted) == (test_bed, sentence)


def test_what_was_given_can_be_given_again():
    given = {
        "ALOE_BASE": "scripted:plain",
        "ALOE_ADAPTER": "scripted:tailored",
        "ALOE_WATCH_TURNS": "7",
        "ALOE_TEMPERATURE": "0.5",
    }
    settings = DemoSettings.read(given)
    assert settings.environment() == given
    assert (settings.watch_turns, settings.temperature) == (7, 0.5)


@pytest.mark.parametrize(
    ("variables", "temperature"),
    [
        ({}, 0.0),
        ({"ALOE_BASE": "scripted:plain", "ALOE_ADAPTER": "http://127.0.0.1:1/v1#m"}, 0.0),
        ({"ALOE_BASE": "local:org/model", "ALOE_ADAPTER": "org/adapter"}, 0.7),
        ({"ALOE_BASE": "local:org/model", "ALOE_ADAPTER": "org/adapter", "ALOE_TEMPERATURE": "0.0"}, 0.0),
        ({"ALOE_TEMPERATURE": "1.0"}, 1.0),
    ],
)
def test_a_temperature_that_is_not_given_fits_the_models(variables, temperature):
    settings = DemoSettings.read(variables)
    assert settings.policy_temperature == temperature
    assert settings.environment() == variables


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"ALOE_WATCH_TURNS": "ten"}, "ALOE_WATCH_TURNS=ten: must be a whole number"),
        ({"ALOE_WATCH_TURNS": "0"}, "ALOE_WATCH_TURNS=0: must be from 1 to 50"),
        ({"ALOE_TEMPERATURE": "nan"}, "ALOE_TEMPERATURE=nan: must be from 0 to 2"),
        ({"ALOE_BASE": "local:org/model"}, "ALOE_BASE=local:org/model: give ALOE_ADAPTER too"),
        ({"ALOE_BASE": "org/model", "ALOE_ADAPTER": "x"}, "ALOE_BASE=org/model: not a model string"),
        ({"ALOE_BASE": "scripted", "ALOE_ADAPTER": "org/a"}, "ALOE_ADAPTER=org/a: an adapter needs a base that is local:"),
    ],
)
def test_what_cannot_be_meant_is_one_line_that_names_the_variable(variables, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        DemoSettings.read(variables)


def test_the_readme_of_the_space_has_a_row_for_each_variable_with_its_default():
    rows = dict(re.findall(r"^\| `(ALOE_\w+)` \| ([^|]*) \|", README.read_text(encoding="utf-8"), flags=re.MULTILINE))
    wanted = {
        f"ALOE_{field.name.upper()}": f"`{field.default}`" if field.default not in ("", None) else "none"
        for field in fields(DemoSettings)
    }
    assert {name: text.strip() for name, text in rows.items()} == wanted
