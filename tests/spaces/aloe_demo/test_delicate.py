"""What no model is asked is found in the languages that visitors write, and what only sounds like it is not."""

import pytest
from delicate import delicate

from aloe_hub.world.lexicon import POLES, TOPICS
from tests.spaces.aloe_demo.free_messages import DISTRESS, HARMLESS, INSULTS


@pytest.mark.parametrize(
    ("text", "found"),
    [*((text, "distress") for text in DISTRESS), *((text, "insult") for text in INSULTS), *((text, None) for text in HARMLESS)],
)
def test_distress_and_insults_are_found_and_nothing_else(text, found):
    assert delicate(text) == delicate(text.replace("'", "’")) == found


def test_nothing_that_the_world_says_is_delicate():
    said = [text for topic in TOPICS.values() for text in (*topic.questions, *topic.tips)]
    said += [cue for pole in POLES.values() for cue in pole.cues]
    assert not [text for text in said if delicate(text)]
