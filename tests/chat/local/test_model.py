"""A model in this process: batches that answer as one by one, cancellation, and every way to be refused in one line."""

import asyncio
import gc
import json
import re
import signal
import subprocess
import sys
import weakref

import pytest
import torch
from peft import AutoPeftModelForCausalLM, IA3Config, PromptTuningConfig
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer, BatchEncoding, MambaConfig, MistralConfig, Qwen2Config

from aloe_hub.chat import open_chat
from aloe_hub.chat.base import ChatReply, ChatRequest, Sampling
from aloe_hub.chat.local.model import MOST_ROWS, Local
from aloe_hub.chat.pieces import Pieces
from aloe_hub.errors import AloeError, ChatError, DataError, UsageError
from aloe_hub.files.jsonl import read_rows
from aloe_hub.model_string import ModelString
from aloe_hub.stages.benchmark import BenchmarkSettings, evaluate_all
from aloe_hub.stages.trees import ROLES, TreeSettings, grow_all
from aloe_hub.types import Message, Transcript, Tree
from tests import tiny

GREEDY = Sampling(temperature=0.0, max_tokens=24)
SAMPLED = Sampling(temperature=0.8, top_p=0.95, max_tokens=24)
TEXTS = [("Any dinner ideas? " * 9)[: 3 + 11 * n] for n in range(12)]


def request(text="Any dinner ideas?", sampling=GREEDY, seed=0, messages=None):
    return ChatRequest(messages or (Message("user", text),), sampling, seed, "policy")


def together(chat, requests):
    """The texts of the replies to requests that are made at the same time."""

    async def ask():
        return [reply.text for reply in await asyncio.gather(*map(chat.complete, requests))]

    return asyncio.run(ask())


def one_by_one(model, requests):
    """Each request alone, to a model that remembers nothing of the others."""
    return [together(open_chat(model), [one]) for one in requests]


def by_transformers(model, folder, text, most):
    """The greedy reply as `generate` of transformers gives it."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    messages = [{"role": "user", "content": text}]
    prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")
    assert isinstance(prompt, BatchEncoding)
    said = model.generate(**prompt, do_sample=False, max_new_tokens=most)[0, prompt["input_ids"].shape[1] :]
    return tokenizer.decode(said, skip_special_tokens=True)


@pytest.fixture
def batches(caplog):
    """The sizes of the batches, as the debug log tells them."""
    caplog.set_level("DEBUG", logger="aloe_hub.chat.local")
    return lambda: [int(found[1]) for found in map(re.compile(r": a batch of (\d+)$").search, caplog.messages) if found]


# --- replies


@pytest.mark.parametrize("kind", [None, Qwen2Config, MistralConfig])
def test_greedy_replies_are_those_of_transformers_one_by_one_and_batched_whatever_the_lengths(tmp_path, base, kind):
    # Mistral's window is shorter than most of the prompts.
    folder = base if kind is None else tiny.save_model(tmp_path / "m", kind, sliding_window=32 if kind is MistralConfig else None)
    plain = AutoModelForCausalLM.from_pretrained(folder)
    expected = [ChatReply.received(by_transformers(plain, folder, text, 24)).text for text in TEXTS]
    assert len(set(expected)) > 6
    requests = [request(text) for text in TEXTS]
    assert one_by_one(f"local:{folder}", requests) == [[text] for text in expected]
    chat = open_chat(f"local:{folder}")
    assert together(chat, requests) == expected
    assert together(chat, requests[::-1]) == expected[::-1]  # with what was read before in mind


def test_sampled_replies_follow_the_seed_and_not_the_company(base):
    requests = [request(text, SAMPLED, seed) for text in TEXTS[:4] for seed in (1, 2, 3)]
    batched = together(open_chat(f"local:{base}"), requests)
    assert len(set(batched)) == len(requests)
    assert together(open_chat(f"local:{base}"), requests) == batched
    assert one_by_one(f"local:{base}", requests) == [[text] for text in batched]


def test_every_request_of_a_batch_has_its_own_settings(base, batches):
    settings = [GREEDY, SAMPLED, Sampling(0.7, 0.5, 3), Sampling(2.0, 1.0, 40), Sampling(0.0, 1.0, 1)]
    requests = [request(TEXTS[5], sampling, seed=9) for sampling in settings]
    found = together(open_chat(f"local:{base}"), requests)
    assert batches() == [5]
    assert found == [text for (text,) in one_by_one(f"local:{base}", requests)]
    assert found[0].startswith(found[4])


def test_a_reply_ends_at_any_end_token_of_the_model_or_the_tokenizer(tmp_path, base):
    (whole,) = together(open_chat(f"local:{base}"), [request(TEXTS[2])])
    folder = tiny.save_model(tmp_path / "m")  # the same weights
    settings = json.loads((folder / "generation_config.json").read_text())
    assert settings["eos_token_id"] == [1, 2]
    (letter,) = AutoTokenizer.from_pretrained(base)(whole[5])["input_ids"]
    settings["eos_token_id"] = [2, letter]
    (folder / "generation_config.json").write_text(json.dumps(settings))
    assert together(open_chat(f"local:{folder}"), [request(TEXTS[2])]) == [whole[: whole.index(whole[5])]]


def test_an_empty_reply_is_an_empty_text(tmp_path):
    folder = tiny.save_model(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = torch.zeros_like(weights["lm_head.weight"])  # the first token of all is drawn: <pad>
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert together(open_chat(f"local:{folder}"), [request()]) == [""]


def test_an_adapter_answers_as_peft_does(tmp_path, base, adapter):
    scales = IA3Config(target_modules=["k_proj"], feedforward_modules=[], init_ia3_weights=False, task_type="CAUSAL_LM")
    requests = [request(text) for text in TEXTS]
    plain = together(open_chat(f"local:{base}"), requests)
    for folder in (adapter, tiny.save_adapter(tmp_path / "ia3", base, scales)):
        expected = [by_transformers(AutoPeftModelForCausalLM.from_pretrained(folder), base, text, 24) for text in TEXTS]
        assert together(open_chat(f"local:{base}+{folder}"), requests) == expected
        assert plain != expected


def test_every_role_of_the_template_is_kept(base):
    system = (Message("system", "Be brief."), Message("user", "Hello"))
    spoken = (*system, Message("assistant", "Hello!"), Message("user", "A dinner idea?"))
    found = together(open_chat(f"local:{base}"), [request(messages=messages) for messages in (system, system[1:], spoken)])
    assert len(set(found)) == 3


# --- batches


def test_requests_that_wait_together_are_one_batch_and_late_comers_the_next(base, batches):
    chat = open_chat(f"local:{base}")

    async def conversation(number):
        for turn in range(3):
            for _ in range(number % 5):  # some need more turns of the loop than others to come back
                await asyncio.sleep(0)
            await chat.complete(request(TEXTS[number], SAMPLED, seed=turn))

    async def all_at_once():
        await asyncio.gather(*map(conversation, range(12)))

    asyncio.run(all_at_once())
    assert batches() == [12, 12, 12]


def test_a_batch_is_bounded(base, batches):
    requests = [request(sampling=Sampling(1.0, 1.0, 1), seed=seed) for seed in range(MOST_ROWS + 2)]
    assert len(together(open_chat(f"local:{base}"), requests)) == MOST_ROWS + 2
    assert batches() == [MOST_ROWS, 2]


def test_roles_that_name_one_model_share_it_until_the_last_has_gone(base, adapter):
    first, second = open_chat(f"local:{base}"), open_chat(f"local:{base}")
    assert first is second
    assert open_chat(f"local:{base}+{adapter}") is not first
    left = weakref.ref(first)
    del first, second
    gc.collect()
    assert left() is None


def test_the_event_loop_lives_while_the_model_speaks(base):
    chat = open_chat(f"local:{base}")

    async def counted():
        reply = asyncio.create_task(chat.complete(request(sampling=Sampling(1.0, 1.0, 300))))
        turns = 0
        while not reply.done():
            turns += 1
            await asyncio.sleep(0.001)
        return turns

    assert asyncio.run(counted()) > 3


# --- length, stop strings, and hearing it while it speaks


def replies(chat, requests):
    """As `together`, but all that the replies tell."""

    async def ask():
        return await asyncio.gather(*map(chat.complete, requests))

    return asyncio.run(ask())


def heard(chat, requests, complete=()):
    """(the pieces of each of `requests` that is heard while it is said, the replies to them and to those that are not)."""
    pieces: list[list[str]] = [[] for _ in requests]

    async def ask():
        streams = (chat.stream(one, said.append) for one, said in zip(requests, pieces, strict=True))
        return await asyncio.gather(*streams, *map(chat.complete, complete))

    return pieces, asyncio.run(ask())


def test_a_reply_tells_its_tokens_and_whether_it_was_cut(base):
    # A letter a token, and three more in a prompt: <user>, <end>, <assistant>.
    requests = [request(text, SAMPLED, seed) for text in TEXTS for seed in range(4)]
    found = replies(open_chat(f"local:{base}"), requests)
    for asked, reply in zip(requests, found, strict=True):
        assert reply.tokens_in == len(asked.messages[0].content) + 3
        assert len(reply.text) <= reply.tokens_out <= 24  # a special token that does not end it is in no text
        assert reply.cut == (reply.tokens_out == 24)
    assert {reply.cut for reply in found} == {True, False}


def test_a_reply_ends_before_the_first_stop_string_and_the_batch_goes_on(base):
    requests = [request(text) for text in TEXTS]
    plain = together(open_chat(f"local:{base}"), requests)
    stop = plain[5][7:9], plain[5][4:6]
    requests[5] = request(TEXTS[5], Sampling(0.0, 1.0, 24, stop))
    found = replies(open_chat(f"local:{base}"), requests)
    assert [reply.text for reply in found] == [*plain[:5], plain[5][:4], *plain[6:]]
    assert (found[5].cut, found[5].tokens_out) == (False, 6)


def test_a_stop_string_that_the_last_token_completes_is_no_cut(base):
    (plain,) = together(open_chat(f"local:{base}"), [request(TEXTS[5], Sampling(0.0, 1.0, 8))])
    sampling = Sampling(0.0, 1.0, 8, (plain[6:],))
    assert [(reply.text, reply.cut) for reply in replies(open_chat(f"local:{base}"), [request(TEXTS[5], sampling)])] == [
        (plain[:6], False)
    ]


def test_who_listens_hears_the_pieces_of_what_would_be_said_anyway_in_the_batch_of_the_others(base, batches):
    requests = [request(text, SAMPLED, seed) for text in TEXTS for seed in (1, 2)]
    expected = replies(open_chat(f"local:{base}"), requests)
    pieces, found = heard(open_chat(f"local:{base}"), requests[:8], requests[8:])
    assert found == expected
    assert batches() == [24, 24]
    for said, reply in zip(pieces, found[:8], strict=True):
        assert "".join(said) == reply.text
        assert all(len(piece) == 1 for piece in said)  # a letter a token


def test_nothing_of_a_stop_string_is_heard(base):
    (plain,) = together(open_chat(f"local:{base}"), [request(TEXTS[5])])
    other = "\u2603"  # a stop string that only begins like something that is said
    sampling = Sampling(0.0, 1.0, 24, (plain[8:11], plain[2:5] + other))
    (said,), (reply,) = heard(open_chat(f"local:{base}"), [request(TEXTS[5], sampling)])
    assert "".join(said) == reply.text == plain[:8]
    assert plain[2:6] in said  # held back until it went on otherwise


def test_a_character_of_several_tokens_is_heard_whole():
    chat = Local.load(ModelString.parse("local:pocket"))
    text = "Café: 10 €"
    tokens = chat._tokenizer(text, add_special_tokens=False)["input_ids"]
    pieces = Pieces()
    said = [pieces.grown(chat._text(tokens[: end + 1])) for end in range(len(tokens))]
    assert said[-3:] == ["", "", "€"]  # three tokens, a byte each
    assert "".join(said) == text


# --- stopping

FOREVER = Sampling(temperature=1.0, max_tokens=10**6)


@pytest.fixture
def endless(tmp_path):
    """A model that would speak for hours: nothing ends its replies."""
    folder = tiny.save_model(tmp_path / "endless", max_position_embeddings=10**7)
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"][:3] = 0
    weights["lm_head.weight"][3:] *= 100
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return open_chat(f"local:{folder}")


def test_a_cancelled_request_leaves_the_others_and_the_model_free(endless):
    async def some_give_up():
        tasks = [asyncio.create_task(endless.complete(request(text, FOREVER))) for text in TEXTS[:3]]
        short = asyncio.create_task(endless.complete(request(TEXTS[3])))
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        return [(await short).text, (await endless.complete(request(TEXTS[3]))).text]

    assert asyncio.run(some_give_up()) == 2 * together(endless, [request(TEXTS[3])])


def test_who_listens_and_gives_up_hears_no_more(endless):
    async def gives_up():
        said: list[str] = []
        task = asyncio.create_task(endless.stream(request(sampling=FOREVER), said.append))
        while len(said) < 5:
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])
        await endless.complete(request())  # the thread is free again: nothing of the other is said any more
        heard_by_then = len(said)
        await endless.complete(request())
        return heard_by_then == len(said)

    assert asyncio.run(gives_up())


def test_a_task_group_that_fails_ends_and_the_next_loop_works(endless):
    async def fails():
        async with asyncio.TaskGroup() as group:
            group.create_task(endless.complete(request(sampling=FOREVER)))
            await asyncio.sleep(0.05)
            raise ValueError("somebody else failed")

    for _ in range(2):
        with pytest.raises(ExceptionGroup, match="unhandled errors"):
            asyncio.run(fails())
        assert together(endless, [request()])


def test_ctrl_c_ends_what_is_being_said(endless):
    async def interrupted():
        asyncio.get_running_loop().call_later(0.1, signal.raise_signal, signal.SIGINT)
        await endless.complete(request(sampling=FOREVER))

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(interrupted())
    assert together(endless, [request()])


# --- what cannot be


def test_a_prompt_longer_than_the_model_reads_is_refused_and_a_reply_ends_where_it_ends(tmp_path):
    chat = open_chat(f"local:{tiny.save_model(tmp_path / 'm', max_position_embeddings=64)}")
    with pytest.raises(ChatError, match=r"a prompt of 65 tokens, and the model reads 64 with its reply"):
        together(chat, [request("x" * 62)])
    reply = together(chat, [request("x" * 40, Sampling(0.0, 1.0, 500))])[0]
    assert len(reply) == 64 - 43


def test_messages_that_the_template_refuses_are_a_chat_error(base):
    with pytest.raises(ChatError, match=r"template refuses messages of user, system \(A system message must come first\)"):
        together(open_chat(f"local:{base}"), [request(messages=(Message("user", "Hello"), Message("system", "Be brief.")))])


def test_one_that_is_refused_does_not_take_the_others_with_it(base):
    chat = open_chat(f"local:{base}")

    async def mixed():
        bad = request(messages=(Message("user", "Hello"), Message("system", "Be brief.")))
        return await asyncio.gather(chat.complete(bad), chat.complete(request()), return_exceptions=True)

    refused, answered = asyncio.run(mixed())
    assert isinstance(refused, ChatError)
    assert answered.text == together(chat, [request()])[0]


def test_weights_that_are_no_numbers_are_a_chat_error(tmp_path):
    folder = tiny.save_model(tmp_path / "m")
    weights = load_file(folder / "model.safetensors")
    weights["model.norm.weight"][:] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ChatError, match="computes no numbers"):
        together(open_chat(f"local:{folder}"), [request()])


def test_models_and_adapters_that_cannot_be_batched_are_refused_before_any_work(tmp_path, base):
    mamba = tiny.save_model(tmp_path / "mamba", MambaConfig)
    with pytest.raises(DataError, match="its state would be spoilt"):
        open_chat(f"local:{mamba}")
    prompts = tiny.save_adapter(tmp_path / "p", base, PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM"))
    with pytest.raises(DataError, match="the adapter is made of prompts"):
        open_chat(f"local:{base}+{prompts}")


@pytest.mark.parametrize("name", ["", "nothing", "org/model+", "org/mo del", "+org/adapter", "org/model+no where", "org/model@"])
def test_what_cannot_be_a_model_is_wrong_usage(name):
    with pytest.raises(UsageError, match="no such folder, and not a name on the Hub"):
        open_chat(f"local:{name}")


def test_without_its_libraries_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "aloe_hub.chat.local.model", None)
    with pytest.raises(AloeError, match=re.escape("run: pip install 'aloe-hub[local]'")):
        open_chat("local:pocket")


def test_a_folder_may_have_plus_and_at_in_its_name(tmp_path):
    folder = tmp_path / "c++@home"
    folder.mkdir()
    for name, expected in [
        (str(folder), [str(folder)]),
        (f"{folder}+org/adapter@v2", [str(folder), "org/adapter@v2"]),
        (f"pocket+{folder}", ["pocket", str(folder)]),
    ]:
        assert [str(source) for source in ModelString.parse(f"local:{name}").sources] == expected


SHORT_OF_MEMORY = """
import asyncio, logging, resource, sys
from aloe_hub.chat import open_chat
from aloe_hub.chat.base import ChatRequest, Sampling
from aloe_hub.types import Message

chat = open_chat(sys.argv[1])
texts = [chr(64 + number) * (1000 - number) for number in range(32)]
logging.basicConfig(format="%(message)s", stream=sys.stdout)
logging.getLogger("aloe_hub").setLevel(logging.DEBUG)

def ask(texts, megabytes=None):
    async def answers():
        requests = [ChatRequest((Message("user", text),), Sampling(0.0, 1.0, 4), 0, "policy") for text in texts]
        return await asyncio.gather(*map(chat.complete, requests), return_exceptions=True)

    if megabytes:
        held = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + megabytes * 2**20, resource.RLIM_INFINITY))
    found = asyncio.run(answers())
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    return found

ask(texts[:1])
found = ask(texts, 60)
logging.getLogger("aloe_hub").setLevel(logging.INFO)
print(found == [ask([text])[0] for text in texts])
print(*ask(["x" * 9000], 60))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the memory of a process cannot be bounded")
def test_out_of_memory_halves_the_batch_and_one_that_does_not_fit_alone_says_what_to_lower(tmp_path):
    model = f"local:{tiny.save_model(tmp_path / 'm', max_position_embeddings=10_000)}"
    command = [sys.executable, "-c", SHORT_OF_MEMORY, model]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *sizes, equal, refused = done.stdout.splitlines()
    assert sizes[:3] == [f"{model}: a batch of {size}" for size in (1, 32, 16)]
    assert equal == "True"
    assert refused == f"{model}: out of memory at a prompt of 9003 tokens; take fewer turns or a smaller model"


# --- as a policy and in the other roles


def test_the_benchmark_takes_it_as_policy_and_repeats_itself(tmp_path, run, base, adapter):
    policies = [f"local:{base}", f"local:{base}+{adapter}"]
    settings = BenchmarkSettings(turns=2, limit=3)
    assert evaluate_all(run, policies, settings) == 0
    files = sorted(run.file("transcripts").glob("*.jsonl"))
    assert len(files) == 2
    for file in files:
        for transcript in read_rows(file, Transcript.from_row):
            assert len(transcript.turns) == 2
            assert all(turn.score is not None and 1 <= turn.score <= 5 for turn in transcript.turns)
    before = [file.read_bytes() for file in files]
    assert before[0] != before[1]
    for file in (*files, *run.file("scores").iterdir()):
        file.unlink()
    assert evaluate_all(run, policies, settings) == 0
    assert [file.read_bytes() for file in files] == before


def test_the_two_replies_of_an_on_policy_fork_are_drawn_in_one_batch(run, base, batches):
    models = dict.fromkeys(ROLES, "scripted") | {"policy": f"local:{base}"}
    assert grow_all(run, TreeSettings(models, turns=2, limit=3)).finished
    assert batches() == [6, 6]
    for tree in read_rows(run.file("trees.jsonl"), Tree.from_row):
        for exchange in tree.exchanges:
            assert exchange.replies[0].text != exchange.replies[1].text


def test_what_it_cannot_answer_is_a_failed_conversation_with_its_reason(tmp_path, run):
    model = f"local:{tiny.save_model(tmp_path / 'm', max_position_embeddings=160)}"
    assert evaluate_all(run, [model], BenchmarkSettings(turns=4, limit=3)) == 3
    (failed,) = run.file("transcripts").glob("failed-*.jsonl")
    assert all("tokens, and the model reads 160" in row["reason"] for row in read_rows(failed, dict))


def test_a_judge_that_cannot_be_read_leaves_scores_missing(run, tmp_path):
    judge = tiny.save_model(tmp_path / "judge", max_position_embeddings=4096)  # a token is a letter, and the judge is told much
    assert evaluate_all(run, ["scripted:plain"], BenchmarkSettings(judge=f"local:{judge}", turns=1, limit=2)) == 0
    (scores,) = run.file("scores").iterdir()
    assert [row["scores"] for row in read_rows(scores, dict)] == [[None], [None]]


def test_the_day_that_templates_are_told_stands_in_the_settings_of_a_run(run, base):
    evaluate_all(run, ["scripted:plain"], BenchmarkSettings(turns=1, limit=1))
    assert "template_date" not in run.settings()["evaluate"]
    evaluate_all(run, [f"local:{base}"], BenchmarkSettings(turns=1, limit=1))  # not another setting of the same run
    grow_all(run, TreeSettings(dict.fromkeys(ROLES, "scripted") | {"policy": f"local:{base}"}, turns=1, limit=1))
    assert run.settings()["trees"]["template_date"] == "2024-07-26"


def test_a_model_that_says_how_long_its_replies_are_at_most_is_heard(tmp_path):
    folder = tiny.save_model(tmp_path / "short")
    (folder / "generation_config.json").write_text(json.dumps({"max_new_tokens": 3, "eos_token_id": 400}))
    longer, shorter = (request(sampling=Sampling(0.0, 1.0, most)) for most in (9, 2))
    assert [len(text) for text in together(open_chat(f"local:{folder}"), [longer, shorter])] == [3, 2]  # a letter a token


def test_who_listens_hears_no_reasoning(base, monkeypatch):
    """As a model says it that thinks in tags which are no special tokens of its own."""
    real = Local._text
    monkeypatch.setattr(
        Local, "_text", lambda self, tokens: ("<think>She is shy.</think>" + real(self, tokens))[: 9 * len(tokens)]
    )
    (whole,) = replies(open_chat(f"local:{base}"), [request(TEXTS[5])])
    (said,), (reply,) = heard(open_chat(f"local:{base}"), [request(TEXTS[5])])
    assert (reply, "".join(said)) == (whole, whole.text)
    assert (len(said) > 3, reply.thoughts) == (True, 1)
