"""The proxy that breaks calls: each fault is what it says, and a run of them repeats itself."""

import asyncio
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from aloe_hub.serve import server as serve
from tests.chat import faulty
from tests.chat.faulty import KINDS, Faults


@pytest.fixture(scope="module")
def upstream():
    with serve.running("scripted") as served:
        yield served.base_url


def body(seed=1):
    return json.dumps(
        {"model": "scripted", "messages": [{"role": "user", "content": "Any dinner ideas?"}], "seed": seed}
    ).encode()


def line(proxy):
    host, _, port = proxy.base_url.removeprefix("http://").removesuffix("/v1").partition(":")
    return http.client.HTTPConnection(host, int(port), timeout=60)


def ask(connection, seed=1):
    """(status, headers, body) of a call."""
    connection.request("POST", "/v1/chat/completions", body(seed), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def broken(upstream, kind, **more):
    return faulty.running(upstream, Faults(share=1.0, kinds=(kind,), **more))


def whole(upstream, seed=1):
    with faulty.running(upstream, Faults(share=0)) as proxy:
        return ask(line(proxy), seed)[2]


def text(answer):
    return json.loads(answer)["choices"][0]["message"]["content"]


def test_calls_that_are_not_broken_pass_as_they_are_over_one_connection(upstream):
    with faulty.running(upstream, Faults(share=0)) as proxy:
        connection = line(proxy)
        found = [ask(connection, seed) for seed in range(5)]
        connection.request("GET", "/v1/models")
        assert json.load(connection.getresponse())["data"][0]["id"] == "scripted"
    assert [text(answer) for _, _, answer in found] == [text(whole(upstream, seed)) for seed in range(5)]
    assert proxy.done.kinds == {"forwarded": 5}


@pytest.mark.parametrize("kind", ["500", "503", "429", "408"])
def test_a_status_is_that_status_and_the_connection_goes_on(upstream, kind):
    with broken(upstream, kind) as proxy:
        connection = line(proxy)
        for _ in range(4):
            status, headers, answer = ask(connection)
            assert (status, headers["Retry-After"]) == (int(kind), "0.05" if kind in ("429", "503") else None)
            assert json.loads(answer)["error"]["message"] == f"injected: {kind}"
        assert ask(connection)[0] == 200  # never more than four in a row
    assert proxy.done.kinds == {kind: 4, "forwarded": 1}
    assert (proxy.done.asked, proxy.done.forwarded) == ({1: 5}, {1: 1})


def test_when_to_come_back_may_be_a_whole_number_a_date_or_unsaid(upstream):
    for given, expected in (({"retry_after": 2}, "2"), ({"retry_after": None}, None)):
        with broken(upstream, "429", **given) as proxy:
            assert ask(line(proxy))[1]["Retry-After"] == expected
    with broken(upstream, "429", retry_after=3, as_date=True) as proxy:
        at = parsedate_to_datetime(ask(line(proxy))[1]["Retry-After"])
    assert at > datetime.now(UTC)


def test_a_hang_is_no_answer_until_the_client_hangs_up(upstream):
    with broken(upstream, "hang", in_a_row=1) as proxy:
        connection = line(proxy)
        connection.timeout = 0.2
        with pytest.raises(TimeoutError):
            ask(connection)
        connection.close()
        assert ask(line(proxy))[0] == 200
    assert proxy.done.forwarded == {1: 1}


def test_a_truncated_answer_is_the_first_half_of_the_json_with_status_200(upstream):
    with broken(upstream, "truncated") as proxy:
        status, headers, answer = ask(line(proxy))
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert len(answer) == len(whole(upstream)) // 2
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer)
    assert proxy.done.forwarded == {1: 1}


def test_html_comes_with_status_200(upstream):
    with broken(upstream, "html") as proxy:
        status, headers, answer = ask(line(proxy))
    assert (status, headers["Content-Type"]) == (200, "text/html")
    assert answer.startswith(b"<!DOCTYPE html>")


def test_choices_may_be_missing_and_texts_empty(upstream):
    expected = json.loads(whole(upstream))
    with broken(upstream, "no_choices") as proxy:
        found = json.loads(ask(line(proxy))[2])
    assert found.keys() == expected.keys() - {"choices"}
    with broken(upstream, "empty") as proxy:
        answer = ask(line(proxy))[2]
    assert text(answer) == ""
    assert json.loads(answer)["usage"] == expected["usage"]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_reset_is_a_reset(upstream, loop, monkeypatch):
    if loop == "uvloop":
        monkeypatch.setattr(asyncio.events, "new_event_loop", pytest.importorskip("uvloop").new_event_loop)
    with broken(upstream, "reset") as proxy, pytest.raises(ConnectionResetError):
        ask(line(proxy))
    assert proxy.done.forwarded == {1: 0}


def test_a_closed_connection_ends_in_the_middle_of_the_body(upstream):
    expected = whole(upstream)
    with broken(upstream, "closed") as proxy:
        connection = line(proxy)
        connection.request("POST", "/v1/chat/completions", body(), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert (answer.status, int(answer.headers["Content-Length"])) == (200, len(expected))
        with pytest.raises(http.client.IncompleteRead) as caught:
            answer.read()
    assert 0 < len(caught.value.partial) < len(expected)


def test_which_call_breaks_follows_from_the_seed_the_body_and_how_often_it_came():
    def run(faults, seeds, times=5):
        return {seed: [faults.of(body(seed), before) for before in range(times)] for seed in seeds}

    faults = Faults(seed=3)
    found = run(faults, range(2000))
    assert run(faults, reversed(range(2000))) == found
    assert run(Faults(seed=4), range(2000)) != found
    for at in range(4):
        kinds = Counter(tries[at] for tries in found.values())
        assert 0.22 < 1 - kinds[None] / 2000 < 0.28
        assert kinds.keys() == {None, *KINDS}
    assert {tries[4] for tries in found.values()} == {None}
    assert {None} == {kind for tries in run(Faults(share=0), range(50)).values() for kind in tries}


def test_an_answer_comes_no_sooner_than_the_delay(upstream):
    with faulty.running(upstream, Faults(share=0, delay=0.1)) as proxy:
        start = time.monotonic()
        ask(line(proxy))
        assert time.monotonic() - start >= 0.1  # how late it may be is not asserted


def test_calls_in_flight_at_once_wait_together(upstream):
    with faulty.running(upstream, Faults(share=0, delay=1.0)) as proxy:
        lines = [line(proxy) for _ in range(20)]
        for seed, one in enumerate(lines):
            one.request("POST", "/v1/chat/completions", body(seed), {"Content-Type": "application/json"})
        while sum(proxy.done.asked.values()) < 20:  # all are in, and none is answered yet
            time.sleep(0.001)
        assert [text(one.getresponse().read()) for one in lines] == [text(whole(upstream, seed)) for seed in range(20)]


def test_a_stream_does_not_pass_and_an_upstream_that_is_gone_closes(upstream):
    asked = json.loads(body()) | {"stream": True}
    with faulty.running(upstream, Faults(share=0)) as proxy:
        connection = line(proxy)
        connection.request("POST", "/v1/chat/completions", json.dumps(asked).encode(), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert (answer.status, b"streams do not pass" in answer.read()) == (502, True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        gone = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with faulty.running(gone, Faults(share=0)) as proxy, pytest.raises(http.client.RemoteDisconnected):
        ask(line(proxy))


def test_an_upstream_that_comes_back_is_found_again():
    with ExitStack() as stack:
        with serve.running("scripted") as served:
            proxy = stack.enter_context(faulty.running(served.base_url, Faults(share=0)))
            connection = line(proxy)
            before = ask(connection)
        with serve.running("scripted", port=int(served.base_url.removesuffix("/v1").rsplit(":", 1)[1])):
            assert text(ask(connection)[2]) == text(before[2])


def test_it_runs_as_a_process_and_tells_what_it_did(upstream):
    command = [sys.executable, str(Path(faulty.__file__)), "--upstream", upstream, "--share", "1", "--kinds", "500,html"]
    with subprocess.Popen([*command, "--in-a-row", "1"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().removeprefix("base_url: ").strip()
        connection = http.client.HTTPConnection(base_url.removeprefix("http://").removesuffix("/v1"), timeout=60)
        assert {ask(connection, 5)[0], ask(connection, 5)[0]} <= {200, 500}
        with urllib.request.urlopen(base_url.removesuffix("/v1") + "/faults") as answer:
            done = json.load(answer)
        assert (done["asked"], done["forwarded"], done["kinds"]["forwarded"]) == ({"5": 2}, {"5": 1}, 1)
        process.send_signal(signal.SIGTERM)
        assert json.loads(process.communicate(timeout=60)[0]) == done["kinds"]
    assert process.returncode == 0
