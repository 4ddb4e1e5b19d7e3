"""One call to an endpoint, over real HTTP: what an answer becomes, and what each way of failing is called."""

import asyncio
import gzip
import json
import socket
import threading
import tracemalloc
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from aloe_hub.chat import open_chat
from aloe_hub.chat.answers import Heard
from aloe_hub.chat.base import ChatReply, ChatRequest, Sampling
from aloe_hub.chat.endpoint import Endpoint
from aloe_hub.chat.scripted import Scripted
from aloe_hub.errors import AloeError, ChatError, Refused, TransientError
from aloe_hub.model_string import ModelString
from aloe_hub.serve.server import running
from aloe_hub.types import Message
from tests.chat.faulty import Faults
from tests.chat.faulty import running as broken

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
        pieces: list[str] = []
        endpoint = Endpoint(ModelString.parse(scripted.name), 30)
        reply = await endpoint.stream(request(), pieces.append)
        await endpoint.close()
        return reply, pieces

    reply, pieces = asyncio.run(listen())
    assert len(pieces) > 3
    assert "".join(pieces) == reply.text
    assert reply == ask(scripted.name)[0]


def test_many_at_once_are_each_answered(scripted):
    requests = [request(f"Any dinner ideas, for {number}?") for number in range(60)]
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
    heard: list[bytes] = []
    with answering(http("200 OK", completion()), heard) as model:
        ask(model, request(temperature=0.3, top_p=0.9, max_tokens=17, stop=("\n\n",)))
    body = json.loads(heard[0].partition(b"\r\n\r\n")[2])
    assert body == {
        "model": "m", "messages": [{"role": "user", "content": "Any dinner ideas?"}], "seed": 7,
        "temperature": 0.3, "top_p": 0.9, "max_tokens": 17, "stop": ["\n\n"],
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
        ("truncated", "the answer is not a chat completion"),
        ("html", "the answer is not a chat completion: '<!DOCTYPE html>"),
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
    heard: list[bytes] = []
    with answering(http("401 Unauthorized", {"error": f"wrong key {SECRET}"}), heard) as model, pytest.raises(Refused) as caught:
        ask(model)
    assert f"bearer {SECRET}".encode() in heard[0].lower().replace(SECRET.lower().encode(), SECRET.encode())
    assert SECRET not in str(caught.value)
    assert "ALOE_API_KEY" in str(caught.value)


def test_a_server_may_have_a_key_of_its_own(monkeypatch):
    monkeypatch.setenv("ALOE_API_KEY", "another")
    monkeypatch.setenv("ALOE_API_KEY_127_0_0_1", SECRET)
    heard: list[bytes] = []
    with answering(http("200 OK", completion()), heard) as model:
        ask(model)
    assert SECRET.encode() in heard[0]
    assert b"another" not in heard[0]


def test_the_hubs_token_is_never_sent_to_another_server(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_" + "canary" * 6)
    monkeypatch.delenv("ALOE_API_KEY", raising=False)
    heard: list[bytes] = []
    with answering(http("200 OK", completion()), heard) as model:
        ask(model)
    assert b"canary" not in heard[0]


def test_a_model_of_the_hub_needs_a_token(monkeypatch, tmp_path):
    monkeypatch.setattr("aloe_hub.chat.keys.get_token", lambda: None)
    with pytest.raises(AloeError, match="no token; log in with `hf auth login`, or set HF_TOKEN"):
        open_chat("hub:org/model")


def test_a_model_of_the_hub_is_asked_through_the_router_with_the_hubs_token(monkeypatch):
    monkeypatch.setattr("aloe_hub.chat.keys.get_token", lambda: "hf_" + "canary" * 6)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    heard: list[bytes] = []
    with answering(http("400 Bad Request", {"error": "nobody is no provider"}), heard) as model:
        monkeypatch.setattr("aloe_hub.chat.endpoint.HUB", model.partition("#")[0])
        with pytest.raises(Refused, match=r"hub:org/model:nobody: 400 nobody is no provider") as caught:
            ask("hub:org/model:nobody")
    assert "canary" not in str(caught.value)
    assert b'"model":"org/model:nobody"' in heard[0].replace(b'": "', b'":"')
    assert b"Bearer hf_canary" in heard[0]


@pytest.mark.parametrize(
    ("extra", "sent"),
    [
        ('{"seed": null, "temperature": null}', {"max_tokens": 512}),
        ('{"max_tokens": "max_completion_tokens", "seed": null, "temperature": null}', {"max_completion_tokens": 512}),
        ('{"chat_template_kwargs": {"enable_thinking": false}, "seed": 3}',
         {"max_tokens": 512, "temperature": 1.0, "seed": 3, "chat_template_kwargs": {"enable_thinking": False}}),
    ],
)  # fmt: skip
def test_what_is_sent_is_the_users_to_say(extra, sent):
    heard: list[bytes] = []
    with answering(http("200 OK", completion()), heard) as model:
        ask(model, request(extra_body=extra))
    body = json.loads(heard[0].partition(b"\r\n\r\n")[2])
    assert body == {"model": "m", "messages": [{"role": "user", "content": "Any dinner ideas?"}]} | sent


def test_a_bomb_is_read_no_further_than_an_answer_may_be_long(monkeypatch):
    monkeypatch.setattr("aloe_hub.chat.endpoint.MOST_BYTES", 2**16)
    bomb = gzip.compress(b" " * 2**26)
    with answering(http("200 OK", bomb, "Content-Encoding: gzip\r\n")) as model:
        tracemalloc.start()
        with pytest.raises(TransientError, match="longer than"):
            ask(model)
        assert tracemalloc.get_traced_memory()[1] < 2**23
        tracemalloc.stop()


@pytest.mark.parametrize("status", ["301 x", "302 x", "307 x", "308 x"])
@pytest.mark.parametrize("there", ["http://127.0.0.2:9/v1/chat/completions", "ftp://h/x", "file:///etc/passwd", "//[x/y"])
def test_a_redirect_to_another_origin_is_not_followed(status, there):
    redirecting = http(status, b"", f"Location: {there}\r\n")
    with answering(redirecting) as model, pytest.raises(ChatError, match="another address") as caught:
        ask(model)
    assert not isinstance(caught.value, TransientError)


@pytest.mark.parametrize(
    "value", ["1e999", "nan", "Wed, 21 Oct 99999999999999999999 07:28:00 GMT", "-inf", "Mon, 01 Jan 0001 00:00:00 +2359"]
)
def test_a_wild_retry_after_is_a_fault_that_may_pass(value):
    with answering(http("429 Too Many", {}, f"Retry-After: {value}\r\n")) as model, pytest.raises(TransientError):
        ask(model)


@pytest.mark.parametrize("key", [SECRET + "\r\n", "  " + SECRET, SECRET + "\n"])
def test_a_key_is_stripped_of_line_ends(monkeypatch, key):
    monkeypatch.setenv("ALOE_API_KEY", key)
    heard: list[bytes] = []
    with answering(http("200 OK", completion()), heard) as model:
        ask(model)
    assert f"Authorization: Bearer {SECRET}\r\n".encode() in heard[0]


@pytest.mark.parametrize("key", [SECRET + "\nX: y", SECRET + "é", f"{SECRET} {SECRET}", SECRET + "\x7f"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_repeated(monkeypatch, key):
    monkeypatch.setenv("ALOE_API_KEY", key)
    with pytest.raises(AloeError, match="ALOE_API_KEY") as caught:
        open_chat("http://127.0.0.1:9/v1#m")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        http("200 OK", completion(f"Your key is {SECRET}")),
        http("200 OK", completion(f"Key {SECRET}", "length")),
        http("400 x", {"error": {"message": "x" * 281 + " " + SECRET}}),
        http("400 x", {"error": {"message": f"{SECRET[:14]} {SECRET[14:]}"}}),
        http(f"400 {SECRET}", b""),
        http("200 OK", completion([SECRET])),
        http("200 OK", SECRET.encode()),
        f"HTTP/1.1 200 OK\r\n{SECRET}\r\n\r\n".encode(),
        f"{SECRET}\r\n\r\n".encode(),
        http("302 x", b"", f"Location: ftp://{SECRET}/x\r\n"),
        http("200 OK", b"x", f"Content-Encoding: {SECRET}\r\n"),
    ],
    ids=lambda answer: repr(answer[-30:]),
)
def test_a_server_that_repeats_the_key_is_not_repeated(monkeypatch, answer):
    monkeypatch.setenv("ALOE_API_KEY", SECRET)
    with answering(answer) as model, pytest.raises(ChatError) as caught:
        ask(model)
    assert not any(SECRET[place : place + 10] in str(caught.value) for place in range(len(SECRET) - 9))


def test_a_stream_is_heard_without_its_reasoning():
    chunks = [
        "<thi",
        "nk>Hm, she",
        " is shy.</think>",
        "Try the lentil ",
        "soup, it is warm and takes half an hour.",
        "<|im_end|>",
    ]
    events = [{"choices": [{"index": 0, "delta": {"content": chunk}}]} for chunk in chunks]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    body = b"".join(f"data: {json.dumps(event)}\n\n".encode() for event in events) + b"data: [DONE]\n\n"

    async def listen(model):
        pieces: list[str] = []
        endpoint = Endpoint(ModelString.parse(model), 10)
        reply = await endpoint.stream(request(), pieces.append)
        await endpoint.close()
        return reply, pieces

    with answering(http("200 OK", body, "Content-Type: text/event-stream\r\n")) as model:
        reply, pieces = asyncio.run(listen(model))
    assert reply == ChatReply("Try the lentil soup, it is warm and takes half an hour.", thoughts=1)
    assert "".join(pieces) == reply.text
    assert len(pieces) > 1


def test_a_stream_of_single_characters_is_not_read_anew_for_each(monkeypatch):
    looks, received = [], ChatReply.received

    def looked(raw, **more):
        looks.append(len(raw))
        return received(raw, **more)

    monkeypatch.setattr(ChatReply, "received", looked)
    said: list[str] = []
    heard = Heard(said.append)
    for _ in range(20_000):
        heard.line(b'data: {"choices": [{"delta": {"content": "a"}}]}')
    heard.end("a" * 20_000)
    assert "".join(said) == "a" * 20_000
    assert sum(looks) < 100 * 20_000
