"""Of what a real model says, only the answer is its reply."""

import pytest

from aloe_hub.chat.base import ChatReply


@pytest.mark.parametrize(
    ("raw", "reply"),
    [
        ("Hi. ", ChatReply("Hi. ")),
        ("<think>shy</think>\n\nHi.<|im_end|>", ChatReply("Hi.")),
        ("<think>she is", ChatReply("<think>she is", cut=True)),
        ("Score: 4\n</think>", ChatReply("Score: 4\n</think>")),
    ],
)
def test_what_of_a_text_is_the_reply(raw, reply):
    assert ChatReply.received(raw, cut=False) == reply
