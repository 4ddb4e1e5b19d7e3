"""Of what a real model says, only the answer is its reply."""

import pytest

from aloe_hub.chat.base import ChatReply


@pytest.mark.parametrize(
    ("raw", "reply"),
    [
        ("Hi. ", ChatReply("Hi.")),
        ("<think>shy</think>\n\nHi.<|im_end|>", ChatReply("Hi.", thoughts=1)),
        ("<think>she is", ChatReply("", cut=True, thoughts=1)),
        ("Score: 4\n</think>", ChatReply("", thoughts=1)),
    ],
)
def test_what_of_a_text_is_the_reply(raw, reply):
    assert ChatReply.received(raw, cut=False) == reply
