"""LiteLLM as one more way to a server: the same rows, the same words when something goes wrong, nothing of its own."""

import asyncio
import json
import logging
from dataclasses import replace

import pytest

from aloe_hub.chat import open_chat
from aloe_hub.chat.base import ChatRequest, Connected, Sampling
from aloe_hub.chat.traffic import Limits, Traffic
from aloe_hub.errors import ChatError, Refused, TransientError
from aloe_hub.files.run_folder import RunFolder
from aloe_hub.stages.trees import ROLES, TreeSettings, grow_all
from aloe_hub.types import Message
from tests.dialects import speaking

KEY = "sk-canary-0123456789"
HELLO = ChatRequest((Message("user", "Any dinner ideas?"),), Sampling(), seed=4, role="user")


@pytest.fixture
def server(monkeypatch):
    with speaking() as served:
        address = f"http://127.0.0.1:{served.server_address[1]}/v1"
        monkeypatch.setenv("OPENAI_API_BASE", address)
        monkeypatch.setenv("OPENAI_BASE_URL", address)
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        yield served


def ask(model, request=HELLO):
    async def asked():
        chat = open_chat(model, 20)
        assert isinstance(chat, Connected)
        try:
            return await chat.complete(request)
        finally:
            await chat.close()

    return asyncio.run(asked())


@pytest.mark.parametrize("dialect", ["clean", "think", "reasoning-field", "end-turn"])
def test_trees_through_litellm_are_those_of_one_process(run, tmp_path, server, dialect):
    models = dict.fromkeys(ROLES, "scripted")
    grow_all(run, TreeSettings(models=models, turns=2, limit=4))
    over = RunFolder(tmp_path / "over")
    over.path.mkdir()
    over.file("personas.jsonl").write_bytes(run.file("personas.jsonl").read_bytes())
    traffic = Traffic(Limits(timeout=30))
    assert grow_all(over, TreeSettings(dict.fromkeys(ROLES, f"litellm:openai/{dialect}"), 2, limit=4), traffic=traffic).finished
    assert over.file("trees.jsonl").read_bytes() == run.file("trees.jsonl").read_bytes()
    assert traffic.ledger.calls == server.asked[dialect] > 0
    assert {model for _, model in traffic.ledger.by_role} == {f"litellm:openai/{dialect}"}


def test_sampling_extra_fields_and_a_schema_are_sent(server):
    extra = '{"random_seed": 7, "seed": null, "max_tokens": "max_completion_tokens"}'
    sampling = Sampling(temperature=0.5, max_tokens=99, stop=("###",), extra_body=extra)
    schema = {"type": "object", "properties": {"reasons": {"type": "string"}}, "required": ["reasons"]}
    ask("litellm:openai/structured", replace(HELLO, sampling=sampling, schema=schema, role="judge"))
    body = server.bodies["structured"]
    assert body.pop("response_format")["json_schema"]["schema"] == schema
    assert body == {
        "model": "structured", "messages": [{"role": "user", "content": "Any dinner ideas?"}],
        "temperature": 0.5, "max_completion_tokens": 99, "stop": ["###"], "random_seed": 7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("dialect", "kind", "says"),
    [
        ("auth-in-200", Refused, "401 No auth credentials found; LiteLLM takes keys"),
        ("quota", Refused, "429 You exceeded your current quota; nothing is left"),
        ("no-money", Refused, "402 Insufficient Balance; nothing is left"),
        ("no-max-tokens", Refused, """--extra-body '{"max_tokens": "max_completion_tokens"}'"""),
        ("context", ChatError, "maximum context length is 8 tokens"),
        ("overloaded", TransientError, "529 Overloaded"),
        ("error-in-200", TransientError, "429 rate limit exceeded upstream"),
        ("choice-error", TransientError, "502 Upstream dropped"),
        ("error-finish", TransientError, "broke off its answer (finish_reason error)"),
        ("refusal", ChatError, "refused to answer (finish_reason stop): I can't help with that."),
        ("filter", ChatError, "refused to answer (finish_reason content_filter)"),
        ("only-reasoning", ChatError, "only reasoning came"),
        ("thinking-part", TransientError, "500 Invalid response object"),  # the library reads no list of parts
    ],
)
def test_what_goes_wrong_is_told_as_by_an_endpoint(server, dialect, kind, says, caplog, capfd):
    with pytest.raises(ChatError) as caught:
        ask(f"litellm:openai/{dialect}")
    assert type(caught.value) is kind
    assert str(caught.value).startswith(f"litellm:openai/{dialect}: ")
    assert says in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert server.asked[dialect] == 1
    printed = capfd.readouterr()
    assert printed.out + printed.err == ""
    assert not [record for record in caplog.records if record.levelno > logging.DEBUG and record.name.startswith("LiteLLM")]


def test_nobody_there_and_nobody_known_are_one_line_without_a_key(server, monkeypatch):
    with pytest.raises(ChatError, match="LLM Provider NOT provided"):
        ask("litellm:nobody/m")
    monkeypatch.setenv("OPENAI_API_BASE", "http://127.0.0.1:9/v1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with pytest.raises(TransientError, match="Connection error"):
        ask("litellm:openai/clean")


def test_a_key_is_in_no_message_and_in_no_reply(server, monkeypatch):
    monkeypatch.setitem(vars(server), "scripted", Telling())
    with pytest.raises(ChatError) as caught:
        ask("litellm:openai/clean")
    assert "holds a key" in str(caught.value)
    with pytest.raises(ChatError) as caught:
        ask(f"litellm:openai/{KEY}")
    assert KEY not in str(caught.value).removeprefix(f"litellm:openai/{KEY}: ")


class Telling:
    async def complete(self, request):
        from aloe_hub.chat.base import ChatReply

        return ChatReply(json.dumps({"your key": KEY}))
