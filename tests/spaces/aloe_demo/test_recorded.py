"""The recording that the page opens on is what the pocket models say.

ALOE_RECORD=1 python -m pytest tests/spaces/aloe_demo/test_recorded.py      makes it anew
"""

import asyncio
import json
import os

import pytest
from library import made_personas
from models import Models
from watch import RECORDED, Watch, recorded, watched

from aloe_hub.hub.demo_settings import DemoSettings
from tests.spaces.aloe_demo.fake_models import last

TURNS = 10
PERSONA = 2  # the first in whose conversation the pocket model makes no slip


def conversation(turns):
    models = Models.of(DemoSettings())

    watch = Watch(made_personas(PERSONA + 1)[PERSONA], turns, recorded=True, id="recorded")
    return asyncio.run(last(watched(watch, models, 0.0, asyncio.Event())))


@pytest.mark.skipif(not os.environ.get("ALOE_RECORD"), reason="makes the recording anew")
def test_record():
    RECORDED.write_text(json.dumps(conversation(TURNS).to_row(), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def test_the_recording_is_what_the_models_say():
    whole, anew = recorded(), conversation(3)
    assert (whole.recorded, whole.turns, len(whole.steps), whole.problems) == (True, TURNS, TURNS, ("", ""))
    assert anew.steps == whole.steps[:3]
    assert None not in (*whole.scores(0), *whole.scores(1))


def test_only_the_aligned_curve_rises():
    base, aligned = recorded().numbers(0), recorded().numbers(1)
    assert base is not None
    assert aligned is not None
    assert aligned["ir"] > 0.1 > abs(base["ir"])
    assert aligned["avg"] > base["avg"] + 1
