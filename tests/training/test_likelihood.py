"""How probable a model finds replies, and what a policy so makes of a fork."""

import pytest
import torch

from aloe_hub.errors import UsageError
from aloe_hub.training.likelihood import likelihood_of, loaded, log_probability
from aloe_hub.types import Message
from tests import tiny

QUESTIONS = ("Which rose?", "And now?", "a longer question than all others")
REPLIES = ("Rugosa does.", "Tulips, and nothing else.")


@pytest.fixture(name="base", scope="module")
def a_tiny_base(tmp_path_factory):
    return tiny.save_model(tmp_path_factory.mktemp("likely") / "base", max_position_embeddings=1024, initializer_range=0.05)


def by_hand(model, tokenizer, question, reply):
    """Of each token of the reply and its end, from all logits of the conversation."""
    messages = [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
    ids = torch.tensor([tokenizer.apply_chat_template(messages, return_dict=False)])
    with torch.no_grad():
        each = model(input_ids=ids).logits[0, :-1].log_softmax(-1).gather(-1, ids[0, 1:, None])[:, 0]
    return each[-len(reply) - 1 :]  # a token a letter


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_reply_is_as_probable_as_all_its_tokens(base, question):
    model, tokenizer = loaded(f"local:{base}")
    for reply in REPLIES:
        asked, said = [{"role": "user", "content": question}], [{"role": "assistant", "content": reply}]
        total, tokens = log_probability(model, tokenizer, asked, said)
        expected = by_hand(model, tokenizer, question, reply)
        assert tokens == len(reply) + 1
        assert total == pytest.approx(expected.sum().item(), abs=1e-3)


def test_the_opinion_of_a_policy_is_the_mean_a_token(base):
    model, tokenizer = loaded(f"local:{base}")
    found = likelihood_of(f"local:{base}")([Message("user", QUESTIONS[0])], REPLIES)
    expected = [by_hand(model, tokenizer, QUESTIONS[0], reply).mean().item() for reply in REPLIES]
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_model_that_is_not_in_this_process_has_no_such_opinion():
    with pytest.raises(UsageError, match=r"model scripted: expected local:BASE or local:BASE\+ADAPTER"):
        likelihood_of("scripted")
