"""A GPU that is lent for each call: only there do replies go through `spaces.GPU`, one at a time."""

import asyncio
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import gpu
import pytest
from models import Part

from aloe_hub.chat.base import ChatRequest, Sampling
from aloe_hub.types import Message
from tests.spaces.aloe_demo.fake_models import Whole, fake_models

REQUEST = ChatRequest((Message("user", "hi"),), Sampling(), 0, "policy")


@pytest.fixture
def lender(monkeypatch):
    """A stand-in for the package `spaces`, which works on Hugging Face's hardware alone: counts who is lent to at once."""
    state = {"calls": 0, "now": 0, "most": 0}
    lock = threading.Lock()

    def lend(function):
        def lent(*arguments):
            with lock:
                state["calls"] += 1
                state["now"] += 1
                state["most"] = max(state["most"], state["now"])
            try:
                return function(*arguments)
            finally:
                with lock:
                    state["now"] -= 1

        return lent

    monkeypatch.setitem(sys.modules, "spaces", types.SimpleNamespace(GPU=lend))
    return state


def with_a_local_model(model):
    among = fake_models(base=Whole(lambda _: "from base"))
    return replace(among, base=Part("the base model", model, among.base.chat))


def test_without_such_hardware_nothing_changes(monkeypatch):
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    among = fake_models()
    assert gpu.on_gpu(among) is among


@pytest.mark.parametrize("model", ["local:x", "reminder(local:x)", "inferred(scripted,by=local:x)"])
def test_with_it_local_models_are_lent_one_and_others_are_not(monkeypatch, lender, model):
    monkeypatch.setenv("SPACES_ZERO_GPU", "1")
    among = with_a_local_model(model)
    found = gpu.on_gpu(among)
    assert found.aligned.chat is among.aligned.chat

    async def three():
        return await asyncio.gather(*(found.base.chat.complete(REQUEST) for _ in range(3)))

    with ThreadPoolExecutor(1) as pool:
        replies = pool.submit(lambda: asyncio.run(three())).result()
    assert [reply.text for reply in replies] == ["from base"] * 3
    assert (lender["calls"], lender["most"]) == (3, 1)
