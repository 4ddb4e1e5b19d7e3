"""A model as an endpoint, heard by the clients that people use: `openai` and `huggingface_hub`, over real HTTP."""

import asyncio
import http.client
import json
import socket
import threading
import urllib.error
import urllib.request
from contextlib import ExitStack
from typing import Any

import openai
import pytest
from huggingface_hub import AsyncInferenceClient
from huggingface_hub.errors import BadRequestError, HfHubHTTPError

from aloe_hub import prompts
from aloe_hub.chat import open_chat
from aloe_hub.chat.base import ChatReply, ChatRequest, Sampling
from aloe_hub.errors import AloeError, ChatError, TransientError, UsageError
from aloe_hub.serve.server import running
from aloe_hub.serve.server_app import MOST_BYTES
from aloe_hub.types import Message

HELLO = [{"role": "user", "content": "I love sushi. Any dinner ideas?"}]
OPENING = prompts.load("user_opening").render(profile="She loves sushi.", personality="She is full of jokes.")
KEY = "sk-very-secret"
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


@pytest.fixture(scope="module")
def scripted():
    with running("scripted") as served:
        yield served


@pytest.fixture(scope="module")
def local(base):
    with running(f"local:{base}") as served:
        yield served


def client(served, key="none"):
    return openai.OpenAI(base_url=served.base_url, api_key=key, max_retries=0)


def ask(served, messages=HELLO, **given):
    return client(served).chat.completions.create(model=served.model, messages=messages, **given)


def in_process(model, messages, sampling, seed):
    spoken = tuple(Message(message["role"], message["content"]) for message in messages)
    return asyncio.run(open_chat(model).complete(ChatRequest(spoken, sampling, seed, "policy")))


def post(served, body, path="/chat/completions", **headers):
    """(status, what came back) of a body as it is."""
    request = urllib.request.Request(served.base_url + path, body, {"Content-Type": "application/json"} | headers)
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class Faked:
    """A chat that a test decides about: it says what it is asked to, or does what `act` does."""

    def __init__(self, act=None):
        self.act = act
        self.cancelled = threading.Event()
        self.begun = threading.Event()

    async def complete(self, request):
        self.begun.set()
        try:
            return await self.act(request)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


async def forever(request):
    await asyncio.Event().wait()


def raising(error):
    async def act(request):
        raise error

    return act


# --- what is said


@pytest.mark.parametrize("seed", [0, 7, 2**31 - 1])
@pytest.mark.parametrize("messages", [HELLO, [{"role": "user", "content": OPENING}]])
def test_the_scripted_model_says_the_same_as_in_process(scripted, messages, seed):
    found = ask(scripted, messages, seed=seed)
    expected = in_process("scripted", messages, Sampling(), seed)
    assert found.choices[0].message.content == expected.text
    assert (found.choices[0].finish_reason, found.model, found.object) == ("stop", "scripted", "chat.completion")
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (expected.tokens_in, expected.tokens_out)
    assert found.usage.total_tokens == expected.tokens_in + expected.tokens_out


def test_a_stream_is_the_same_text_in_pieces_and_tells_its_tokens_if_asked(scripted):
    whole = ask(scripted, seed=3)
    begun, *pieces, ended, usage = ask(scripted, seed=3, stream=True, stream_options={"include_usage": True})
    assert begun.choices[0].delta.role == "assistant"
    assert len(pieces) == whole.usage.completion_tokens  # a word each
    assert "".join(piece.choices[0].delta.content for piece in pieces) == whole.choices[0].message.content
    assert [chunk.choices[0].finish_reason for chunk in (begun, *pieces, ended)] == [None] * (len(pieces) + 1) + ["stop"]
    assert (usage.choices, usage.usage) == ([], whole.usage)
    assert len({chunk.id for chunk in (begun, *pieces, ended, usage)}) == 1
    assert all(chunk.usage is None for chunk in ask(scripted, seed=3, stream=True))


def test_the_hugging_face_client_hears_the_same_both_ways(scripted):
    async def both():
        async with AsyncInferenceClient(base_url=scripted.base_url) as hub:
            asked = {"messages": HELLO, "model": scripted.model, "seed": 5, "temperature": 0.7, "top_p": 0.9, "max_tokens": 400}
            whole = await hub.chat_completion(**asked)
            stream = await hub.chat_completion(**asked, stream=True, stream_options={"include_usage": True})
            return whole, [chunk async for chunk in stream]

    whole, chunks = asyncio.run(both())
    expected = in_process("scripted", HELLO, Sampling(0.7, 0.9, 400), 5)
    assert whole.choices[0].message.content == expected.text
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == expected.text
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens == expected.tokens_out


def test_without_a_seed_every_request_gets_its_own(scripted):
    assert len({ask(scripted).choices[0].message.content for _ in range(8)}) > 1


def test_max_tokens_cuts_and_says_so_and_a_stop_string_ends(scripted):
    whole = ask(scripted, seed=1).choices[0].message.content
    for name in ("max_tokens", "max_completion_tokens"):
        cut = ask(scripted, seed=1, **{name: 3}).choices[0]
        assert (cut.finish_reason, cut.message.content.split()) == ("length", whole.split()[:3])
    word = whole.split()[4]
    for stop in (word, ["never said", word]):
        ended = ask(scripted, seed=1, stop=stop)
        assert ended.choices[0].message.content == whole[: whole.index(word)]
        assert ended.choices[0].finish_reason == "stop"
    *_, ended = ask(scripted, seed=1, max_tokens=3, stream=True)
    assert ended.choices[0].finish_reason == "length"


def test_parts_of_text_are_read_and_what_is_unknown_is_ignored(scripted):
    parts = [
        {"role": "user", "content": [{"type": "text", "text": "I love sushi."}, {"type": "text", "text": "Any dinner ideas?"}]}
    ]
    lines = [{"role": "user", "content": "I love sushi.\nAny dinner ideas?"}]
    found = ask(scripted, parts, seed=4, presence_penalty=0.5, user="me", extra_body={"min_p": 0.1})
    assert found.choices[0].message.content == ask(scripted, lines, seed=4).choices[0].message.content


@pytest.mark.parametrize("sampling", [Sampling(0.0, 1.0, 24), Sampling(0.8, 0.9, 24), Sampling(0.8, 1.0, 24, ("e",))])
def test_a_local_model_says_the_same_as_in_process_whole_and_in_pieces(local, sampling):
    given = {"temperature": sampling.temperature, "top_p": sampling.top_p, "max_tokens": sampling.max_tokens, "seed": 11}
    given |= {"stop": list(sampling.stop)} if sampling.stop else {}
    expected = in_process(local.model, HELLO, sampling, 11)
    whole = ask(local, **given)
    assert whole.choices[0].message.content == expected.text
    assert whole.choices[0].finish_reason == ("length" if expected.cut else "stop")
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (expected.tokens_in, expected.tokens_out)
    pieces = [chunk.choices[0].delta.content or "" for chunk in ask(local, **given, stream=True)]
    assert "".join(pieces) == expected.text
    assert all(len(piece) <= 1 for piece in pieces)  # a letter a token


def test_many_clients_at_once_each_hear_their_own(scripted, local):
    async def all_at_once(served, count):
        async with openai.AsyncOpenAI(base_url=served.base_url, api_key="none") as client:
            asked = {"model": served.model, "messages": HELLO, "temperature": 0.8, "max_tokens": 24}
            return await asyncio.gather(*(client.chat.completions.create(**asked, seed=seed) for seed in range(count)))

    for served, count in ((scripted, 64), (local, 12)):
        found = [answer.choices[0].message.content for answer in asyncio.run(all_at_once(served, count))]
        assert found == [in_process(served.model, HELLO, Sampling(0.8, 1.0, 24), seed).text for seed in range(count)]


def test_the_one_model_is_listed_under_the_string_that_names_it(scripted, local):
    for served in (scripted, local):
        assert [model.id for model in client(served).models.list()] == [served.model]
        assert served.name == f"{served.base_url}#{served.model}"
        with urllib.request.urlopen(served.base_url.removesuffix("/v1") + "/health") as answer:
            assert answer.status == 200


def test_a_chat_that_cannot_be_heard_while_it_speaks_and_tells_no_tokens_is_one_piece_without_usage():
    async def greet(request):
        return ChatReply("Good morning.")

    with running("greeting", Faked(greet)) as served:
        assert ask(served).usage is None
        chunks = list(ask(served, stream=True, stream_options={"include_usage": True}))
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["", "Good morning.", None]


# --- what is refused


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": []}, "messages []: a list of at least one message is wanted"),
        ({"messages": "hello"}, "messages 'hello': a list of at least one message"),
        ({"messages": None}, "messages None: a list"),
        ({"messages": ["hello"]}, "messages[0] 'hello': an object with role and content is wanted"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role 'tool': system, user or assistant is wanted"),
        ({"messages": [*HELLO, {"role": "assistant"}]}, "messages[1].content None: a text, or a list of parts of text"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content []: a text"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}, "only parts of text are read"),
        ({"messages": [{"role": "user", "content": "a\ud800"}]}, "messages[0].content 'a\\ud800': not valid Unicode"),
        ({"temperature": -0.1}, "temperature -0.1: a number from 0 to 2 is wanted"),
        ({"temperature": float("nan")}, "temperature nan: a number"),
        ({"temperature": 10**400}, "a number from 0 to 2 is wanted"),
        ({"temperature": True}, "temperature True: a number"),
        ({"top_p": 0}, "top_p 0: a number above 0, at most 1 is wanted"),
        ({"max_tokens": 0}, "max_tokens 0: a whole number from 1 to"),
        ({"max_tokens": 1.5}, "max_tokens 1.5: a whole number from 1 to"),
        ({"max_tokens": 5, "max_completion_tokens": 10**9}, "max_completion_tokens 1000000000: a whole number"),
        ({"seed": "one"}, "seed 'one': a whole number is wanted"),
        ({"n": 2}, "n 2: only 1 answer a request"),
        ({"stop": ""}, "stop '': a text, or a list of texts"),
        ({"stop": [1]}, "stop [1]: a text, or a list of texts"),
        ({"stream": "yes"}, "stream 'yes': true or false is wanted"),
        ({"stream_options": []}, "stream_options []: an object is wanted"),
        ({"model": None}, "model None: a name is wanted; here it is 'scripted'"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_cannot_be_meant_is_400_with_the_parameter_and_why(scripted, change, message):
    status, answer = post(scripted, json.dumps({"model": "scripted", "messages": HELLO} | change).encode())
    assert status == 400
    assert message in answer["error"]["message"]
    assert answer["error"]["type"] == "invalid_request_error"
    assert answer["error"]["param"] in (*change, "max_completion_tokens")


@pytest.mark.parametrize("body", [b"", b"{oops", b"\xff", b"[" * 100_000, b"9" * 10_000, b"[]", b'"hello"', b"null"])
def test_what_is_no_json_object_is_400(scripted, body):
    status, answer = post(scripted, body)
    assert status == 400
    assert answer["error"]["message"].startswith("the body ")


def test_another_model_is_404_as_the_clients_know_it(scripted):
    with pytest.raises(openai.NotFoundError, match="model 'gpt-4' does not exist; here is 'scripted'") as caught:
        client(scripted).chat.completions.create(model="gpt-4", messages=HELLO)
    assert (caught.value.code, caught.value.param) == ("model_not_found", "model")


def test_the_hugging_face_client_shows_what_is_wrong(scripted):
    async def refused(**given):
        async with AsyncInferenceClient(base_url=scripted.base_url) as hub:
            await hub.chat_completion(HELLO, **{"model": "scripted"} | given)

    with pytest.raises(BadRequestError, match="top_p 7"):
        asyncio.run(refused(top_p=7))
    with pytest.raises(HfHubHTTPError, match="404"):
        asyncio.run(refused(model="other"))


def test_a_body_that_is_too_large_is_413_and_the_server_goes_on(scripted):
    huge = [{"role": "user", "content": "x" * MOST_BYTES}]
    with pytest.raises(openai.APIStatusError) as caught:
        ask(scripted, huge)
    assert caught.value.status_code == 413
    assert ask(scripted).choices


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example.com"}, 400),
        ({"Origin": "http://evil.example.com"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": "application/json; charset=utf-8", "Origin": "http://localhost:3000"}, 200),
    ],
)
def test_a_page_of_another_site_is_not_answered(scripted, headers, status):
    address = scripted.base_url.removeprefix("http://").removesuffix("/v1")
    line = http.client.HTTPConnection(address)
    body = json.dumps({"model": "scripted", "messages": HELLO})
    line.request("POST", "/v1/chat/completions", body, {"Content-Type": "application/json"} | headers)
    answer = line.getresponse()
    assert answer.status == status
    assert "access-control-allow-origin" not in answer.headers
    line.close()


def test_until_the_model_is_there_it_says_so(monkeypatch):
    said: list[Any] = []

    def loading(model):
        for path in ("/health", "/v1/chat/completions"):
            line = http.client.HTTPConnection("127.0.0.1", port)
            body = json.dumps({"model": "scripted", "messages": HELLO})
            line.request("GET" if path == "/health" else "POST", path, body, {"Content-Type": "application/json"})
            said.append(line.getresponse().status)
            line.close()
        return Faked(forever)

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr("aloe_hub.serve.server.open_chat", loading)
    with running("scripted", port=port):
        assert said == [503, 503]


def test_other_addresses_and_methods_are_refused_in_the_same_form(scripted):
    assert post(scripted, b"{}", "/completions") == (404, {"error": {
        "message": "POST /v1/completions: not found", "type": "invalid_request_error", "param": None, "code": None,
    }})  # fmt: skip
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(scripted.base_url + "/chat/completions")
    assert caught.value.code == 405


def test_the_key_is_asked_for_everywhere_but_at_health(capfd):
    with running("scripted", key=KEY) as served:
        body = json.dumps({"model": "scripted", "messages": HELLO}).encode()
        for wrong in ("sk-other", KEY + "x", KEY[:-1], "schlüssel"):
            status, answer = post(served, body, Authorization=f"Bearer {wrong}")
            assert (status, answer["error"]["code"]) == (401, "invalid_api_key")
            assert KEY not in json.dumps(answer)
        assert post(served, body)[0] == 401
        with pytest.raises(openai.AuthenticationError):
            client(served, "sk-other").models.list()
        assert [model.id for model in client(served, KEY).models.list()] == ["scripted"]
        assert client(served, KEY).chat.completions.create(model="scripted", messages=HELLO).choices
        assert urllib.request.urlopen(served.base_url.removesuffix("/v1") + "/health").status == 200
    assert KEY not in "".join(capfd.readouterr())


# --- what goes wrong


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ChatError("local:m: out of memory\nat a prompt of 9 tokens"), 400, "local:m: out of memory at a prompt of 9 tokens"),
        (TransientError("the provider is busy"), 503, "the provider is busy"),
        (KeyError("/home/me/secret"), 500, "KeyError: this is a bug in aloe-hub; the server's terminal says more"),
    ],
)
def test_an_error_of_the_model_is_one_line_and_a_status_also_before_a_stream(capfd, error, status, message, stream):
    with running("broken", Faked(raising(error))) as served:
        with pytest.raises(openai.APIStatusError) as caught:
            ask(served, stream=stream)
        assert caught.value.status_code == status
        kind = "server_error" if status >= 500 else "invalid_request_error"
        assert caught.value.body == {"message": message, "type": kind, "param": None, "code": None}
    assert ("Traceback" in capfd.readouterr().err) == isinstance(error, KeyError)  # a bug is told, but to who runs the server


def test_an_error_in_the_middle_of_a_stream_is_told_in_it():
    class Breaking(Faked):
        async def stream(self, request, say):
            say("Good ")
            await asyncio.sleep(0)
            raise ChatError("the model broke")

    heard = []
    with running("breaking", Breaking()) as served:
        stream = ask(served, stream=True)
        with pytest.raises(openai.APIError, match="the model broke"):
            heard.extend(stream)
    assert [chunk.choices[0].delta.content for chunk in heard] == ["", "Good "]


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_hangs_up_gives_its_call_up(stream):
    chat = Faked(forever)
    with running("endless", chat) as served:
        host, port = served.base_url.removeprefix("http://").removesuffix("/v1").split(":")
        body = json.dumps({"model": "endless", "messages": HELLO, "stream": stream}).encode()
        with socket.create_connection((host, int(port))) as line:
            line.sendall(HEAD % len(body) + body)
            assert chat.begun.wait(30)
        assert chat.cancelled.wait(30)


def test_a_client_that_hangs_up_in_the_middle_of_a_stream_gives_its_call_up():
    class Endless(Faked):
        async def stream(self, request, say):
            try:
                while True:
                    say("and ")
                    await asyncio.sleep(0.001)
            finally:
                self.cancelled.set()

    chat = Endless()
    with running("endless", chat) as served:
        stream = ask(served, stream=True)
        for chunk, _ in zip(stream, range(5), strict=False):
            assert chunk.choices
        stream.close()
        assert chat.cancelled.wait(30)


def test_a_client_that_hangs_up_while_it_asks_is_no_news(scripted, capfd):
    host, port = scripted.base_url.removeprefix("http://").removesuffix("/v1").split(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(HEAD % 100 + b"{")
    assert ask(scripted).choices
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_ends_breaks_off_what_is_being_said(stream, capfd):
    chat, caught = Faked(forever), []

    def wait(served):
        try:
            ask(served, stream=stream)
        except openai.APIStatusError as error:
            caught.append((error.status_code, error.message))

    with ExitStack() as stack:
        served = stack.enter_context(running("endless", chat))
        waiting = threading.Thread(target=wait, args=(served,))
        waiting.start()
        assert chat.begun.wait(30)
    waiting.join()
    assert chat.cancelled.is_set()
    ((status, message),) = caught
    assert status == 503
    assert "the server ends" in message
    assert capfd.readouterr().err == ""


def test_a_taken_port_and_a_wrong_model_are_told_at_once():
    with running("scripted") as served:
        port = int(served.base_url.removesuffix("/v1").rsplit(":", 1)[1])
        with pytest.raises(AloeError, match=rf"--port {port}: cannot listen on 127.0.0.1 \(Address already in use\)"):
            running("local:/no/such/folder", port=port).__enter__()  # before a model is loaded
    with pytest.raises(UsageError, match="no such policy"):
        running("scripted:nobody").__enter__()
    with running("scripted", port=port) as again:  # it is free again
        assert ask(again).choices


def test_a_policy_around_a_model_is_served_by_its_name():
    name = "reminder(inferred(scripted:plain,by=scripted))"
    with running(name) as served:
        reply = ask(served, seed=3, temperature=0.5).choices[0].message.content
        assert reply == in_process(name, HELLO, Sampling(temperature=0.5), 3).text
        pieces = ask(served, seed=3, temperature=0.5, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in pieces if chunk.choices) == reply
        through = asyncio.run(open_chat(f"cot({served.name})").complete(
            ChatRequest((Message("user", HELLO[0]["content"]),), Sampling(temperature=0.5), 3, "policy")
        ))  # fmt: skip
        assert through.text == reply
