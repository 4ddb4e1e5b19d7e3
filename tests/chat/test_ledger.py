"""The ledger: a line for each request, and a budget that is never exceeded."""

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aloe_hub.chat.base import ChatReply, ChatRequest, Sampling
from aloe_hub.chat.ledger import Ledger, Metered, Price, read_prices
from aloe_hub.errors import ChatError, RunStopped, TransientError, UsageError
from aloe_hub.types import Message

MODEL = "http://127.0.0.1:1/v1#m"
PRICES = {MODEL: Price(1.0, 2.0)}


def request(text="Hello there", max_tokens=100, **changes):
    more: dict[str, Any] = {"seed": 5, "role": "judge", "retry": 1} | changes
    return ChatRequest((Message("user", text),), Sampling(max_tokens=max_tokens), **more)


class Says:
    """Answers with these replies, or raises these errors, one a call."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def complete(self, request):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_request_is_a_line_with_role_model_tokens_time_and_cost_but_no_text(tmp_path):
    with Ledger(tmp_path / "calls.jsonl", PRICES) as ledger:
        asyncio.run(Metered(Says(ChatReply("Hi", tokens_in=1000, tokens_out=500)), MODEL, ledger).complete(request()))
    (row,) = rows(tmp_path / "calls.jsonl")
    assert row.pop("seconds") >= 0
    assert row == {
        "role": "judge", "model": MODEL, "seed": 5, "retry": 1, "tokens_in": 1000, "tokens_out": 500, "cost": 0.002,
    }  # fmt: skip


def test_what_a_server_does_not_count_is_estimated_and_said_so(tmp_path):
    with Ledger(tmp_path / "calls.jsonl", PRICES) as ledger:
        asyncio.run(Metered(Says(ChatReply("x" * 40)), MODEL, ledger).complete(request("y" * 400)))
    (row,) = rows(tmp_path / "calls.jsonl")
    assert row["estimated"] is True
    assert (row["tokens_in"], row["tokens_out"]) == (104, 10)


def test_a_request_that_failed_is_booked_with_the_reason_and_with_what_it_may_have_cost(tmp_path):
    errors = TransientError("500 sorry"), TransientError("no answer in time", maybe_billed=True), ChatError("400 too long")
    with Ledger(tmp_path / "calls.jsonl", PRICES) as ledger:
        for error in errors:
            with pytest.raises(ChatError):
                asyncio.run(Metered(Says(error), MODEL, ledger).complete(request()))
    found = rows(tmp_path / "calls.jsonl")
    assert [row["error"] for row in found] == ["500 sorry", "no answer in time", "400 too long"]
    assert [row["cost"] > 0 for row in found] == [False, True, False]
    assert ledger.by_role[("judge", MODEL)].failed == 3


def test_a_run_that_nobody_was_asked_for_has_no_ledger(tmp_path):
    with Ledger(tmp_path / "run" / "calls.jsonl"):
        pass
    assert not (tmp_path / "run").exists()


def test_a_later_command_counts_what_earlier_ones_cost_and_a_torn_line_is_cut_off(tmp_path):
    path = tmp_path / "calls.jsonl"
    path.write_text('{"role":"judge","model":"m","seconds":1,"cost":1.5}\n{"role":"judge","model":"m","cost":2.0')
    with Ledger(path, PRICES) as ledger:
        assert ledger.cost == 1.5
        asyncio.run(Metered(Says(ChatReply("Hi", tokens_in=0, tokens_out=500_000)), MODEL, ledger).complete(request()))
        assert ledger.cost == 2.5
    assert len(rows(path)) == 2


def test_a_line_that_nobody_can_read_moves_no_other(tmp_path):
    path = tmp_path / "calls.jsonl"
    whole = '{"role":"judge","model":"m","seconds":1,"cost":1.5}\n'
    path.write_text(whole + "spilt coffee\n" + whole + '{"role":')
    with Ledger(path, PRICES) as ledger:
        assert ledger.cost == 3.0
    assert path.read_text() == whole + "spilt coffee\n" + whole


def test_a_request_that_could_exceed_the_budget_is_not_sent():
    with Ledger(None, PRICES, budget=0.001) as ledger:
        inner = Says(ChatReply("Hi", tokens_in=5, tokens_out=5))
        asyncio.run(Metered(inner, MODEL, ledger).complete(request(max_tokens=400)))
        with pytest.raises(RunStopped, match=r"--budget 0\.001: \$0\.0000 are spent"):
            asyncio.run(Metered(inner, MODEL, ledger).complete(request(max_tokens=500)))
    assert ledger.calls == 1


@given(st.data())
def test_a_budget_holds_whatever_is_answered_and_however_many_are_asked_at_once(data):
    """A server never takes more than the bytes of the request and max_tokens for an answer; that much is what can be known."""
    budget = data.draw(st.floats(1e-5, 5e-3))

    class Greedy:
        async def complete(self, request):
            await asyncio.sleep(0)
            most = len(request.messages[0].content.encode())
            if data.draw(st.booleans()):
                raise TransientError("gone", maybe_billed=True)
            return ChatReply(
                "Hi",
                tokens_in=data.draw(st.integers(0, most)),
                tokens_out=data.draw(st.integers(0, request.sampling.max_tokens)),
            )

    async def crowd():
        chat = Metered(Greedy(), MODEL, ledger)
        sizes = data.draw(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 900)), max_size=12))
        asked = [chat.complete(request("x" * length, most)) for length, most in sizes]
        await asyncio.gather(*asked, return_exceptions=True)

    with Ledger(None, PRICES, budget) as ledger:
        asyncio.run(crowd())
    assert ledger.cost <= budget + 1e-12


def test_a_new_conversation_is_afforded_by_what_calls_have_cost_so_far():
    with Ledger(None, PRICES, budget=0.01) as ledger:
        assert ledger.affords(10**6)  # nothing is known yet
        asyncio.run(Metered(Says(ChatReply("Hi", tokens_in=0, tokens_out=500)), MODEL, ledger).complete(request()))
        assert ledger.affords(10)
        assert not ledger.affords(11)


def test_a_price_table_names_models_by_their_strings(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text('["hub:org/model"]\ninput = 0.13\noutput = 1\n')
    assert read_prices(path) == {"hub:org/model": Price(0.13, 1.0)}
    assert read_prices(path)["hub:org/model"].of(1_000_000, 2_000_000) == pytest.approx(2.13)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('["m"]\ninput = 1\n', r'\["m"\]: expected input = … and output = …'),
        ('["m"]\ninput = 1\noutput = -2\n', "expected input"),
        ('["m"]\ninput = "1"\noutput = 2\n', "expected input"),
        ('["m"]\ninput = 1\noutput = 2\ncached = 3\n', "expected input"),
        ("m = 3\n", "expected input"),
        ("m = \n", "cannot be read"),
    ],
)
def test_a_price_table_that_cannot_be_meant_is_refused(tmp_path, text, message):
    (tmp_path / "prices.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_prices(tmp_path / "prices.toml")


def test_thoughts_that_were_cut_off_are_booked(tmp_path):
    with Ledger(tmp_path / "calls.jsonl") as ledger:
        for reply in (ChatReply("Hi", thoughts=2), ChatReply("Hi")):
            asyncio.run(Metered(Says(reply), MODEL, ledger).complete(request()))
    assert [row.get("thoughts") for row in rows(tmp_path / "calls.jsonl")] == [2, None]
    assert ledger.by_role["judge", MODEL].thoughts == 1


@pytest.mark.parametrize(
    ("extra", "most"), [("", 100), ('{"max_tokens": "max_completion_tokens"}', 100), ('{"max_completion_tokens": 900}', 900)]
)
def test_a_limit_in_the_extra_body_is_set_aside(extra, most):
    asked = replace(request("Hello"), sampling=Sampling(max_tokens=100, extra_body=extra))
    assert asked.sampling.most_tokens == most
    enough = Ledger(None, PRICES, budget=(most * 2 + 21) / 1e6)
    asyncio.run(Metered(Says(ChatReply("Hi", tokens_in=1, tokens_out=1)), MODEL, enough).complete(asked))
    with pytest.raises(RunStopped):
        asyncio.run(Metered(Says(), MODEL, Ledger(None, PRICES, budget=(most * 2 + 20) / 1e6)).complete(asked))
