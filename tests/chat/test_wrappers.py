"""Sending again, within limits, and giving up: each wrapper around a chat that fails as it is told."""

import asyncio
import random
from dataclasses import dataclass, field

import pytest

from aloe_hub.chat.base import ChatReply, ChatRequest, Sampling
from aloe_hub.chat.wrappers import OUTAGE, ConcurrencyLimit, Guarded, Limited, Pace, Retrying, Tuned
from aloe_hub.errors import ChatError, Refused, RunStopped, TransientError
from aloe_hub.types import Message

HELLO = ChatRequest((Message("user", "Hello there"),), Sampling(), seed=1, role="plain")


@dataclass
class Failing:
    """Raises these errors, one a call, then answers."""

    errors: list[ChatError] = field(default_factory=list)
    asked: list[ChatRequest] = field(default_factory=list)

    async def complete(self, request):
        self.asked.append(request)
        if self.errors:
            raise self.errors.pop(0)
        return ChatReply("Hello", tokens_in=3, tokens_out=1)


@pytest.fixture
def waits(monkeypatch):
    """The waits between tries, without waiting."""
    found = []

    async def sleep(seconds):
        found.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return found


def ask(chat, request=HELLO):
    return asyncio.run(chat.complete(request))


def test_a_fault_that_passes_is_the_same_call_sent_again(waits):
    inner = Failing([TransientError("busy"), TransientError("busy")])
    assert ask(Retrying(inner)).text == "Hello"
    assert [request.retry for request in inner.asked] == [0, 1, 2]
    assert {request.seed for request in inner.asked} == {HELLO.seed}


def test_the_waits_are_drawn_below_a_bound_that_doubles_and_ends(waits, monkeypatch):
    monkeypatch.setattr(random, "uniform", lambda least, most: most)
    ask(Retrying(Failing([TransientError("busy")] * 8), attempts=9, first_wait=1))
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_callers_that_were_refused_together_do_not_come_back_together(waits):
    for _ in range(20):
        ask(Retrying(Failing([TransientError("busy")])))
    assert len(set(waits)) == 20
    assert all(0 <= wait <= 1 for wait in waits)


def test_a_server_that_asks_to_be_left_alone_is_left_alone_so_long(waits):
    ask(Retrying(Failing([TransientError("busy", retry_after=7.5), TransientError("busy", retry_after=0)])))
    assert waits == [7.5, 0]


def test_a_server_that_asks_for_a_day_is_given_up(waits):
    with pytest.raises(TransientError):
        ask(Retrying(Failing([TransientError("busy", retry_after=86_400)])))
    assert waits == []


def test_a_server_that_is_down_is_said_to_be_but_not_for_every_call(waits, caplog):
    inner = Failing([TransientError("m: 503 down")] * 7)
    chat = Retrying(inner, attempts=9)
    ask(chat)
    inner.errors = [TransientError("m: 503 down")] * 7
    ask(chat)
    assert [record.message for record in caplog.records] == ["m: 503 down; 3 tries of 9 so far, trying again"]


def test_a_call_that_succeeds_soon_is_no_news(waits, caplog):
    ask(Retrying(Failing([TransientError("busy")] * 2)))
    assert not caplog.records


def test_after_so_many_attempts_the_last_error_is_raised(waits):
    inner = Failing([TransientError(f"busy {number}") for number in range(9)])
    with pytest.raises(TransientError, match="busy 2"):
        ask(Retrying(inner, attempts=3))
    assert len(inner.asked) == 3


@pytest.mark.parametrize("error", [ChatError("too long"), Refused("no such model")])
def test_what_will_not_pass_is_not_sent_again(waits, error):
    inner = Failing([error])
    with pytest.raises(type(error)):
        ask(Retrying(inner))
    assert len(inner.asked) == 1


def test_no_more_requests_are_in_flight_than_there_are_places():
    class Counting:
        now = most = 0

        async def complete(self, request):
            Counting.now += 1
            Counting.most = max(Counting.most, Counting.now)
            await asyncio.sleep(0)
            Counting.now -= 1
            return ChatReply("Hello")

    async def crowd():
        places = ConcurrencyLimit(3)
        chats = Limited(Counting(), places), Limited(Counting(), places)  # two servers share them
        await asyncio.gather(*(chats[number % 2].complete(HELLO) for number in range(40)))

    asyncio.run(crowd())
    assert Counting.most == 3


def test_a_call_that_backs_off_leaves_its_place_to_another():
    order = []

    class First:
        async def complete(self, request):
            order.append((request.seed, request.retry))
            if request.seed == 1 and not request.retry:
                raise TransientError("busy", retry_after=0.05)
            return ChatReply("Hello")

    async def two():
        places = ConcurrencyLimit(1)
        calls = [Retrying(Limited(First(), places)).complete(ChatRequest(HELLO.messages, Sampling(), n, "plain")) for n in (1, 2)]
        await asyncio.gather(*calls)

    asyncio.run(two())
    assert order == [(1, 0), (2, 0), (1, 1)]


class Clock:
    """An event loop's clock that `sleep` moves."""

    def __init__(self, monkeypatch):
        self.now = 0.0

        async def sleep(seconds):
            self.now += seconds

        monkeypatch.setattr(asyncio, "sleep", sleep)
        monkeypatch.setattr(asyncio, "get_running_loop", lambda: self)

    def time(self):
        return self.now


def test_requests_are_spread_over_the_minute(monkeypatch):
    clock = Clock(monkeypatch)

    async def seven():
        pace = Pace(per_minute=30)
        for _ in range(7):
            await pace.take()
            yield clock.now

    async def times():
        return [now async for now in seven()]

    assert asyncio.run(times()) == [0, 2, 4, 6, 8, 10, 12]


def test_tokens_a_minute_count_what_was_really_said(monkeypatch):
    clock = Clock(monkeypatch)
    places = ConcurrencyLimit(4, tokens=Pace(per_minute=60))

    async def two():
        for _ in range(2):
            await Limited(Failing(), places).complete(HELLO)

    asyncio.run(two())
    assert clock.now == pytest.approx(4)  # 3 tokens in and 1 out, not the estimate


def test_a_role_may_be_asked_with_sampling_of_its_own():
    inner = Failing()
    ask(Tuned(inner, {"max_tokens": 9, "stop": ("\n",)}))
    assert inner.asked[0].sampling == Sampling(max_tokens=9, stop=("\n",))


@pytest.mark.parametrize("error", [Refused("401 no"), TransientError("cannot be reached")])
def test_a_server_that_never_answered_stops_the_run_at_once(error):
    with pytest.raises(RunStopped, match="the first call failed"):
        ask(Guarded(Failing([error]), "m"))


def test_a_call_that_cannot_be_meant_is_a_failed_call_even_if_it_is_the_first():
    with pytest.raises(ChatError, match="too long") as caught:
        ask(Guarded(Failing([ChatError("too long")]), "m"))
    assert not isinstance(caught.value, RunStopped)


def test_a_server_that_fails_every_call_stops_the_run_and_one_that_fails_some_does_not():
    inner = Failing()
    chat = Guarded(inner, "m")
    ask(chat)
    for _ in range(3):
        inner.errors = [TransientError("down")] * (OUTAGE - 1)
        for _ in range(OUTAGE - 1):
            with pytest.raises(TransientError):
                ask(chat)
        ask(chat)
    inner.errors = [TransientError("down")] * OUTAGE
    for _ in range(OUTAGE - 1):
        with pytest.raises(TransientError):
            ask(chat)
    with pytest.raises(RunStopped, match=f"down. Stopped, since {OUTAGE} calls in a row failed"):
        ask(chat)
