"""How probable a model finds replies: read together or alone, and as a policy's opinion of a fork."""

import pytest

from aloe_hub.errors import UsageError
from aloe_hub.training.likelihood import likelihood_of, loaded, log_probabilities
from aloe_hub.types import Message
from tests import tiny

QUESTIONS = ("Which rose?", "And now?", "a longer question than all others")
REPLIES = ("Rugosa does.", "Tulips, and nothing else.")


@pytest.fixture(name="base", scope="module")
def a_tiny_base(tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("likely") / "base", max_position_embeddings=1024, initializer_range=0.05)


def test_log_probabilities_are_those_of_a_row_read_alone(base):
    model, tokenizer = loaded(f"local:{base}")
    rows = [
        ([{"role": "user", "content": question}], [{"role": "assistant", "content": reply}])
        for question in QUESTIONS
        for reply in REPLIES
    ]
    together = log_probabilities(model, tokenizer, rows)
    for row, (total, tokens) in zip(rows, together, strict=True):
        ((alone, same),) = log_probabilities(model, tokenizer, [row])
        assert tokens == same == len(row[1][0]["content"]) + 1
        assert total == pytest.approx(alone, abs=1e-3)


def test_the_opinion_of_a_policy_is_the_mean_a_token(base):
    model, tokenizer = loaded(f"local:{base}")
    row = [{"role": "user", "content": QUESTIONS[0]}]
    expected = log_probabilities(model, tokenizer, [(row, [{"role": "assistant", "content": reply}]) for reply in REPLIES])
    found = likelihood_of(f"local:{base}")([Message("user", QUESTIONS[0])], REPLIES)
    assert found == pytest.approx([total / tokens for total, tokens in expected], abs=1e-4)


def test_a_model_that_is_not_in_this_process_has_no_such_opinion():
    with pytest.raises(UsageError, match=r"model scripted: expected local:BASE or local:BASE\+ADAPTER"):
        likelihood_of("scripted")
