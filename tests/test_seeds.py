import json
import re
from importlib.resources import files

import pytest

KINDS = ["profiles", "personalities"]


def texts(kind):
    lines = (files("aloe_hub.seeds") / f"{kind}.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert all(row.keys() == {"text"} for row in rows)
    return [row["text"] for row in rows]


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_twenty_different_seeds_of_each_kind(kind):
    assert len(set(texts(kind))) == len(texts(kind)) == 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_is_four_to_seven_sentences_in_the_third_person(kind):
    for text in texts(kind):
        assert text == text.strip()
        assert text.startswith(("She is ", "He is ", "They are "))
        assert 4 <= len(re.findall(r"\.(?= |$)", text)) <= 7, text


@pytest.mark.parametrize("kind", KINDS)
def test_seeds_speak_of_women_men_and_others(kind):
    assert {text.split()[0] for text in texts(kind)} == {"She", "He", "They"}


def test_profiles_span_the_ages_and_personalities_name_none():
    ages = [int(match[1]) for text in texts("profiles") if (match := re.search(r"(\d+)-year-old", text))]
    assert len(ages) == 20
    assert (min(ages), max(ages)) == (17, 85)
    assert not any(re.search(r"\d", text) for text in texts("personalities"))
