"""What a reply's reasoning states of the user, and how well that agrees with what the user has told."""

import numpy as np
import pytest

from aloe_hub import embedding
from aloe_hub.stages.inferring import agreement_of, stated_in
from aloe_hub.types import Persona

NURSE = Persona("She works as a nurse. She has a cat.", "She is funny.")
NOTHING = Persona("", "")


@pytest.mark.parametrize(
    ("raw", "found"),
    [
        ("<think>Profile: They have a cat.\nPersonality: funny</think>Hi!", ("They have a cat.", "funny")),
        ("<think>\n**Profile:** They have a cat.\n\n**Personality:** unknown\n</think>\n\nHi!", ("They have a cat.", "")),
        ("<think>A cat person.</think>Hi!", ("", "")),
        ("Profile: They have a cat.\nPersonality: funny", ("", "")),
        ("Hi!", ("", "")),
        ("", ("", "")),
    ],
)
def test_only_reasoning_under_the_inferrers_labels_states_anything(raw, found):
    assert stated_in(raw) == Persona(*found)


def test_exactly_it_is_the_f1_over_facts_and_traits_that_were_told():
    f1 = agreement_of("exact")
    said = ["I work as a nurse."]
    assert f1(Persona("They work as a nurse.", ""), NURSE, said) == 1
    assert f1(Persona("They work as a nurse. They have a cat.", ""), NURSE, said) == pytest.approx(2 / 3)  # not told yet
    assert f1(NOTHING, NURSE, said) == 0
    assert f1(NOTHING, NURSE, ["Hello."]) is None


def test_by_an_embedder_sentences_that_lie_near_are_held(monkeypatch):
    """Its vectors count the letters a, b and c."""

    def embed(texts):
        counts = np.array([[text.count(letter) for letter in "abc"] for text in texts], dtype=float)
        return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1)

    monkeypatch.setattr(embedding, "open_embedder", lambda name: embed)
    f1 = agreement_of("letters")
    persona = Persona("aaa. bbb.", "ccc.")
    assert f1(Persona("aa.", ""), persona, ["a!"]) == 1
    assert f1(Persona("aa. bb.", ""), persona, ["a!"]) == pytest.approx(2 / 3)
    assert f1(Persona("aa.", ""), persona, ["a! b!"]) == pytest.approx(2 / 3)
    assert f1(NOTHING, persona, ["a!"]) == 0
    assert f1(NOTHING, persona, ["?"]) is None
