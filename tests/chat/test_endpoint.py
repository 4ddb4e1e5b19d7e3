"""One call to an endpoint, over real HTTP: what an answer becomes, and what each way of failing is called."""

import asyncio
import json
import socket
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from faulty import Faults
from faulty import running as broken

from aloe_hub.chat import open_chat
from aloe_hub.chat.base import ChatReply, ChatRequest, Sampling
from aloe_hub.chat.endpoint import IN_FLIGHT_EACH, Endpoint
from aloe_hub.chat.scripted import Scripted
from aloe_hub.errors import AloeError, ChatError, Refused, TransientError
from aloe_hub.model_string import ModelString
from aloe_hub.serve.server import running
from aloe_hub.types import Message

SECRET = "sk-" + "canary" * 4


def request(text="Any dinner ideas?", **changes):
    return ChatRequest((Message("user", text),), Sampling(**changes), seed=7, role="policy")


def ask(model, *requests, timeout=30.0):
    """The replies, asked at once over one endpoint."""

    async def together():
        endpoint = Endpoint(ModelString.parse(model), timeout)
        try:
            return await asyncio.gather(*(endpoint.complete(one) for one in requests or (request(),)))
        finally:
            await endpoint.close()

    return asyncio.run(together())


@contextmanager
def answering(answer: bytes, heard: list[bytes] | None = None):
    """A server that says these bytes to whoever comes, and its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    said = b""
                    while b"\r\n\r\n" not in said or len(said.partition(b"\r\n\r\n")[2]) < int(
                        said.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0
                    ):
                        if not (more := connection.recv(1 << 16)):
                            break
                        said += more
                    if heard is not None:
                        heard.append(said)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1#m"
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def http(status: str, body: object, more: str = "") -> bytes:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\nConnection: close\r\n{more}\r\n".encode() + content


def completion(content="Hello", finish="stop", **more):
    choice = {"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": content}}
    return {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]} | more


@pytest.fixture(scope="module")
def scripted():
    with running("scripted:tailored") as served:
        yield served


def test_an_endpoint_says_what_the_model_behind_it_says(scripted):
    (reply,) = ask(scripted.name)
    assert reply == asyncio.run(Scripted("tailored").complete(request()))
    assert reply.tokens_in == 3


def test_an_endpoint_can_be_heard_while_it_speaks(scripted):
    async def listen():
        pieces = []
        endpoint = Endpoint(ModelString.parse(scripted.name), 30)
        reply = await endpoint.stream(request(), pieces.append)
        await endpoint.close()
        return reply, pieces

    reply, pieces = asyncio.run(listen())
    assert len(pieces) > 3
    assert "".join(pieces) == reply.text
    assert reply == ask(scripted.name)[0]


def test_many_at_once_are_each_answered(scripted):
    requests = [request(f"Any dinner ideas, for {number}?") for number in range(IN_FLIGHT_EACH * 3)]
    assert len(ask(scripted.name, *requests)) == len(requests)


def test_it_may_be_used_in_one_event_loop_after_another(scripted):
    endpoint = Endpoint(ModelString.parse(scripted.name), 30)

    async def once():
        try:
            return (await endpoint.complete(request())).text
        finally:
            await endpoint.close()

    assert asyncio.run(once()) == asyncio.run(once())


def test_sampling_and_seed_are_sent_and_the_role_is_not():
    heard = []
    with answering(http("200 OK", completion()), heard) as model:
        ask(model, request(temperature=0.3, top_p=0.9, max_tokens=17, stop=("\n\n",)))
    body = json.loads(heard[0].partition(b"\r\n\r\n")[2])
    assert body == {
        "model": "m", "messages": [{"role": "user", "content": "Any dinner ideas?"}], "seed": 7,
        "temperature": 0.3, "top_p": 0.9, "max_tokens": 17, "stop": ["\n\n"], "stream": False,
    }  # fmt: skip


def test_a_reply_that_max_tokens_ended_is_cut_and_may_be_empty():
    with answering(http("200 OK", completion("", "length"))) as model:
        assert ask(model) == [ChatReply("", cut=True)]


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("500", "500 injected"),
        ("503", "503 injected"),
        ("429", "429 injected"),
        ("408", "408 injected"),
        ("hang", "no answer in time"),
        ("reset", "the connection broke"),
        ("closed", "the connection broke"),
        ("truncated", "answered with no chat completion"),
        ("html", "answered with no chat completion: '<!DOCTYPE html>"),
        ("no_choices", "the answer has no choices"),
        ("empty", "the reply is empty"),
    ],
)
def test_a_fault_that_may_pass_is_told_in_one_line(scripted, kind, said):
    with broken(scripted.base_url, Faults(share=1, kinds=(kind,), in_a_row=1)) as proxy:
        model = f"{proxy.base_url}#{scripted.model}"
        with pytest.raises(TransientError) as caught:
            ask(model, timeout=0.5 if kind == "hang" else 30)
        assert str(caught.value).startswith(f"{model}: {said}")
        assert "\n" not in str(caught.value)
        assert caught.value.maybe_billed == (kind not in ("500", "503", "429", "408"))
        assert ask(model)[0].text  # the next time it is answered


def test_a_server_that_is_not_there_cannot_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransientError, match="cannot be reached; is the server up") as caught:
        ask(f"http://127.0.0.1:{port}/v1#m")
    assert not caught.value.maybe_billed


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("0.25", 0.25), ("-3", 0), ("soon", None), ("in two hours", 7200)])
def test_retry_after_is_read_in_both_its_forms(header, seconds):
    if header == "in two hours":
        header = format_datetime(datetime.now(UTC) + timedelta(hours=2))
    with (
        answering(http("429 Too Many Requests", {}, f"Retry-After: {header}\r\n")) as model,
        pytest.raises(TransientError) as caught,
    ):
        ask(model)
    assert caught.value.retry_after == (seconds if seconds is None else pytest.approx(seconds, abs=60))


@pytest.mark.parametrize(
    "status", ["400 Bad Request", "422 Unprocessable Entity", "413 Too Large", "401 No", "403 No", "404 Not Found"]
)
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "prompt is\ntoo long"}},
        {"detail": "prompt is too long"},
        {"message": "prompt is too long"},
        b"prompt is too long",
    ],
)
def test_what_will_not_pass_is_told_in_the_servers_words(status, body):
    with answering(http(status, body)) as model, pytest.raises(ChatError, match=f"{status[:3]} prompt is too long") as caught:
        ask(model)
    assert not isinstance(caught.value, TransientError)
    assert isinstance(caught.value, Refused) == (status[:3] in ("401", "403", "404"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"3", b'"Hello"', b"{}", b"\xff\xfe", b"[" * 3000,
        {"choices": []}, {"choices": None}, {"choices": [None]},
        {"choices": ["Hello"]}, {"choices": [{"index": 0, "message": None, "finish_reason": "stop"}]}, {"choices": {"0": 1}},
        completion(content=None), completion(content=["Hello"]), completion(content=" \n"),
    ],
    ids=lambda body: repr(body)[:40],
)  # fmt: skip
def test_an_answer_that_is_no_chat_completion_is_a_fault_that_may_pass(body):
    with answering(http("200 OK", body)) as model, pytest.raises(TransientError) as caught:
        ask(model)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "usage", [{}, {"usage": None}, {"usage": {"prompt_tokens": "3"}}, {"usage": {"prompt_tokens": -1, "completion_tokens": True}}]
)
def test_what_is_said_of_tokens_is_not_trusted(usage):
    with answering(http("200 OK", completion(**usage))) as model:
        assert ask(model) == [ChatReply("Hello")]


def test_the_key_goes_to_its_server_and_into_no_error(monkeypatch):
    monkeypatch.setenv("ALOE_API_KEY", SECRET)
    heard = []
    with answering(http("401 Unauthorized", {"error": f"wrong key {SECRET}"}), heard) as model, pytest.raises(Refused) as caught:
        ask(model)
    assert f"bearer {SECRET}".encode() in heard[0].lower().replace(SECRET.lower().encode(), SECRET.encode())
    assert SECRET not in str(caught.value)
    assert "ALOE_API_KEY" in str(caught.value)


def test_a_server_may_have_a_key_of_its_own(monkeypatch):
    monkeypatch.setenv("ALOE_API_KEY", "another")
    monkeypatch.setenv("ALOE_API_KEY_127_0_0_1", SECRET)
    heard = []
    with answering(http("200 OK", completion()), heard) as model:
        ask(model)
    assert SECRET.encode() in heard[0]
    assert b"another" not in heard[0]


def test_the_hubs_token_is_never_sent_to_another_server(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_" + "canary" * 6)
    monkeypatch.delenv("ALOE_API_KEY", raising=False)
    heard = []
    with answering(http("200 OK", completion()), heard) as model:
        ask(model)
    assert b"canary" not in heard[0]


def test_a_model_of_the_hub_needs_a_token(monkeypatch, tmp_path):
    monkeypatch.setattr("aloe_hub.chat.endpoint.get_token", lambda: None)
    with pytest.raises(AloeError, match="no token; log in with `hf auth login`, or set HF_TOKEN"):
        open_chat("hub:org/model")


def test_a_provider_that_the_hub_does_not_have_is_refused_before_anything_is_sent(monkeypatch):
    monkeypatch.setattr("aloe_hub.chat.endpoint.get_token", lambda: "hf_" + "canary" * 6)
    with pytest.raises(Refused, match=r"hub:org/model:nobody: Provider 'nobody' not supported") as caught:
        ask("hub:org/model:nobody")
    assert "canary" not in str(caught.value)
